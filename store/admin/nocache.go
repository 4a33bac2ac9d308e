package admin

import "context"

// CacheForbidder is a [store.Store] in which the owner of a key alias can forbid that readers keep its
// values outside of the store, as exec --cache does. Load then names the alias in
// [store.Contents.NoCache].
type CacheForbidder interface {
	// ForbidCache forbids or allows it for the secrets of a service under an alias, and reports whether
	// that changes anything. Errors: [store.ErrNotFound] if the service has no index of the alias, and
	// those of [store.Store.Write].
	ForbidCache(ctx context.Context, service, alias string, forbid bool) (changed bool, err error)
}
