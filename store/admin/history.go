package admin

import (
	"context"

	"github.com/coffer-secrets/coffer/store"
)

// Historian is a [store.Store] that reads all versions of a secret at once. With any other store,
// each version is a [store.Store.Read] of its own.
type Historian interface {
	// Versions returns the versions that [store.Store.History] lists, with their values, oldest
	// first. The errors are those of History.
	Versions(ctx context.Context, id store.ID) ([]store.Secret, error)
}
