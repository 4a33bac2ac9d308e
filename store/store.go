// Package store defines what a secret is, how it is named, what a backend can do with it, and the
// errors of all backends.
//
// A Go program that needs secrets imports this package and one backend:
//
//	s, err := s3kms.New(ctx, awsConfig, s3kms.Options{Bucket: "team-secrets", KeyAlias: "alias/app"})
//	contents, err := s.Load(ctx, "api")
//
// This package reads no environment variables and never prints a value: see [Value].
package store

import (
	"context"
	"slices"
	"time"
)

// Latest requests the newest version from [Store.Read].
const Latest = 0

// Meta is everything about one version of a secret except its value.
type Meta struct {
	ID        ID
	Version   int       // 1 and up; versions of a secret are never reused
	Created   time.Time // UTC; zero if the store doesn't record it
	CreatedBy string    // the writer's ARN, access key id or user name; "" if the store doesn't record it
	KeyAlias  string    // "alias/..." of the key it is encrypted under; "" on backends without keys

	// Revision names the state of the storage that the value was read from; only the store can interpret
	// it. If two revisions of a secret are equal, so are version and value. [Store.Load] sets it, and
	// [Store.Read] for the newest version; otherwise it is "".
	Revision string
}

// Secret is one version of a secret with its value.
type Secret struct {
	Meta
	Value Value
	Salt  Salt // random, kept beside the value and as secret; the zero Salt if the store has none
}

// Contents is the content of one service, as far as the caller can read it. The caller decides what
// to do with an incomplete answer: exec, for example, refuses to start a program when nothing at
// all could be read.
type Contents struct {
	Service string
	Secrets []Secret // the newest version of each, sorted by key

	Denied []DeniedIndex // indexes that the caller lacks permission to read, sorted by file
	Hidden []string      // keys that exist but could not be read, sorted

	// Revisions are those of the listing with which the load began; see [Reviser]. Nil if the service
	// could not be listed, or the store is not a Reviser.
	Revisions map[string]string
	Indexes   map[string]string // the revisions of the indexes that were read, by object; see [IndexReviser]

	NoCache []string // the key aliases whose owner forbids to keep values outside of the store

	Deleted []string // of [Chooser]: keys of secrets that were deleted, as far as the store knows; when isn't known
	LeftOut []string // keys of secrets that can't be had and that the caller of a load has said not to need; not in Keys

	Listed   int      // the number of keys of the service, readable or not
	Unlisted bool     // the caller has no permission to list the service: deletions are not noticed
	Notices  []string // whole sentences for the user; never a value
}

// DeniedIndex is an index that exists but that the caller has no permission to read.
type DeniedIndex struct {
	Object   string // its name in the bucket
	KeyAlias string // the alias if it is known, else what the name shows of it
	Code     string // the storage's code, as of a [StorageError]
	Reason   string // the storage's message; escape it before printing
}

// WriteOptions refine [Store.Write] and [Store.WriteAll]. The zero value writes unconditionally.
type WriteOptions struct {
	// IfVersion makes a write conditional: it fails with [ErrConflict] unless this is the newest
	// version. 0 means that the secret does not exist. Nil means no condition.
	IfVersion *int
	// SkipUnchanged doesn't write a secret whose newest value equals the new one. The comparison
	// reads the secret itself, never an index, and repairs an index that is behind. A secret that
	// is older than its index says is written anyway: the write decides which value is right.
	SkipUnchanged bool
	// PreserveCase stores a new key as it is written. Otherwise it is converted to lower case.
	PreserveCase bool
	// Adopt overwrites a secret whose key alias is unknown (another program wrote it).
	Adopt bool
	// Tags are added to the tags that the secret has. A backend that is not a [Tagger] refuses them
	// with [ErrUnsupported].
	Tags map[string]string
	// NewService, if not nil, is called before the first secret of a service is stored. Its error ends
	// the write, and nothing is stored. It may be called more than once.
	NewService func(context.Context) error
	// Progress, if not nil, is called after each secret of a [Store.WriteAll], from several
	// goroutines at once.
	Progress func(Result)
}

// Result is the result for one secret of a [Store.WriteAll] or [Store.Delete].
type Result struct {
	Meta    Meta
	Outcome Outcome
	Err     error // only with [Failed] and [Left]
}

// Outcome names what happened to a secret.
type Outcome string

// The outcomes of a write.
const (
	Created   Outcome = "created"
	Updated   Outcome = "updated"
	Unchanged Outcome = "unchanged"
	Deleted   Outcome = "deleted"
	Failed    Outcome = "failed"
	Left      Outcome = "left" // not tried after another failure that it would meet too: Err is the batch's [*StoppedError]

	Moved    Outcome = "moved"    // now encrypted under another key
	Returned Outcome = "returned" // moved, and then moved back under its old key by another writer

	Restored Outcome = "restored" // was deleted, and exists again
	Purged   Outcome = "purged"   // was deleted before; its remaining data is now removed too
)

// Store is the interface of every backend. Methods are safe for concurrent use. Errors are [*Error]
// around one of the sentinels of this package.
type Store interface {
	// Read returns one version of a secret; [Latest] is the newest. If no key matches exactly, the
	// only key that differs just in case is used. Errors: [ErrNotFound], [ErrDenied],
	// [ErrAmbiguousName].
	Read(ctx context.Context, id ID, version int) (Secret, error)

	// Load returns the newest value of each secret of a service. An empty service is not an error:
	// Contents.Listed is 0.
	Load(ctx context.Context, service string) (Contents, error)

	// History returns the versions of a secret that the store still has, oldest first. Errors:
	// [ErrNotFound], [ErrDenied].
	History(ctx context.Context, id ID) ([]Meta, error)

	// Services returns the sorted names of the services that begin with prefix and have at least
	// one secret.
	Services(ctx context.Context, prefix string) ([]string, error)

	// Write stores a new version. Errors: [ErrConflict] if o.IfVersion does not match or the secret
	// exists under another key alias; [ErrInvalid] for a value that cannot be stored. An error that
	// wraps [ErrIndexBehind] means that the secret is stored, but its index is not updated yet.
	Write(ctx context.Context, id ID, v Value, o WriteOptions) (Result, error)

	// WriteAll stores many secrets of one service and updates the index once. It is not atomic: a
	// reader may see some of them before the others. There is one result for each key, sorted. The
	// error is the first failure, or nil.
	WriteAll(ctx context.Context, service string, values map[string]Value, o WriteOptions) ([]Result, error)

	// Delete removes secrets of one service with all their versions, and their values from every
	// index that the caller can read. A secret that doesn't exist is [ErrNotFound], but an
	// interrupted delete of it is still finished. There is one result for each key, in the order
	// given. The error is the first failure, or nil.
	Delete(ctx context.Context, service string, keys ...string) ([]Result, error)
}

// Keys returns the keys that the service is known to have, readable or not, sorted.
func (c Contents) Keys() []string {
	keys := slices.Clone(c.Hidden)
	for _, s := range c.Secrets {
		keys = append(keys, s.ID.Key)
	}
	slices.Sort(keys)
	return keys
}

// Lister is a [Store] that can list secrets without reading their values.
type Lister interface {
	// IDs returns the secrets whose service begins with prefix, sorted by service and key.
	IDs(ctx context.Context, prefix string) ([]ID, error)
}

// Reviser is a [Store] that can tell without reading a value whether a service has changed. If the
// revisions of a service equal [Contents.Revisions], a load returns the same values again, unless the
// caller's permissions have changed.
type Reviser interface {
	// Revisions lists a service, and returns the revision of each key, readable or not. A store that
	// keeps a service in one object returns one revision, under the key "", which is that of all its
	// secrets. An empty service has none. A deleted secret has none, or another one until the storage
	// forgets it. A revision may also change without the value, when the secret gets another key alias,
	// for example. Errors: [ErrDenied] if the caller may not list the service.
	Revisions(ctx context.Context, service string) (map[string]string, error)
}

// IndexReviser is a [Reviser] with indexes. If both results equal those of a load, [Contents.NoCache] is
// the same too: it is in the indexes.
type IndexReviser interface {
	Reviser
	// AllRevisions returns the Revisions and those of the indexes, by object, from one listing.
	AllRevisions(ctx context.Context, service string) (secrets, indexes map[string]string, err error)
}

// Tagger is a [Store] that keeps tags with secrets. Tag names and values are not secret. A new
// version keeps them. Errors: [ErrNotFound], [ErrDenied].
type Tagger interface {
	ReadTags(ctx context.Context, id ID) (map[string]string, error)
	// WriteTags sets these tags and keeps all others.
	WriteTags(ctx context.Context, id ID, tags map[string]string) error
	// SetTags sets these tags and removes all others.
	SetTags(ctx context.Context, id ID, tags map[string]string) error
	// DeleteTags removes tags. A tag that doesn't exist is not an error.
	DeleteTags(ctx context.Context, id ID, names ...string) error
}

// Labeler is a [Store] whose versions can have labels.
type Labeler interface {
	// ReadLabel is like Read, for the version with a label.
	ReadLabel(ctx context.Context, id ID, label string) (Secret, error)
	// LoadLabel is like Load, for the versions with a label. Secrets without it are left out.
	LoadLabel(ctx context.Context, service, label string) (Contents, error)
	// LabelRevisions is like Revisions of a [Reviser], for the versions with a label.
	LabelRevisions(ctx context.Context, service, label string) (map[string]string, error)
}
