package schedule

import (
	"context"
	"iter"
	"slices"
	"sync"
	"testing"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// The tests of the test: protocols that look right and are not. None is a switch in
// the engine. A bucket between the engine and the scheduler makes the requests as the wrong
// protocol would.

func mutants() []scenario {
	return append(rekeyMutants(), []scenario{
		{name: "LIST before the index", tasks: []task{remove("k1"), write("k3", "x1")}, mutation: listFirst},
		{name: "no forced put", tasks: []task{write("k3", "x1"), remove("k3"), write("k1", "v1")}, mutation: unforced},
	}...)
}

func TestSchedulesFindMutations(t *testing.T) {
	for _, s := range mutants() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			found := explore(t, s, all)
			if found.broken == "" {
				t.Fatalf("%d states, and nothing was found", found.states)
			}
			t.Logf("found after %d states: %s", found.states, found.broken)
			s.mutation, s.finds = nil, ""
			if found := explore(t, s, found.states); found.broken != "" {
				t.Errorf("without the mutation: %s", found.broken)
			}
		})
	}
}

var ownIndex = service + "/" + index.FileName(aliasA)

// listFirst makes X2 before X1. The listing with which the engine wants to check the index
// that it has is the first step of the mutant: it is kept, and the engine is told that the
// index has changed, so that it reads the index. It then lists again, and is given the
// listing that was kept, with the index as it was just read.
func listFirst(b bucket.Bucket) bucket.Bucket { return &listFirstBucket{Bucket: b} }

type listFirstBucket struct {
	bucket.Bucket
	mu    sync.Mutex
	begun bool // the listing of W1 was made: it is not part of the reconciliation
	kept  []bucket.Info
	own   bucket.Info
}

func (b *listFirstBucket) Get(ctx context.Context, name string) (bucket.Object, error) {
	o, err := b.Bucket.Get(ctx, name)
	b.mu.Lock()
	defer b.mu.Unlock()
	if name == ownIndex {
		b.own = o.Info
	}
	return o, err
}

func (b *listFirstBucket) List(ctx context.Context, prefix string) iter.Seq2[bucket.Info, error] {
	b.mu.Lock()
	begun, kept, own := b.begun, b.kept, b.own
	b.begun, b.kept = true, nil
	b.mu.Unlock()
	switch {
	case !begun:
		return b.Bucket.List(ctx, prefix)
	case kept != nil:
		return withIndex(kept, own)
	}
	for info, err := range b.Bucket.List(ctx, prefix) {
		if err != nil {
			return func(yield func(bucket.Info, error) bool) { yield(bucket.Info{}, err) }
		}
		kept = append(kept, info)
	}
	b.mu.Lock()
	b.kept = kept
	b.mu.Unlock()
	return withIndex(kept, bucket.Info{Name: ownIndex, Tag: "another state"})
}

// withIndex yields a listing with one state of the index in place of what it shows.
func withIndex(infos []bucket.Info, own bucket.Info) iter.Seq2[bucket.Info, error] {
	return func(yield func(bucket.Info, error) bool) {
		infos = slices.DeleteFunc(slices.Clone(infos), func(i bucket.Info) bool { return i.Name == ownIndex })
		if own.Name != "" {
			infos = append(infos, own)
		}
		for _, info := range infos {
			if !yield(info, nil) {
				return
			}
		}
	}
}

// unforced does not put an index that says what the one that was read says: the engine only
// puts such an index because it is forced to.
func unforced(b bucket.Bucket) bucket.Bucket { return &unforcedBucket{Bucket: b} }

type unforcedBucket struct {
	bucket.Bucket
	mu  sync.Mutex
	own bucket.Object
}

func (b *unforcedBucket) Get(ctx context.Context, name string) (bucket.Object, error) {
	o, err := b.Bucket.Get(ctx, name)
	b.mu.Lock()
	defer b.mu.Unlock()
	if name == ownIndex {
		b.own = o
	}
	return o, err
}

func (b *unforcedBucket) Put(ctx context.Context, name string, body []byte, o bucket.PutOptions) (bucket.Info, error) {
	b.mu.Lock()
	own := b.own
	b.mu.Unlock()
	if name == ownIndex && own.Body != nil {
		before, err := index.Parse(aliasA, own.Body)
		if err != nil {
			return bucket.Info{}, err
		}
		next, err := index.Parse(aliasA, body)
		if err != nil {
			return bucket.Info{}, err
		}
		next.Last = before.Last // what is deleted is in it: the put that is not forced is one without that
		if before.Same(next) {
			return own.Info, nil
		}
	}
	return b.Bucket.Put(ctx, name, body, o)
}
