package admin

import (
	"context"

	"github.com/coffer-secrets/coffer/store"
)

// Rekeyer is a [store.Store] that can move secrets to another key.
type Rekeyer interface {
	// Rekey moves secrets of a service under the key alias of the store. It can be interrupted
	// anywhere; a second run finishes it. A run with nothing to do writes nothing. Every secret
	// stays readable at every moment.
	//
	// The results are sorted by key. The outcome is [store.Moved]; [store.Failed] for a secret that
	// could not be moved and is unchanged; [store.Returned] for one that another writer has moved
	// back under its old alias. The error is the first failure, or nil.
	Rekey(ctx context.Context, service string, o RekeyOptions) ([]store.Result, error)
}

// RekeyOptions refine [Rekeyer.Rekey].
type RekeyOptions struct {
	From     string             // move only secrets of this alias; "": of every alias that the caller can read
	Rewrite  bool               // instead, store again those secrets of the alias that are encrypted under another key than it points to now
	DryRun   bool               // only report what would be moved
	Progress func(store.Result) // called for each secret, from several goroutines at once
}
