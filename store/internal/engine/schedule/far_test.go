package schedule

import (
	"context"
	"iter"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
)

// farBucket is a bucket 15 to 45 ms away, whose answers to changes are sometimes lost, half
// of them after the change was made. Time is that of the bubble: nobody waits for it.
type farBucket struct {
	bucket.Bucket
	loss float64
	puts *atomic.Int64

	mu   sync.Mutex
	rand *rand.Rand
	lost []string // the objects whose puts were made and not answered
}

func far(b *membucket.Bucket, seed uint64, loss float64, puts *atomic.Int64) *farBucket {
	return &farBucket{Bucket: b.Client(), loss: loss, puts: puts, rand: rand.New(rand.NewPCG(seed, 2))}
}

// travel passes half the time of one request.
func (b *farBucket) travel(ctx context.Context) error {
	b.mu.Lock()
	d := 7500*time.Microsecond + time.Duration(b.rand.Int64N(int64(15*time.Millisecond)))
	b.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// loses says whether the answer to a change is lost, and whether before the change is made.
func (b *farBucket) loses() (lost, before bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rand.Float64() < b.loss, b.rand.IntN(2) == 0
}

func across[T any](ctx context.Context, b *farBucket, do func() (T, error)) (answer T, err error) {
	if err = b.travel(ctx); err != nil {
		return answer, err
	}
	answer, err = do()
	if late := b.travel(ctx); late != nil {
		err = late
	}
	return answer, err
}

// change makes a put or a delete unless its answer is lost.
func change[T any](ctx context.Context, b *farBucket, op, name string, do func() (T, error)) (T, error) {
	return across(ctx, b, func() (T, error) {
		var none T
		lost, before := b.loses()
		gone := &bucket.Error{Op: op, Name: name, Err: bucket.ErrUnavailable, Reason: "the answer was lost"}
		if lost && before {
			return none, gone
		}
		answer, err := do()
		if lost {
			if err == nil && op == "put" {
				b.mu.Lock()
				b.lost = append(b.lost, name)
				b.mu.Unlock()
			}
			return none, gone
		}
		return answer, err
	})
}

func (b *farBucket) Get(ctx context.Context, name string) (bucket.Object, error) {
	return across(ctx, b, func() (bucket.Object, error) { return b.Bucket.Get(ctx, name) })
}

func (b *farBucket) Put(ctx context.Context, name string, body []byte, o bucket.PutOptions) (bucket.Info, error) {
	b.puts.Add(1)
	return change(ctx, b, "put", name, func() (bucket.Info, error) { return b.Bucket.Put(ctx, name, body, o) })
}

func (b *farBucket) Delete(ctx context.Context, name string, cond bucket.If) error {
	_, err := change(ctx, b, "delete", name, func() (struct{}, error) { return struct{}{}, b.Bucket.Delete(ctx, name, cond) })
	return err
}

func (b *farBucket) List(ctx context.Context, prefix string) iter.Seq2[bucket.Info, error] {
	return func(yield func(bucket.Info, error) bool) {
		infos, err := across(ctx, b, func() (infos []bucket.Info, err error) {
			for info, err := range b.Bucket.List(ctx, prefix) {
				if err != nil {
					return nil, err
				}
				infos = append(infos, info)
			}
			return infos, nil
		})
		for _, info := range infos {
			if !yield(info, nil) {
				return
			}
		}
		if err != nil {
			yield(bucket.Info{}, err)
		}
	}
}
