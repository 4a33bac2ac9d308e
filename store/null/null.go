// Package null is a backend without storage. With it, exec runs a program with the unchanged
// environment, as with chamber's null backend. Every service loads as empty without an error, no
// secret is found, and writes are refused.
package null

import (
	"context"
	"fmt"

	"github.com/coffer-secrets/coffer/store"
)

var _ store.Store = Store{}

// Store is a [store.Store] without storage. The zero value works.
type Store struct{}

// New returns the store.
func New() Store { return Store{} }

var errKeepsNothing = fmt.Errorf("%w: the null backend stores nothing; choose s3-kms, s3, s3-envelope, local, ssm or secretsmanager", store.ErrUnsupported)

// Read implements [store.Store]: there is no secret.
func (Store) Read(_ context.Context, id store.ID, _ int) (store.Secret, error) {
	return store.Secret{}, missing("read", id)
}

// Load implements [store.Store]: every service is empty. A caller that refuses empty services must
// make an exception for this backend.
func (Store) Load(_ context.Context, service string) (store.Contents, error) {
	contents := store.Contents{Service: service}
	if err := store.CheckService(service); err != nil {
		return contents, &store.Error{Op: "load", ID: store.ID{Service: service}, Err: err}
	}
	return contents, nil
}

// LoadChosen implements [store.Chooser]: there is no secret.
func (n Store) LoadChosen(ctx context.Context, service string, _ store.Choice) (store.Contents, error) {
	return n.Load(ctx, service)
}

// ReadChosen implements [store.Chooser]: there is no secret.
func (Store) ReadChosen(_ context.Context, id store.ID, _ store.Choice) (store.Secret, error) {
	return store.Secret{}, missing("read", id)
}

// History implements [store.Store]: there is no secret.
func (Store) History(_ context.Context, id store.ID) ([]store.Meta, error) {
	return nil, missing("history", id)
}

// Services implements [store.Store]: there are none.
func (Store) Services(context.Context, string) ([]string, error) { return nil, nil }

// Write implements [store.Store]: it is refused with [store.ErrUnsupported].
func (Store) Write(_ context.Context, id store.ID, _ store.Value, _ store.WriteOptions) (store.Result, error) {
	return store.Result{}, &store.Error{Op: "write", ID: id, Err: errKeepsNothing}
}

// WriteAll implements [store.Store]: it is refused with [store.ErrUnsupported].
func (Store) WriteAll(_ context.Context, service string, values map[string]store.Value, _ store.WriteOptions) ([]store.Result, error) {
	if len(values) == 0 {
		return nil, nil
	}
	return nil, &store.Error{Op: "write", ID: store.ID{Service: service}, Err: errKeepsNothing}
}

// Delete implements [store.Store]: it is refused with [store.ErrUnsupported].
func (Store) Delete(_ context.Context, service string, _ ...string) ([]store.Result, error) {
	return nil, &store.Error{Op: "delete", ID: store.ID{Service: service}, Err: errKeepsNothing}
}

func missing(op string, id store.ID) error {
	_, err := store.NewID(id.Service, id.Key)
	if err == nil {
		err = &store.NotFoundError{What: "secret"}
	}
	return &store.Error{Op: op, ID: id, Err: err}
}
