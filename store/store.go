// Package store is the vocabulary of Coffer: what a secret is, how it is named, what a
// backend can do with it, and the errors that tell one failure from another.
//
// A Go program that wants secrets imports this package and one backend:
//
//	s, err := s3kms.New(ctx, awsConfig, s3kms.Options{Bucket: "team-secrets", KeyAlias: "alias/app"})
//	contents, err := s.Load(ctx, "api")
//
// Nothing here reads the environment, and nothing prints a value: see [Value].
package store

import (
	"context"
	"slices"
	"time"
)

// Latest is the version that means "the newest one" to [Store.Read].
const Latest = 0

// Meta says everything about one version of a secret except its value.
type Meta struct {
	ID        ID
	Version   int       // 1 and up; versions of a secret are never reused
	Created   time.Time // UTC; zero where the store has none
	CreatedBy string    // the writer's ARN, access key id or user name; "" where the store has none
	KeyAlias  string    // "alias/..." of the key it is encrypted under; "" on backends without keys
}

// Secret is one version of a secret with its value.
type Secret struct {
	Meta
	Value Value
}

// Contents is what one service holds, as far as the caller may read it. The caller
// decides what an incomplete answer means: exec, for one, refuses to start a program
// when nothing at all could be read.
type Contents struct {
	Service string
	Secrets []Secret // the newest version of each, sorted by key

	Denied []DeniedIndex // indexes that the caller may not read, sorted by file
	Hidden []string      // keys that exist and could not be read, sorted

	Listed   int      // how many keys the service holds, readable or not
	Unlisted bool     // the caller may not list the service: deletions cannot be seen
	Notices  []string // what a person should know, as whole sentences; never a value
}

// DeniedIndex is an index that exists and that the caller may not read.
type DeniedIndex struct {
	Object   string // its name in the bucket
	KeyAlias string // the alias, where it is known; else what can be told from the name
	Reason   string // what the storage said; to be escaped before it is printed
}

// WriteOptions refine [Store.Write] and [Store.WriteAll]. The zero value writes always.
type WriteOptions struct {
	// IfVersion makes a write conditional: it fails with [ErrConflict] unless the newest
	// version is exactly this one; 0 stands for "the secret does not exist". Nil: no condition.
	IfVersion *int
	// SkipUnchanged leaves a secret alone whose newest value equals the one to write. It
	// decides on the secret itself, never on an index, and repairs the index if it is behind. One that
	// is older than its index says is written: that decides which value is the right one.
	SkipUnchanged bool
	// PreserveCase stores a new key as it is written; without it, in lower case.
	PreserveCase bool
	// Adopt takes over a secret whose key alias cannot be told (another program wrote it).
	Adopt bool
	// Tags are set beside those that the secret has; a backend that is no [Tagger] refuses
	// them with [ErrUnsupported].
	Tags map[string]string
	// Progress, when set, is called after each secret of a [Store.WriteAll], from several
	// goroutines at once.
	Progress func(Result)
}

// Result is what became of one secret of a [Store.WriteAll] or [Store.Delete].
type Result struct {
	Meta    Meta
	Outcome Outcome
	Err     error // with [Failed] and [Left] alone
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
	Left      Outcome = "left" // not made, since what stopped another stops it too: Err is the batch's [*StoppedError]

	Moved    Outcome = "moved"    // under another key
	Returned Outcome = "returned" // moved, and back under its old key

	Restored Outcome = "restored" // was deleted, and is there again
	Purged   Outcome = "purged"   // was deleted before; what was kept of it is gone too
)

// Store is what every backend does. Methods are safe for concurrent use. Errors are
// [*Error] around one of the sentinels of this package.
type Store interface {
	// Read returns one version of a secret; [Latest] stands for the newest. The key is
	// looked up exactly first; where there is none, a single key that differs only in case
	// answers. [ErrNotFound], [ErrDenied], [ErrAmbiguousName].
	Read(ctx context.Context, id ID, version int) (Secret, error)

	// Load returns the newest value of each secret of a service. A service that holds
	// nothing is not an error: Contents.Listed is 0.
	Load(ctx context.Context, service string) (Contents, error)

	// History returns the versions of a secret that the store still has, oldest first.
	// [ErrNotFound], [ErrDenied].
	History(ctx context.Context, id ID) ([]Meta, error)

	// Services returns the names of the services that hold at least one secret and begin
	// with prefix, sorted.
	Services(ctx context.Context, prefix string) ([]string, error)

	// Write stores a new version. [ErrConflict] when o.IfVersion does not hold or the secret
	// exists under another key alias; [ErrInvalid] for a value that cannot be kept.
	// An error that wraps [ErrIndexBehind] means: the secret is stored, its index is not yet.
	Write(ctx context.Context, id ID, v Value, o WriteOptions) (Result, error)

	// WriteAll stores many secrets of one service and brings the index up to date once. It
	// is not atomic: a reader may see some of them before the others. One result for each
	// key, sorted; the error is the first failure, or nil.
	WriteAll(ctx context.Context, service string, values map[string]Value, o WriteOptions) ([]Result, error)

	// Delete removes secrets of one service with all their versions, and their values from
	// every index that the caller can read. [ErrNotFound] for one that is not there: it
	// still finishes a delete that was interrupted. One result for each key, in the order
	// given; the error is the first failure, or nil.
	Delete(ctx context.Context, service string, keys ...string) ([]Result, error)
}

// Keys returns the keys that the service is known to hold, readable or not, sorted.
func (c Contents) Keys() []string {
	keys := slices.Clone(c.Hidden)
	for _, s := range c.Secrets {
		keys = append(keys, s.ID.Key)
	}
	slices.Sort(keys)
	return keys
}

// Lister is a [Store] that can name secrets without reading their values.
type Lister interface {
	// IDs returns the secrets whose service begins with prefix, sorted by service and key.
	IDs(ctx context.Context, prefix string) ([]ID, error)
}

// Tagger is a [Store] that keeps tags beside secrets: names and values that are no secret.
// A new version keeps them. [ErrNotFound], [ErrDenied].
type Tagger interface {
	ReadTags(ctx context.Context, id ID) (map[string]string, error)
	// WriteTags sets these tags and leaves others as they are.
	WriteTags(ctx context.Context, id ID, tags map[string]string) error
	// SetTags makes these the only tags.
	SetTags(ctx context.Context, id ID, tags map[string]string) error
	// DeleteTags removes tags; one that is not there is no error.
	DeleteTags(ctx context.Context, id ID, names ...string) error
}

// Labeler is a [Store] whose versions can have labels.
type Labeler interface {
	// ReadLabel is Read for the version with a label.
	ReadLabel(ctx context.Context, id ID, label string) (Secret, error)
	// LoadLabel is Load for the versions with a label; secrets without it are left out.
	LoadLabel(ctx context.Context, service, label string) (Contents, error)
}
