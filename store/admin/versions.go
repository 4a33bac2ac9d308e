package admin

import (
	"context"
	"time"

	"github.com/coffer-secrets/coffer/store"
)

// Candidate is a state of a deleted secret that the storage still has: the secret with all the
// versions that it had then.
type Candidate struct {
	store.Meta // of the newest version in it; of one that could not be read the ID alone

	State    string    // what names it to [Restorer.Undelete]: the storage's id
	Versions int       // how many versions it holds
	Stored   time.Time // when this state was stored
	Deleted  time.Time // when the secret was deleted
	Err      error     // why it could not be read: [store.ErrDenied], a key that cannot be used, [store.ErrCorrupt]
}

// Restorer is a [store.Store] that can bring deleted secrets back, where its storage keeps what is
// deleted. Where it cannot, the error is [store.ErrUnsupported].
type Restorer interface {
	// Deleted returns the states of deleted secrets, of the keys named or of the whole service,
	// sorted by key and of each key the newest first. It costs a request for each. What the
	// caller may not read is among them, with its error. [store.ErrDenied] where versions may not be listed.
	Deleted(ctx context.Context, service string, keys ...string) ([]Candidate, error)

	// Undelete stores a state of a deleted secret as the secret, with all its versions. When a
	// later state had higher versions, the newest value gets a number above all of them, so that
	// no number means two values. A secret that is not deleted is [store.ErrConflict], unless it is
	// what would be restored: then it is [store.Unchanged]. Else [store.ErrNotFound], and errors as for [store.Store.Write].
	Undelete(ctx context.Context, id store.ID, o UndeleteOptions) (store.Result, error)
}

// UndeleteOptions refine [Restorer.Undelete].
type UndeleteOptions struct {
	// At is the state to restore: its [Candidate.State], or the number of the version that is the
	// newest in it, of several such states the last. "" is the state at the deletion.
	At    string
	Adopt bool // take over a secret whose key alias cannot be told
}

// Kept is what the storage keeps of one object beside its present state.
type Kept struct {
	ID     store.ID // of the secret; the Key is empty for an index
	Object string   // its name in the bucket
	Live   bool     // it has a present state
	Old    int      // how many other states there are
	Marks  int      // how many marks of deletions
}

// Purger is a [store.Store] that can delete what its storage keeps of deleted secrets. Where it keeps
// nothing, the error is [store.ErrUnsupported].
type Purger interface {
	// Residue returns what there is of the keys named, deleted or not, and of the indexes of the
	// service: what a purge of them takes away. No keys means all that ever were. A key of which
	// there is nothing is left out; the indexes are, when there is nothing of any key.
	Residue(ctx context.Context, service string, keys ...string) ([]Kept, error)

	// Purge deletes secrets as [store.Store.Delete] does. Then it removes every older state of every index
	// of the service, as each may hold the values; and then every state and mark of the secrets.
	// It can be interrupted anywhere and run again. A secret that was deleted before is [store.Purged];
	// one of which there is nothing is [store.ErrNotFound]. One result for each key, in the order given;
	// what was removed beside them; and the first failure, or nil.
	Purge(ctx context.Context, service string, keys ...string) ([]store.Result, []Kept, error)
}
