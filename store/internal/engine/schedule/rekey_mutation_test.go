package schedule

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// rekeyMutants are rekeys, and a writer who meets one, that look right and are not.
func rekeyMutants() []scenario {
	one := map[string]string{"k1": aliasA}
	return []scenario{
		{
			name: "K2 before K1", tasks: []task{rekey()}, mutation: objectFirst,
			finds: "I6: k1 is under alias/b, and only the index of alias/a has its value",
		},
		{
			name: "object, old index, new index", tasks: []task{rekey()}, mutation: newIndexLast,
			finds: "I6: k1 is under alias/b, and no index has its value",
		},
		{
			name: "K4 before K2", tasks: []task{rekey()}, mutation: oldIndexFirst,
			finds: "I6: k1 is under alias/a, and only the index of alias/b has its value",
		},
		{
			name: "K2 of what was not announced", tasks: []task{rekey(), write("k1", "v1")}, seeds: one, mutation: unannounced, mutant: "rekey",
			finds: "I6: k1 is under alias/b, and",
		},
		{
			name: "K2 without a condition", tasks: []task{rekey(), write("k1", "v1")}, seeds: one, mutation: unconditional, mutant: "rekey",
			finds: "moved k1 to alias/b with another history",
		},
		{
			name: "K5 without a condition", tasks: []task{rekey(), write("k2", "x1")}, seeds: one, mutation: unconditional, mutant: "rekey",
			finds: "the index of alias/a lacks k2",
		},
		{
			name: "no second look at a new index", tasks: []task{rekey(), write("k1", "v1")}, seeds: map[string]string{}, mutation: oneLook, mutant: "write",
			finds: "the index of alias/a holds k1, which is under alias/b",
		},
	}
}

var newIndex = service + "/" + index.FileName(aliasB)

// changed is a bucket some of whose requests are other ones.
type changed struct {
	bucket.Bucket
	get    func(ctx context.Context, name string) (bucket.Object, error)
	list   func(ctx context.Context, prefix string) iter.Seq2[bucket.Info, error]
	put    func(ctx context.Context, name string, body []byte, o bucket.PutOptions) (bucket.Info, error)
	delete func(ctx context.Context, name string, cond bucket.If) error
}

func (b *changed) Get(ctx context.Context, name string) (bucket.Object, error) {
	if b.get == nil {
		return b.Bucket.Get(ctx, name)
	}
	return b.get(ctx, name)
}

func (b *changed) List(ctx context.Context, prefix string) iter.Seq2[bucket.Info, error] {
	if b.list == nil {
		return b.Bucket.List(ctx, prefix)
	}
	return b.list(ctx, prefix)
}

func (b *changed) Put(ctx context.Context, name string, body []byte, o bucket.PutOptions) (bucket.Info, error) {
	if b.put == nil {
		return b.Bucket.Put(ctx, name, body, o)
	}
	return b.put(ctx, name, body, o)
}

func (b *changed) Delete(ctx context.Context, name string, cond bucket.If) error {
	if b.delete == nil {
		return b.Bucket.Delete(ctx, name, cond)
	}
	return b.delete(ctx, name, cond)
}

// objectFirst does not make the put of K1, so that K3 is the first of the new index.
func objectFirst(b bucket.Bucket) bucket.Bucket {
	var announced atomic.Bool
	return &changed{Bucket: b, put: func(ctx context.Context, name string, body []byte, o bucket.PutOptions) (bucket.Info, error) {
		if name == newIndex && !announced.Swap(true) {
			return bucket.Info{Name: name, Tag: "announced"}, nil
		}
		return b.Put(ctx, name, body, o)
	}}
}

// newIndexLast deletes the old index before the first put of the new one, which comes after those of the objects.
func newIndexLast(b bucket.Bucket) bucket.Bucket {
	return objectFirst(&changed{Bucket: b, put: func(ctx context.Context, name string, body []byte, o bucket.PutOptions) (bucket.Info, error) {
		if name == newIndex {
			if err := deleteAsItIs(ctx, b, ownIndex); err != nil {
				return bucket.Info{}, err
			}
		}
		return b.Put(ctx, name, body, o)
	}})
}

// oldIndexFirst deletes the old index before the first object is put.
func oldIndexFirst(b bucket.Bucket) bucket.Bucket {
	var once sync.Once
	return &changed{Bucket: b, put: func(ctx context.Context, name string, body []byte, o bucket.PutOptions) (bucket.Info, error) {
		if _, ok := keyOf(name); ok {
			var err error
			once.Do(func() { err = deleteAsItIs(ctx, b, ownIndex) })
			if err != nil {
				return bucket.Info{}, err
			}
		}
		return b.Put(ctx, name, body, o)
	}}
}

func deleteAsItIs(ctx context.Context, b bucket.Bucket, name string) error {
	o, err := b.Get(ctx, name)
	if err != nil {
		return err
	}
	return b.Delete(ctx, name, bucket.IfMatch(o.Tag))
}

// unannounced moves an object in whatever state it is: the engine is told that it is in the
// one that the first listing has shown, and its put has the condition that does hold.
func unannounced(b bucket.Bucket) bucket.Bucket {
	var mu sync.Mutex
	first, actual := map[string]bucket.Tag{}, map[string]bucket.Tag{}
	return &changed{
		Bucket: b,
		list: func(ctx context.Context, prefix string) iter.Seq2[bucket.Info, error] {
			return func(yield func(bucket.Info, error) bool) {
				for info, err := range b.List(ctx, prefix) {
					mu.Lock()
					if first[info.Name] == "" {
						first[info.Name] = info.Tag
					}
					mu.Unlock()
					if !yield(info, err) {
						return
					}
				}
			}
		},
		get: func(ctx context.Context, name string) (bucket.Object, error) {
			o, err := b.Get(ctx, name)
			mu.Lock()
			defer mu.Unlock()
			if _, ok := keyOf(name); ok && first[name] != "" {
				actual[name], o.Tag = o.Tag, first[name]
			}
			return o, err
		},
		put: func(ctx context.Context, name string, body []byte, o bucket.PutOptions) (bucket.Info, error) {
			mu.Lock()
			if actual[name] != "" {
				o.If = bucket.IfMatch(actual[name])
			}
			mu.Unlock()
			return b.Put(ctx, name, body, o)
		},
	}
}

// unconditional puts objects, and deletes indexes, whatever state they are in.
func unconditional(b bucket.Bucket) bucket.Bucket {
	return &changed{
		Bucket: b,
		put: func(ctx context.Context, name string, body []byte, o bucket.PutOptions) (bucket.Info, error) {
			if _, ok := keyOf(name); ok {
				o.If = bucket.If{}
			}
			return b.Put(ctx, name, body, o)
		},
		delete: func(ctx context.Context, name string, _ bucket.If) error { return b.Delete(ctx, name, bucket.If{}) },
	}
}

// oneLook gives the engine, after it has made an index, the listing again that it had before,
// with what it has put since.
func oneLook(b bucket.Bucket) bucket.Bucket {
	var mu sync.Mutex
	var last []bucket.Info
	var made bucket.Info
	return &changed{
		Bucket: b,
		list: func(ctx context.Context, prefix string) iter.Seq2[bucket.Info, error] {
			mu.Lock()
			defer mu.Unlock()
			if made.Name != "" {
				return withIndex(last, made)
			}
			var err error
			if last, err = listed(ctx, b, prefix); err != nil {
				return func(yield func(bucket.Info, error) bool) { yield(bucket.Info{}, err) }
			}
			return withIndex(last, bucket.Info{})
		},
		put: func(ctx context.Context, name string, body []byte, o bucket.PutOptions) (bucket.Info, error) {
			info, err := b.Put(ctx, name, body, o)
			mu.Lock()
			defer mu.Unlock()
			switch _, secret := keyOf(name); {
			case err == nil && name == ownIndex && o.If.Absent():
				made = info
			case err == nil && secret:
				last = append(slices.DeleteFunc(last, func(i bucket.Info) bool { return i.Name == name }), info)
			}
			return info, err
		},
	}
}

func listed(ctx context.Context, b bucket.Bucket, prefix string) ([]bucket.Info, error) {
	var all []bucket.Info
	for info, err := range b.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		all = append(all, info)
	}
	return all, nil
}

// only keeps the broken promises that a mutant is to break.
func only(broken []string, finds string) []string {
	return slices.DeleteFunc(slices.Clone(broken), func(b string) bool { return !strings.Contains(b, finds) })
}
