// Package engine implements the protocol of docs/design/protocol.md on a bucket and its
// indexes. The S3-KMS, S3 and local backends use it with different buckets and options.
// The labels in comments (R1, W2, X3, D2) are those of the protocol.
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
	"github.com/coffer-secrets/coffer/store/internal/verified"
)

// Options configure an engine. Bucket is required.
type Options struct {
	Bucket bucket.Bucket

	// Alias is the key alias under which secrets are written. If it is "", the store has one
	// plain index and no aliases.
	Alias string

	// ReadOnly states that the store has key aliases, but that the caller has configured none. Then
	// only reads work. They read the indexes that the listing shows.
	ReadOnly bool

	// Chamber states that chamber can read and write what is stored: nothing is sealed before that. What
	// an inspection says depends on it.
	Chamber bool

	// Vouch returns an error if the seal of an object, as a read or the answer to a put
	// reports it, is not acceptable. If Vouch is nil, every seal is accepted.
	Vouch func(object string, s bucket.Seal) error

	// KeyID asks the key service which key an alias points to now. It returns "" if that
	// is unknown. If KeyID is nil, it is always unknown.
	KeyID func(ctx context.Context, alias string) string

	// HasKey reports whether a key belongs to an alias: it is asked again before an object under another key than
	// KeyID named is called wrong, as another command may have changed the key meanwhile. If HasKey is nil, it is KeyID
	// that is asked.
	HasKey func(ctx context.Context, alias, id string) bool

	// PinnedKey returns the key that an alias points to now, or an error if that key is not
	// pinned. It is called before anything of a service is put under the alias; after an
	// error nothing is put. If PinnedKey is nil, no keys are pinned.
	PinnedKey func(ctx context.Context, service, alias string) (keyID string, err error)

	// Author returns the author to record in new versions. It is called once for each write,
	// concurrently with other requests.
	Author func(ctx context.Context) string

	// Unverified lets [Engine.Load] trust an index if the caller has no permission to list the
	// service, so that deletions and changes cannot be seen.
	Unverified bool

	// AllowRollback accepts an object with a lower version than its index has.
	AllowRollback bool

	// Notice is called with what a user should know about a change, as a whole sentence. It may
	// be nil.
	Notice func(text string)

	// SingleWriter states that no other client changes secrets. Repair of package inspect then collects
	// tombstones even if the storage has no conditional delete.
	SingleWriter bool

	// Verified remembers what objects were seen to hold, so that the entries of another program that does not
	// verify need no second look. If it is nil, nothing is remembered.
	Verified *verified.Cache

	// Reading is called before a load reads many objects, one by one. read is called after each, concurrently, and
	// done at the end. It may be nil.
	Reading func(objects int) (read, done func())

	// DeniedWhenExpired states that the storage may answer "access denied" when a session has
	// expired, as Ceph does. A load with a denied request then costs one request more.
	DeniedWhenExpired bool

	Now   func() time.Time                                 // nil: time.Now
	Sleep func(ctx context.Context, d time.Duration) error // nil: a timer
	Nonce func() string                                    // nil: 128 random bits
}

// Limits of concurrency, repetitions and time of one command.
const (
	Readers       = 16                    // requests of one kind at once, unless it says otherwise
	objectReaders = 48                    // objects read at once for which no index vouches: all of a service, after chamber wrote
	manyObjects   = 200                   // from so many on, the progress of reading them is reported
	writers       = 64                    // objects written at once: an import is two waves, not ten
	movers        = 128                   // objects moved at once: each is a GET and then a put
	Heads         = 96                    // objects looked at with a HEAD at once: no body, no decryption
	MaxVersions   = 100                   // versions older than the newest by more are dropped
	deletions     = 3                     // how often a delete is repeated
	maxUnclear    = 10                    // attempts of a change whose outcome stays unclear
	retryTime     = 60 * time.Second      // how long a change is retried after conflicts
	putGrace      = 5 * time.Second       // how long a running put may take after an interrupt
	indexGrace    = 10 * time.Second      // how long the update of an index may take after an interrupt
	shortestPause = 10 * time.Millisecond // the limit of the first pause; see [pace.Backoff]
	longestPause  = 160 * time.Millisecond
)

// Engine is a [store.Store] over a bucket.
type Engine struct{ Options }

var _ store.Store = (*Engine)(nil)

// New returns an engine. It replaces optional functions that are nil by defaults.
func New(o Options) *Engine {
	if o.Vouch == nil {
		o.Vouch = func(string, bucket.Seal) error { return nil }
	}
	if o.KeyID == nil {
		o.KeyID = func(context.Context, string) string { return "" }
	}
	if o.HasKey == nil {
		o.HasKey = func(ctx context.Context, alias, id string) bool { return o.KeyID(ctx, alias) == id }
	}
	if o.Notice == nil {
		o.Notice = func(string) {}
	}
	if o.Author == nil {
		o.Author = func(context.Context) string { return "" }
	}
	if o.Reading == nil {
		o.Reading = func(int) (read, done func()) { return func() {}, func() {} }
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
func (e *Engine) Plain() bool { return e.Alias == "" && !e.ReadOnly }

// ObjectName returns the name of the object of a secret.
func ObjectName(service, key string) string { return store.ID{Service: service, Key: key}.Object() }

// KeyOf returns the key of a secret from the name of its object. ok is false for an
// index and for an object that is not Coffer's.
func KeyOf(service, object string) (key string, ok bool) {
	base := strings.TrimPrefix(object, service+"/")
	key, ok = strings.CutSuffix(base, store.ObjectSuffix)
	return key, ok && store.CheckKey(key) == nil
}

// pause waits before the n-th repetition of a step. It uses full jitter, so that writers which
// had a conflict are unlikely to have the next one.
func (e *Engine) pause(ctx context.Context, n int) error {
	return e.Sleep(ctx, pace.Backoff(n, shortestPause, longestPause))
}

func nonce() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b[:])
}
