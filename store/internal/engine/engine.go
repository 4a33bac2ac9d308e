// Package engine is the one secret engine: the protocol of docs/design/protocol.md over a
// bucket and its indexes. The S3-KMS, the S3 and the local backend differ only in the bucket
// and the options that they give it. The labels in comments (R1, W2, X3, D2) are those of
// the protocol.
package engine

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strings"
	"time"

	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// Options configure an engine. Bucket is required.
type Options struct {
	Bucket bucket.Bucket

	// Alias is the key alias under which secrets are written; "" keeps one plain index and
	// knows no aliases.
	Alias string

	// Vouch reports why the seal of an object that was read, or that a put answered, is not
	// acceptable. Nil accepts every seal.
	Vouch func(object string, s bucket.Seal) error

	// KeyID asks the key service which key an alias stands for now. It returns "" where
	// that cannot be told. Nil: never known.
	KeyID func(ctx context.Context, alias string) string

	// PinnedKey returns the key that an alias stands for now, asked before anything of a service is
	// put under it, or why nothing may be: the key is not pinned. Nil: no keys are pinned.
	PinnedKey func(ctx context.Context, service, alias string) (keyID string, err error)

	// Author names who writes. It is asked once for each write, beside other requests.
	Author func(ctx context.Context) string

	// Unverified lets [Engine.Load] trust an index when the caller may not list the service
	// and so cannot see what was deleted or changed.
	Unverified bool

	// AllowRollback accepts an object older than its index says.
	AllowRollback bool

	// Notice is told what a person should know of a change, as a whole sentence. Nil: silent.
	Notice func(text string)

	// SingleWriter says that nobody else changes secrets: Repair of package inspect then collects tombstones
	// also where the storage cannot delete under a condition.
	SingleWriter bool

	// DeniedWhenExpired says that the storage may call a session that has ended denied, as
	// Ceph does. A load that is denied something then costs one request more.
	DeniedWhenExpired bool

	Now   func() time.Time                                 // required
	Sleep func(ctx context.Context, d time.Duration) error // nil: a timer
	Nonce func() string                                    // nil: 128 random bits
}

// Limits of the work and the time of one command.
const (
	Readers       = 16                    // objects read at once
	writers       = 64                    // objects written at once: an import is two waves, not ten
	MaxVersions   = 100                   // how far back versions are kept
	deletions     = 3                     // how often a delete is repeated
	maxUnclear    = 10                    // how often a change is repeated that ends without a clear answer
	retryTime     = 60 * time.Second      // for a change that keeps meeting others
	putGrace      = 5 * time.Second       // for what is being put when an interrupt comes
	indexGrace    = 10 * time.Second      // for the index after an interrupt
	shortestPause = 10 * time.Millisecond // the limit of the first pause; see [pace.Backoff]
	longestPause  = 160 * time.Millisecond
)

// Engine is a [store.Store] over a bucket.
type Engine struct{ Options }

var _ store.Store = (*Engine)(nil)

// New returns an engine.
func New(o Options) *Engine {
	if o.Vouch == nil {
		o.Vouch = func(string, bucket.Seal) error { return nil }
	}
	if o.KeyID == nil {
		o.KeyID = func(context.Context, string) string { return "" }
	}
	if o.Notice == nil {
		o.Notice = func(string) {}
	}
	if o.Author == nil {
		o.Author = func(context.Context) string { return "" }
	}
	if o.Now == nil {
		o.Now = time.Now //nolint:forbidigo // the default of a library; the command line hands its own in
	}
	if o.Sleep == nil {
		o.Sleep = pace.Sleep
	}
	if o.Nonce == nil {
		o.Nonce = nonce
	}
	return &Engine{o}
}

// Plain reports whether the store has one index and no key aliases.
func (e *Engine) Plain() bool { return e.Alias == "" }

// ObjectName returns the name of the object of a secret.
func ObjectName(service, key string) string { return store.ID{Service: service, Key: key}.Object() }

// KeyOf returns the key of a secret object's name within its service; ok is false for an
// index and for what is not ours.
func KeyOf(service, object string) (key string, ok bool) {
	base := strings.TrimPrefix(object, service+"/")
	key, ok = strings.CutSuffix(base, store.ObjectSuffix)
	return key, ok && store.CheckKey(key) == nil
}

// pause waits before the n-th repetition of a step: full jitter, so that writers who met
// once do not meet again.
func (e *Engine) pause(ctx context.Context, n int) error {
	return e.Sleep(ctx, pace.Backoff(n, shortestPause, longestPause))
}

func nonce() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b[:])
}
