package pace_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/pace"
)

func TestSleepEndsWithTheCauseOfItsContext(t *testing.T) {
	if err := pace.Sleep(t.Context(), time.Nanosecond); err != nil {
		t.Error(err)
	}
	why := errors.New("why")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if err := pace.Sleep(ctx, time.Hour); !errors.Is(err, why) {
		t.Errorf("error %v, want the cause", err)
	}
}

func TestBackoffDoublesItsLimitUpToTheLongest(t *testing.T) {
	const first, longest = 10 * time.Millisecond, 65 * time.Millisecond
	for n, ms := range []int64{10, 20, 40, 65, 65, 65} {
		limit := time.Duration(ms) * time.Millisecond
		var highest time.Duration
		for range 2000 {
			d := pace.Backoff(n, first, longest)
			if d < 0 || d > limit {
				t.Fatalf("retry %d waits %v, want at most %v", n, d, limit)
			}
			highest = max(highest, d)
		}
		if highest < limit*9/10 { // once in 10^91 runs
			t.Errorf("retry %d waits at most %v of %v", n, highest, limit)
		}
	}
	if d := pace.Backoff(1<<30, first, longest); d > longest {
		t.Errorf("a late retry waits %v", d)
	}
}

func TestEachKeepsToItsLimit(t *testing.T) {
	const limit, n = 3, 50
	var running, most atomic.Int32
	var mu sync.Mutex
	done := map[int]bool{}
	err := pace.Each(t.Context(), limit, n, func(_ context.Context, i int) error {
		now := running.Add(1)
		defer running.Add(-1)
		mu.Lock()
		defer mu.Unlock()
		most.Store(max(most.Load(), now))
		done[i] = true
		return nil
	})
	if err != nil || len(done) != n || most.Load() > limit {
		t.Errorf("error %v, %d of %d calls, %d at once", err, len(done), n, most.Load())
	}
}

func TestTheFirstErrorEndsTheOthers(t *testing.T) {
	failed := errors.New("failed")
	err := pace.All(t.Context(),
		func(context.Context) error { return failed },
		func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	)
	if !errors.Is(err, failed) {
		t.Errorf("error %v, want the first", err)
	}
	if err := pace.All(t.Context()); err != nil {
		t.Errorf("nothing to do: %v", err)
	}
}
