// Package s3kms keeps secrets in an S3 bucket, each encrypted with SSE-KMS under a key alias, with
// one index for each alias. It reads and writes the buckets of chamber's S3-KMS backend unchanged.
package s3kms

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/s3open"
)

// Options configure the store. Bucket is required, and for changes KeyAlias.
type Options struct {
	Bucket string
	// KeyAlias is the alias of the key for new secrets: "alias/app". The id or the ARN of a key is
	// resolved with KMS, and the key must have exactly one alias. Reads don't need it, since each
	// object names its key. Without it, changes fail with [store.ErrConfiguration], the store
	// implements only [store.Store], [store.Lister], [store.Reviser] and [store.Chooser], and a load takes one
	// round trip more.
	KeyAlias string

	// ExpectedOwner is an account id. Every request fails on another account's bucket.
	ExpectedOwner string
	// KeyARNs pins keys: only objects under these keys are trusted, and nothing is stored under
	// others. A change first looks up which key its alias points to. Empty trusts every KMS key.
	KeyARNs []string
	// KeyNames maps an alias to the name of its key on a server other than AWS.
	KeyNames map[string]string
	// AllowUnencrypted accepts servers that don't report encryption.
	AllowUnencrypted bool
	// SingleWriter allows changes on a server that ignores conditions: of concurrent writers, the
	// last one wins. Notice reports that once. Without SingleWriter such a server is
	// [store.ErrUnsupported]. A server of AWS is never tested. Any other is tested before the first
	// change, and the result is kept for seven days in CacheDir, or else in PrivateDir, which is
	// created, and used only if no other user can access it. Without either it is kept in memory.
	SingleWriter bool
	Notice       func(text string) // receives a sentence for the user; nil: none
	CacheDir     string
	PrivateDir   string

	// StateDir, with CacheDir, lets loads remember which objects had the value that an index of chamber has. There is
	// a keyed hash of the value in CacheDir, and the key in StateDir. Such a secret is loaded again without its salt.
	StateDir string
	// Reading is called before many objects are read one by one: read after each, done at the end. Nil: none.
	Reading func(objects int) (read, done func())

	// Unverified lets [store.Store.Load] trust an index if the caller has no permission to list the
	// service. Then deletions and changes that the index doesn't show are not noticed.
	Unverified bool
	// AllowRollback accepts a secret with a lower version than its index has seen, as after a backup
	// was restored. Otherwise it is a [store.RollbackError].
	AllowRollback bool

	Now func() time.Time // nil: the system's clock
	Log *slog.Logger     // nil: no log
}

// New returns the store. It makes no request unless KeyAlias is the id or the ARN of a key.
func New(ctx context.Context, cfg aws.Config, o Options) (store.Store, error) {
	shared, err := o.shared().WithDefaults()
	if err != nil {
		return nil, err
	}
	if o.KeyAlias == "" {
		shared.ReadOnly = true
		return s3open.ReadOnly(s3open.New(cfg, s3open.Bucket(cfg, shared), shared)), nil
	}
	keys := s3open.NewKeys(cfg, o.KeyNames, shared.Log)
	if shared.KeyAlias, err = keys.AliasOf(ctx, o.KeyAlias); err != nil {
		return nil, err
	}
	b := s3open.Bucket(cfg, shared)
	shared.KeyID, shared.PinnedKey = keys.ARN, o.pinnedKey(b, keys)
	return &secrets{s3open.New(cfg, b, shared), keys}, nil
}

func (o Options) shared() s3open.Options {
	return s3open.Options{
		Bucket: o.Bucket, ExpectedOwner: o.ExpectedOwner, Encryption: "aws:kms", KeyNames: o.KeyNames, Vouch: o.vouch,
		SingleWriter: o.SingleWriter, Notice: o.Notice, CacheDir: o.CacheDir, PrivateDir: o.PrivateDir,
		StateDir: o.StateDir, Reading: o.Reading, Trust: fmt.Sprintf("%q %t", o.KeyARNs, o.AllowUnencrypted),
		Unverified: o.Unverified, AllowRollback: o.AllowRollback, Now: o.Now, Log: o.Log,
	}
}

// vouch accepts objects that S3 has encrypted with KMS, and if keys are pinned, under a pinned key.
// S3 decrypts whatever its caller has permission to decrypt, so only the method and key in its
// answer reveal a forged object.
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
