package s3open

import (
	"context"
	"fmt"

	"github.com/coffer-secrets/coffer/store"
)

var errNoAlias = fmt.Errorf("%w: Options.KeyAlias is not set, so this store can only read", store.ErrConfiguration)

// Reads are the methods of a store that need no key alias.
type Reads interface {
	store.Lister
	store.Reviser
	store.Chooser
	Read(ctx context.Context, id store.ID, version int) (store.Secret, error)
	Load(ctx context.Context, service string) (store.Contents, error)
	History(ctx context.Context, id store.ID) ([]store.Meta, error)
	Services(ctx context.Context, prefix string) ([]string, error)
}

// ReadOnly returns the store of a caller who has configured no key alias.
func ReadOnly(s Reads) store.Store { return reader{s} }

type reader struct{ Reads }

// Write implements [store.Store]: it is refused.
func (reader) Write(_ context.Context, id store.ID, _ store.Value, _ store.WriteOptions) (store.Result, error) {
	return store.Result{}, &store.Error{Op: "write", ID: id, Err: errNoAlias}
}

// WriteAll implements [store.Store]: it is refused.
func (reader) WriteAll(_ context.Context, service string, _ map[string]store.Value, _ store.WriteOptions) ([]store.Result, error) {
	return nil, &store.Error{Op: "write", ID: store.ID{Service: service}, Err: errNoAlias}
}

// Delete implements [store.Store]: it is refused.
func (reader) Delete(_ context.Context, service string, _ ...string) ([]store.Result, error) {
	return nil, &store.Error{Op: "delete", ID: store.ID{Service: service}, Err: errNoAlias}
}
