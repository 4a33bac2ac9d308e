// Package s3kms keeps secrets in an S3 bucket, each sealed with SSE-KMS under a key alias,
// with one index for each alias. A chamber bucket of its S3-KMS backend is read and
// written as it is.
package s3kms

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/s3open"
)

// Options say where the secrets are and under which key. Bucket and KeyAlias are required.
type Options struct {
	Bucket string
	// KeyAlias is the alias under which secrets are written: "alias/app". The id or the ARN
	// of a key is resolved through KMS, and must have exactly one alias.
	KeyAlias string

	// ExpectedOwner, an account id, makes every request fail on another account's bucket.
	ExpectedOwner string
	// KeyARNs are the only keys whose objects are believed, and under which anything is stored: a
	// change looks first at which key its alias stands for. Empty believes every KMS key.
	KeyARNs []string
	// KeyNames maps an alias to the name by which another server knows its key.
	KeyNames map[string]string
	// AllowUnencrypted accepts a store that does not encrypt, and says so in no answer.
	AllowUnencrypted bool
	// SingleWriter allows changes on a server that ignores conditions: of writers who meet,
	// the last wins. Notice is told so, once. Without it such a server is
	// [store.ErrUnsupported]. A server of AWS is never asked, any other before the first
	// change, and its answer kept in CacheDir for seven days, or else in PrivateDir,
	// which is made and used only while it is the user's alone; without either in memory.
	SingleWriter bool
	Notice       func(text string) // a sentence for a person; nil: silent
	CacheDir     string
	PrivateDir   string

	Unverified    bool // see [engine.Options]
	AllowRollback bool

	Now func() time.Time // nil: the system's clock
	Log *slog.Logger     // nil: silent
}

// describeTimeout is how long a change waits for KMS to tell a key, which it can do without.
const describeTimeout = 3 * time.Second

// New returns the store. It makes no request unless KeyAlias names a key by id or ARN.
func New(ctx context.Context, cfg aws.Config, o Options) (store.Store, error) {
	shared, err := o.shared().WithDefaults()
	if err != nil {
		return nil, err
	}
	o.Log = shared.Log
	alias, err := store.NormalizeAlias(o.KeyAlias)
	if err != nil {
		return nil, err
	}
	keys := awsconf.NewKeys(cfg)
	if store.IsKeyName(alias) {
		if alias, err = keys.AliasOf(ctx, alias); err != nil {
			return nil, fmt.Errorf("key %s: %w", o.KeyAlias, err)
		}
	}
	shared.KeyAlias = alias
	b := s3open.Bucket(cfg, shared)
	shared.KeyID, shared.PinnedKey = o.keyID(keys), o.pinnedKey(b, keys)
	return &secrets{s3open.New(cfg, b, shared), describer{keys, o.KeyNames}}, nil
}

func (o Options) shared() s3open.Options {
	return s3open.Options{
		Bucket: o.Bucket, ExpectedOwner: o.ExpectedOwner, Encryption: "aws:kms", KeyNames: o.KeyNames, Vouch: o.vouch,
		SingleWriter: o.SingleWriter, Notice: o.Notice, CacheDir: o.CacheDir, PrivateDir: o.PrivateDir,
		Unverified: o.Unverified, AllowRollback: o.AllowRollback, Now: o.Now, Log: o.Log,
	}
}

// vouch accepts what S3 has sealed with KMS, under a pinned key where keys are pinned. S3
// opens whatever its caller may decrypt, so that only the answer tells a forged object.
func (o Options) vouch(object string, s bucket.Seal) error {
	switch {
	case s.Method == "" && o.AllowUnencrypted:
		return nil
	case !strings.HasPrefix(s.Method, "aws:kms"):
		return &store.SealError{Object: object, Method: s.Method, KeyID: s.KeyID, Want: "aws:kms"}
	case len(o.KeyARNs) > 0 && !slices.Contains(o.KeyARNs, s.KeyID):
		return &store.SealError{Object: object, Method: s.Method, KeyID: s.KeyID, Want: strings.Join(o.KeyARNs, " or ")}
	}
	return nil
}

// keyID asks KMS for the key behind an alias. Who may not ask, or has no KMS to ask, does
// without: pinned keys do not need it.
func (o Options) keyID(keys *awsconf.Keys) func(context.Context, string) string {
	return func(ctx context.Context, alias string) string {
		if name, ok := o.KeyNames[alias]; ok {
			alias = name
		}
		ctx, cancel := context.WithTimeout(ctx, describeTimeout)
		defer cancel()
		info, err := keys.Describe(ctx, alias)
		if err != nil {
			o.Log.Debug("the key behind the alias is not known", "alias", alias, "error", err)
			return ""
		}
		return info.ARN
	}
}
