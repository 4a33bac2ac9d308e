// Package batch ends many changes at the first failure that all of them would meet, such as the
// end of a session: one reason is told then, and how many changes are left.
package batch

import (
	"errors"
	"sync"

	"github.com/coffer-secrets/coffer/store"
)

// ErrLeft is the error of a change that was not made because the batch had ended. [Batch.Stop]
// replaces it.
var ErrLeft = errors.New("left")

// Batch is a number of changes of one service. Its methods are safe for concurrent use.
type Batch struct {
	of   int
	ends func(error) error

	mu    sync.Mutex
	cause error
}

// New returns a batch of so many changes. ends returns why a change that failed ends them all,
// nil when the others may fare better. A single change ends nothing.
func New(of int, ends func(failed error) error) *Batch { return &Batch{of: of, ends: ends} }

// Do makes a change, unless the batch has ended. What ended it, or would have, is [ErrLeft].
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

// Cause is why the batch has ended, nil before.
func (b *Batch) Cause() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cause
}

// Stop returns the error of a batch that has ended, nil for any other: cause in the words of the
// store, and how many of its changes are left.
func (b *Batch) Stop(op, service string, left int, cause error) *store.Error {
	if b.Cause() == nil {
		return nil
	}
	return &store.Error{Op: op, ID: store.ID{Service: service}, Err: &store.StoppedError{Left: left, Of: b.of, Err: cause}}
}

// Credentials ends a batch whose failures are those of the store: see [New].
func Credentials(failed error) error {
	if errors.Is(failed, store.ErrCredentials) && !errors.Is(failed, store.ErrUnknown) {
		return failed
	}
	return nil
}
