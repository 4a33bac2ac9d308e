package admin

import "context"

// Surveyor is a [store.Store] in a bucket that other kinds of store can use as well.
type Surveyor interface {
	// OtherBackend returns a [*store.OtherBackendError] if the bucket seems to have secrets of another kind of store,
	// and none of this one. It looks at the beginning of the listing, and of 20 indexes at most, and returns nil if
	// nothing tells. A bucket that doesn't exist is a [*store.StorageError].
	OtherBackend(ctx context.Context) error
}
