package admin

import (
	"context"
	"time"

	"github.com/coffer-secrets/coffer/store"
)

// Candidate is a state of a deleted secret that the storage still has: the secret with all its
// versions at that time.
type Candidate struct {
	store.Meta // of its newest version; only the ID if the state could not be read

	State    string    // identifies the state to [Restorer.Undelete]: the storage's id
	Versions int       // the number of versions in it
	Stored   time.Time // when this state was stored
	Deleted  time.Time // when the secret was deleted
	Err      error     // why it could not be read: [store.ErrDenied], a key that cannot be used, [store.ErrCorrupt]
}

// Restorer is a [store.Store] that can restore deleted secrets if its storage keeps old states. If
// it doesn't, the error is [store.ErrUnsupported].
type Restorer interface {
	// Deleted returns the states of deleted secrets, of the named keys or of the whole service,
	// sorted by key, and the newest state of each key first. It makes a request for each state.
	// States that the caller has no permission to read are included, with their error.
	// [store.ErrDenied] if the caller has no permission to list versions.
	Deleted(ctx context.Context, service string, keys ...string) ([]Candidate, error)

	// Undelete stores a state of a deleted secret as the secret, with all its versions. If a later
	// state had higher versions, the newest value gets a number above all of them, so that no
	// number is used for two values. A secret that is not deleted is [store.ErrConflict], unless it
	// equals the state to restore: then the outcome is [store.Unchanged]. Other errors:
	// [store.ErrNotFound], and those of [store.Store.Write].
	Undelete(ctx context.Context, id store.ID, o UndeleteOptions) (store.Result, error)
}

// UndeleteOptions refine [Restorer.Undelete].
type UndeleteOptions struct {
	// At is the state to restore: its [Candidate.State], or the number of the newest version in it.
	// If several states have that version, the last one is restored. "" is the state at the
	// deletion.
	At    string
	Adopt bool // overwrite a secret whose key alias is unknown
}

// Kept describes what the storage keeps of one object.
type Kept struct {
	ID     store.ID // the secret; Key is empty for an index
	Object string   // its name in the bucket
	Live   bool     // it has a current state
	Old    int      // the number of older states
	Marks  int      // the number of delete markers
}

// Purger is a [store.Store] that can delete what its storage keeps of deleted secrets. If it keeps
// nothing, the error is [store.ErrUnsupported].
type Purger interface {
	// Residue returns what the storage keeps of the named keys, deleted or not, and of the indexes
	// of the service: what a purge of them removes. No keys means all that ever existed. A key of
	// which nothing is kept is left out. The indexes are left out if nothing is kept of any key.
	Residue(ctx context.Context, service string, keys ...string) ([]Kept, error)

	// Purge deletes secrets as [store.Store.Delete] does. Then it removes every older state of
	// every index of the service, as each may contain the values, and then every state and delete
	// marker of the secrets. It can be interrupted anywhere and run again. A secret that was
	// deleted before is [store.Purged]; one of which nothing is kept is [store.ErrNotFound]. It
	// returns one result for each key, in the order given; the other objects of which it removed
	// states; and the first failure, or nil.
	Purge(ctx context.Context, service string, keys ...string) ([]store.Result, []Kept, error)
}
