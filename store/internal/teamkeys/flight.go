package teamkeys

import "context"

type flightKey struct{ alias, what string }

// flight is work that several callers wait for. It ends early only if all of them have left.
type flight struct {
	cancel  context.CancelFunc
	waiting int
	done    chan struct{}
	ring    *ring
	err     error
}

// fly does something for an alias, once for all who want it at the same time.
func (k *Keys) fly(ctx context.Context, key flightKey, do func(context.Context) (*ring, error)) (*ring, error) {
	k.mu.Lock()
	wait := k.board(ctx, key, do)
	k.mu.Unlock()
	return wait()
}

// board joins a flight, or starts it. The caller holds the mutex, and must call the function that
// board returns, without the mutex: it waits for the outcome, or for the end of the caller's context.
func (k *Keys) board(ctx context.Context, key flightKey, do func(context.Context) (*ring, error)) func() (*ring, error) {
	f := k.flights[key]
	if f == nil {
		own, cancel := context.WithCancel(context.WithoutCancel(ctx))
		f = &flight{cancel: cancel, done: make(chan struct{})}
		k.flights[key] = f
		go func() {
			f.ring, f.err = do(own)
			cancel()
			k.mu.Lock()
			k.end(key, f)
			k.mu.Unlock()
			close(f.done)
		}()
	}
	f.waiting++
	return func() (*ring, error) {
		select {
		case <-f.done:
			return f.ring, f.err
		case <-ctx.Done():
			k.leave(key, f)
			return nil, context.Cause(ctx)
		}
	}
}

// leave takes one who waited off a flight, and ends it if it was the last.
func (k *Keys) leave(key flightKey, f *flight) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if f.waiting--; f.waiting == 0 {
		f.cancel()
		k.end(key, f)
	}
}

// end lets whoever comes next start another flight. The caller holds the mutex.
func (k *Keys) end(key flightKey, f *flight) {
	if k.flights[key] == f {
		delete(k.flights, key)
	}
}
