// Package s3envelope keeps secrets in an S3 bucket of any server. Each is sealed on this machine with a
// key that KMS wraps, so that the bucket, its replicas and its backups have no value in clear. The
// encryption context of each request to KMS names the service and the secret.
package s3envelope

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/s3open"
	"github.com/coffer-secrets/coffer/store/internal/seal/kmsseal"
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
	// KeyARNs pins keys: only objects under these keys are opened, and nothing is sealed under others.
	// Empty trusts every key of the caller's account in the region in use, and those of KeyNames.
	KeyARNs []string
	// KeyNames maps an alias to the name of its key, if KMS knows it by another: the ARN of a key of
	// another account, for example.
	KeyNames map[string]string
	// SingleWriter allows changes on a server that ignores conditions: of concurrent writers, the
	// last one wins. Notice reports that once. Without SingleWriter such a server is
	// [store.ErrUnsupported]. A server of AWS is never tested. Any other is tested before the first
	// change, and the result is kept for seven days in CacheDir, or else in PrivateDir, which is
	// created, and used only if no other user can access it. Without either it is kept in memory.
	SingleWriter bool
	Notice       func(text string) // receives a sentence for the user; nil: none
	CacheDir     string
	PrivateDir   string
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
	sealer := kmsseal.New(cfg, kmsseal.Options{Pinned: o.KeyARNs, KeyNames: o.KeyNames})
	shared, err := o.shared(sealer).WithDefaults()
	if err != nil {
		return nil, err
	}
	if o.KeyAlias == "" {
		shared.ReadOnly = true
		return s3open.ReadOnly(s3open.NewSealed(cfg, s3open.Bucket(cfg, shared), shared)), nil
	}
	keys := s3open.NewKeys(cfg, o.KeyNames, shared.Log)
	if shared.KeyAlias, err = keys.AliasOf(ctx, o.KeyAlias); err != nil {
		return nil, err
	}
	shared.KeyID = keys.ARN
	if len(o.KeyARNs) > 0 {
		// The sealer refuses an alias that points to another key. The engine asks before it changes anything.
		shared.PinnedKey = func(ctx context.Context, service, alias string) (string, error) {
			return sealer.Key(ctx, alias, indexOf(service, alias))
		}
	}
	return &secrets{s3open.NewSealed(cfg, s3open.Bucket(cfg, shared), shared), keys, sealer}, nil
}

func (o Options) shared(sealer *kmsseal.Sealer) s3open.Options {
	return s3open.Options{
		Bucket: o.Bucket, ExpectedOwner: o.ExpectedOwner, Sealer: sealer, Format: kmsseal.Method, Vouch: o.vouch,
		SingleWriter: o.SingleWriter, Notice: o.Notice, CacheDir: o.CacheDir, PrivateDir: o.PrivateDir,
		Unverified: o.Unverified, AllowRollback: o.AllowRollback, Now: o.Now, Log: o.Log,
	}
}

// vouch accepts objects that a key of KMS has sealed, and if keys are pinned, a pinned key. The sealer
// has made sure of both; this is the engine's own look.
func (o Options) vouch(object string, s bucket.Seal) error {
	switch {
	case s.Method != kmsseal.Method:
		return &store.SealError{Object: object, Method: s.Method, KeyID: s.KeyID, Want: kmsseal.Method}
	case len(o.KeyARNs) > 0 && !slices.ContainsFunc(o.KeyARNs, func(pinned string) bool { return kmsseal.SameKey(pinned, s.KeyID) }):
		return &store.SealError{Object: object, Method: s.Method, KeyID: s.KeyID, Want: strings.Join(o.KeyARNs, " or ")}
	}
	return nil
}

// indexOf returns the name of the index of an alias.
func indexOf(service, alias string) string { return service + "/" + index.FileName(alias) }

// secrets is the store of a caller with a key alias.
type secrets struct {
	*s3open.Store
	s3open.Keys
	sealer *kmsseal.Sealer
}

// mostReady is how many secrets are sealed ahead of a change: as many as the engine writes at once.
const mostReady = 64

// Write implements [store.Store].
func (s *secrets) Write(ctx context.Context, id store.ID, v store.Value, o store.WriteOptions) (store.Result, error) {
	defer s.ready(ctx, id.Service, o, id.Key)()
	return s.Store.Write(ctx, id, v, o)
}

// WriteAll implements [store.Store].
func (s *secrets) WriteAll(ctx context.Context, service string, values map[string]store.Value, o store.WriteOptions) ([]store.Result, error) {
	var keys []string
	if len(values) <= mostReady {
		for key := range values {
			keys = append(keys, key)
		}
	}
	defer s.ready(ctx, service, o, keys...)()
	return s.Store.WriteAll(ctx, service, values, o)
}

// Delete implements [store.Store].
func (s *secrets) Delete(ctx context.Context, service string, keys ...string) ([]store.Result, error) {
	defer s.ready(ctx, service, store.WriteOptions{})()
	return s.Store.Delete(ctx, service, keys...)
}

// ready asks KMS for what a change of secrets needs, while the engine reads what it changes: the wrapped
// keys of the index and of the secrets. So a change takes one round trip more than on a server that
// encrypts. It asks for no secret if it is likely that none is written, and for nothing if the change is refused anyway.
func (s *secrets) ready(ctx context.Context, service string, o store.WriteOptions, keys ...string) (done func()) {
	if store.CheckService(service) != nil {
		return func() {}
	}
	names := []string{indexOf(service, s.Alias)}
	for _, key := range keys {
		if !o.PreserveCase {
			key = strings.ToLower(key)
		}
		if store.CheckNewKey(key) == nil && !o.SkipUnchanged {
			names = append(names, store.ID{Service: service, Key: key}.Object())
		}
	}
	return s.sealer.Ready(ctx, s.Alias, names...)
}
