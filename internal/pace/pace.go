// Package pace contains the pauses and the parallel work of the whole program.
package pace

import (
	"context"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"
)

// Sleep waits for d. If the context ends first, it returns [context.Cause].
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// After returns a channel that receives the time when d has passed.
func After(d time.Duration) <-chan time.Time { return time.NewTimer(d).C }

// Jitter returns a random duration between 0 and limit, so that clients that collided don't collide
// again.
func Jitter(limit time.Duration) time.Duration {
	return rand.N(limit + 1) //nolint:gosec // nothing is kept secret by it
}

// Backoff returns the pause before retry n, counted from 0: full jitter, with a limit that doubles
// from first on up to longest.
func Backoff(n int, first, longest time.Duration) time.Duration {
	limit := first
	for ; n > 0 && limit < longest; n-- {
		limit *= 2
	}
	return Jitter(min(limit, longest))
}

// Each calls do for 0 to n-1, at most limit calls at once. It returns the first error, which also
// cancels the context of the other calls.
func Each(ctx context.Context, limit, n int, do func(ctx context.Context, i int) error) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(limit)
	for i := range n {
		g.Go(func() error { return do(gctx, i) })
	}
	return g.Wait()
}

// All calls the functions concurrently. It returns the first error, which also cancels the context
// of the others.
func All(ctx context.Context, do ...func(ctx context.Context) error) error {
	return Each(ctx, len(do), len(do), func(ctx context.Context, i int) error { return do[i](ctx) })
}
