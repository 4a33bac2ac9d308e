// Package batch stops a batch of changes at the first failure that all of them would meet, such as
// the end of a session. Then one error is reported, with the number of changes that are left.
package batch

import (
	"errors"
	"sync"

	"github.com/coffer-secrets/coffer/store"
)

// ErrLeft is the error of a change that was not tried because the batch was stopped. [Batch.Stop]
// returns the error to report instead.
var ErrLeft = errors.New("left")

// Batch is a batch of changes of one service. Its methods are safe for concurrent use.
type Batch struct {
	of   int
	ends func(error) error

	mu    sync.Mutex
	cause error
}

// New returns a batch of that many changes. ends returns why a failure stops all changes, or nil if
// others may succeed. A batch of one change is never stopped.
func New(of int, ends func(failed error) error) *Batch { return &Batch{of: of, ends: ends} }

// Do makes a change, unless the batch was stopped: then it returns [ErrLeft]. It also returns
// [ErrLeft] for a failure that stops the batch.
func (b *Batch) Do(change func() error) error {
	if b.Cause() != nil {
		return ErrLeft
	}
	err := change()
	if err == nil || b.of < 2 {
		return err
	}
	cause := b.ends(err)
	if cause == nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cause == nil {
		b.cause = cause
	}
	return ErrLeft
}

// Cause returns why the batch was stopped, or nil.
func (b *Batch) Cause() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cause
}

// Stop returns the error of a batch that was stopped, or nil. It contains cause, as an error of the
// store, and the number of changes that are left.
func (b *Batch) Stop(op, service string, left int, cause error) *store.Error {
	if b.Cause() == nil {
		return nil
	}
	return &store.Error{Op: op, ID: store.ID{Service: service}, Err: &store.StoppedError{Left: left, Of: b.of, Err: cause}}
}

// Credentials stops a batch at an error of the credentials. It is an argument of [New], for errors
// of the store.
func Credentials(failed error) error {
	if errors.Is(failed, store.ErrCredentials) && !errors.Is(failed, store.ErrUnknown) {
		return failed
	}
	return nil
}
