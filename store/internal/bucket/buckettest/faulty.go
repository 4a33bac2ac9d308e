package buckettest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// Call is one request to a [Faulty] bucket.
type Call struct {
	Op   string // "get", "head", "put", "delete", "list", "walk", "versions", "get-version", "delete-version"
	Name string // the object or prefix
	N    int    // its number among all requests, from 1
}

// Fault is the failure of a request. With the zero Fault the request succeeds.
type Fault struct {
	Err   error // the error for the caller; wrapped in a [*bucket.Error] unless it is one
	After bool  // the request is made first and its result lost; a listing yields everything, then the error
}

// Faulty is a bucket that records its requests and makes some of them fail. It is safe for
// concurrent use.
type Faulty struct {
	under bucket.Bucket

	mu    sync.Mutex
	fault func(Call) Fault
	calls []Call
}

var (
	_ bucket.Bucket       = (*Faulty)(nil)
	_ bucket.Versioned    = (*Faulty)(nil)
	_ bucket.HeaderReader = (*Faulty)(nil)
)

// NewFaulty wraps a bucket. fault is called before each request and decides whether it fails.
// Concurrent requests call it concurrently, so it may block to order them. If it is nil, no request
// fails.
func NewFaulty(under bucket.Bucket, fault func(Call) Fault) *Faulty {
	return &Faulty{under: under, fault: fault}
}

// Nth makes only the n-th request (from 1) fail.
func Nth(n int, f Fault) func(Call) Fault {
	return func(c Call) Fault {
		if c.N != n {
			return Fault{}
		}
		return f
	}
}

// Reset discards the recorded requests, so that the next one is the first, and replaces the fault
// function.
func (f *Faulty) Reset(fault func(Call) Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault, f.calls = fault, nil
}

// Calls returns the requests so far, in the order in which they began.
func (f *Faulty) Calls() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// Get implements [bucket.Bucket].
func (f *Faulty) Get(ctx context.Context, name string) (bucket.Object, error) {
	return through(f, "get", name, func() (bucket.Object, error) { return f.under.Get(ctx, name) })
}

// Head implements [bucket.Bucket].
func (f *Faulty) Head(ctx context.Context, name string) (bucket.Info, error) {
	return through(f, "head", name, func() (bucket.Info, error) { return f.under.Head(ctx, name) })
}

// ReadHeader implements [bucket.HeaderReader] if the wrapped bucket does. It is recorded as "head".
func (f *Faulty) ReadHeader(ctx context.Context, name string, n int) (info bucket.Info, header []byte, err error) {
	h, ok := f.under.(bucket.HeaderReader)
	if !ok {
		return bucket.Info{}, nil, unversioned("head", name)
	}
	info, err = through(f, "head", name, func() (bucket.Info, error) {
		info, data, err := h.ReadHeader(ctx, name, n)
		header = data
		return info, err
	})
	if err != nil {
		header = nil
	}
	return info, header, err
}

// Put implements [bucket.Bucket].
func (f *Faulty) Put(ctx context.Context, name string, body []byte, o bucket.PutOptions) (bucket.Info, error) {
	return through(f, "put", name, func() (bucket.Info, error) { return f.under.Put(ctx, name, body, o) })
}

// Delete implements [bucket.Bucket].
func (f *Faulty) Delete(ctx context.Context, name string, cond bucket.If) error {
	_, err := through(f, "delete", name, func() (struct{}, error) { return struct{}{}, f.under.Delete(ctx, name, cond) })
	return err
}

// List implements [bucket.Bucket].
func (f *Faulty) List(ctx context.Context, prefix string) iter.Seq2[bucket.Info, error] {
	return listed(f, "list", prefix, f.under.List(ctx, prefix))
}

// Walk implements [bucket.Bucket].
func (f *Faulty) Walk(ctx context.Context, prefix string) iter.Seq2[bucket.Info, error] {
	return listed(f, "walk", prefix, f.under.Walk(ctx, prefix))
}

// Versions implements [bucket.Versioned] if the wrapped bucket does.
func (f *Faulty) Versions(ctx context.Context, prefix string) iter.Seq2[bucket.Version, error] {
	v, ok := f.under.(bucket.Versioned)
	if !ok {
		return func(yield func(bucket.Version, error) bool) { yield(bucket.Version{}, unversioned("versions", prefix)) }
	}
	return listed(f, "versions", prefix, v.Versions(ctx, prefix))
}

// GetVersion implements [bucket.Versioned].
func (f *Faulty) GetVersion(ctx context.Context, name, id string) (bucket.Object, error) {
	v, ok := f.under.(bucket.Versioned)
	if !ok {
		return bucket.Object{}, unversioned("get-version", name)
	}
	return through(f, "get-version", name, func() (bucket.Object, error) { return v.GetVersion(ctx, name, id) })
}

// DeleteVersion implements [bucket.Versioned].
func (f *Faulty) DeleteVersion(ctx context.Context, name, id string) error {
	v, ok := f.under.(bucket.Versioned)
	if !ok {
		return unversioned("delete-version", name)
	}
	_, err := through(f, "delete-version", name, func() (struct{}, error) { return struct{}{}, v.DeleteVersion(ctx, name, id) })
	return err
}

func unversioned(op, name string) error {
	return &bucket.Error{Op: op, Name: name, Err: bucket.ErrUnsupported}
}

// through makes a request unless its fault prevents it.
func through[T any](f *Faulty, op, name string, request func() (T, error)) (T, error) {
	var none T
	fault := f.begin(op, name)
	if fault.Err != nil && !fault.After {
		return none, fault.error(op, name)
	}
	answer, err := request()
	if fault.Err != nil {
		return none, fault.error(op, name)
	}
	return answer, err
}

// listed counts a listing as one request, which begins with the iteration.
func listed[T any](f *Faulty, op, prefix string, under iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		fault := f.begin(op, prefix)
		if fault.Err == nil {
			under(yield)
			return
		}
		if fault.After {
			for info, err := range under {
				if err != nil {
					break
				}
				if !yield(info, nil) {
					return
				}
			}
		}
		var none T
		yield(none, fault.error("list", prefix))
	}
}

// begin records a request and returns its fault.
func (f *Faulty) begin(op, name string) Fault {
	f.mu.Lock()
	call := Call{Op: op, Name: name, N: len(f.calls) + 1}
	f.calls = append(f.calls, call)
	decide := f.fault
	f.mu.Unlock()
	if decide == nil {
		return Fault{}
	}
	return decide(call)
}

func (f Fault) error(op, name string) error {
	var e *bucket.Error
	if errors.As(f.Err, &e) {
		return f.Err
	}
	return &bucket.Error{Op: op, Name: name, Reason: "injected fault", Err: f.Err}
}
