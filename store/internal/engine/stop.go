package engine

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/batch"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// batch returns a batch for the changes of a command. It ends when the session has expired.
func (w *writing) batch(ctx context.Context, changes int) *batch.Batch {
	var denied atomic.Int64
	return batch.New(changes, func(failed error) error {
		switch {
		case errors.Is(failed, bucket.ErrCredentials):
			return failed
		case errors.Is(failed, bucket.ErrDenied) && w.e.DeniedWhenExpired:
			// Check the session at the 1st, 2nd, 4th, 8th... denial only: this costs few requests
			// even if many denials are genuine.
			if n := denied.Add(1); n&(n-1) == 0 {
				if ended := sessionEnded(w.e.listOnce(context.WithoutCancel(ctx), w.v)); errors.Is(ended, bucket.ErrCredentials) {
					return ended
				}
			}
		}
		return nil
	})
}

// left reports whether a change was not made because its batch has ended. If the storage may answer
// "access denied" for an expired session, this includes denied changes.
func (e *Engine) left(b *batch.Batch, failed error) bool {
	return b.Cause() != nil && (errors.Is(failed, batch.ErrLeft) || e.DeniedWhenExpired && errors.Is(failed, bucket.ErrDenied))
}

// stop returns the error of a batch that has ended early, nil if it has not. It sets this error in
// each change that was left. behind is the error of the update of the index; it is
// recorded in [store.StoppedError.Behind].
func (w *writing) stop(op string, b *batch.Batch, changes []*change, behind error) error {
	n := 0
	for _, c := range changes {
		if w.e.left(b, c.err) {
			n++
		}
	}
	stopped := b.Stop(op, w.v.Service, n, StorageError(b.Cause()))
	if stopped == nil {
		return nil
	}
	noteBehind(stopped, behind)
	for _, c := range changes {
		if w.e.left(b, c.err) {
			c.err = stopped
		}
	}
	return stopped
}

func noteBehind(stopped *store.Error, behind error) {
	var s *store.StoppedError
	if errors.As(stopped, &s) {
		s.Behind = errors.Is(behind, store.ErrIndexBehind)
	}
}

func isStopped(err error) bool {
	var stopped *store.StoppedError
	return errors.As(err, &stopped)
}
