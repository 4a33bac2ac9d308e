package admin

import (
	"context"

	"github.com/coffer-secrets/coffer/store"
)

// Rekeyer is a [store.Store] that can move secrets to another key.
type Rekeyer interface {
	// Rekey moves secrets of a service under the key alias of the store. It can be interrupted
	// anywhere, and run again: it then finishes, and a run that finds nothing to do writes
	// nothing. Readers see every secret at every moment.
	//
	// The results are sorted by key: [store.Moved]; [store.Failed] for one that could not be moved, which is
	// where it was; [store.Returned] for one that another writer has put back under its old alias.
	// The error is the first failure, or nil.
	Rekey(ctx context.Context, service string, o RekeyOptions) ([]store.Result, error)
}

// RekeyOptions refine [Rekeyer.Rekey].
type RekeyOptions struct {
	From     string             // move only secrets of this alias; "": of every alias that can be read
	Rewrite  bool               // instead, store secrets anew that are under the alias, but not under the key that it stands for now
	DryRun   bool               // say what would be moved
	Progress func(store.Result) // called for each secret, from several goroutines at once
}
