package engine

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/batch"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// batch is that of a command's changes, which ends when the session does.
func (w *writing) batch(ctx context.Context, changes int) *batch.Batch {
	var denied atomic.Int64
	return batch.New(changes, func(failed error) error {
		switch {
		case errors.Is(failed, bucket.ErrCredentials):
			return failed
		case errors.Is(failed, bucket.ErrDenied) && w.e.DeniedWhenExpired:
			// Whether that is the session is asked at the 1st denial, the 2nd, the 4th, ...: however many
			// are genuine, it costs few requests.
			if n := denied.Add(1); n&(n-1) == 0 {
				if ended := sessionEnded(w.e.listOnce(context.WithoutCancel(ctx), w.v)); errors.Is(ended, bucket.ErrCredentials) {
					return ended
				}
			}
		}
		return nil
	})
}

// left reports whether a change was not made because its batch has ended. Of a storage that calls an
// ended session denied, what was denied just before is left as well.
func (e *Engine) left(b *batch.Batch, failed error) bool {
	return b.Cause() != nil && (errors.Is(failed, batch.ErrLeft) || e.DeniedWhenExpired && errors.Is(failed, bucket.ErrDenied))
}

// stop is the error of changes whose batch has ended, nil for any other. It gives it to each that is
// left. behind is the failure of the index, which it tells too.
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
