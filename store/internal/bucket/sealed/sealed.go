// Package sealed makes a bucket of a storage that keeps bytes and a sealer that encrypts them. What
// the storage gets is sealed, so it needs no encryption of its own.
package sealed

import (
	"context"
	"errors"
	"iter"
	"strings"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/seal"
)

// Storage keeps the sealed objects. All drivers are one.
type Storage interface {
	bucket.Bucket
	bucket.HeaderReader
}

// Bucket implements [bucket.Bucket], [bucket.Versioned], [bucket.Ranger] and [bucket.Rechecker]. Without support of
// the storage for versions, those methods return [bucket.ErrUnsupported].
type Bucket struct {
	storage Storage
	sealer  seal.Sealer
}

var (
	_ bucket.Bucket    = (*Bucket)(nil)
	_ bucket.Rechecker = (*Bucket)(nil)
	_ bucket.Ranger    = (*Bucket)(nil)
)

// New returns the objects of a storage as a sealer opens them. The bucket is a [bucket.Tagger] if
// the storage is one: tags are not sealed.
func New(storage Storage, sealer seal.Sealer) bucket.Bucket {
	b := &Bucket{storage, sealer}
	if t, ok := storage.(bucket.Tagger); ok {
		return &tagged{b, t}
	}
	return b
}

// Get implements [bucket.Bucket]. Size counts the bytes as stored.
func (b *Bucket) Get(ctx context.Context, name string) (bucket.Object, error) {
	if err := check("get", name); err != nil {
		return bucket.Object{}, err
	}
	b.prepare(ctx, name)
	o, err := b.storage.Get(ctx, name)
	if err != nil {
		return bucket.Object{}, err
	}
	return b.open(ctx, "get", o)
}

func (b *Bucket) prepare(ctx context.Context, name string) {
	if p, ok := b.sealer.(seal.Preparer); ok {
		p.Prepare(ctx, name)
	}
}

// open returns the object that o contains.
func (b *Bucket) open(ctx context.Context, op string, o bucket.Object) (bucket.Object, error) {
	body, s, err := b.sealer.Open(ctx, o.Name, o.Body)
	var other *store.SealError
	if errors.As(err, &other) && other.Format == bucket.FormatJSON && other.Method == "" {
		other.Method = o.Seal.Method // the storage knows how
	}
	if err != nil {
		return bucket.Object{}, Error(op, o.Name, err)
	}
	o.Body, o.Seal = body, s
	return o, nil
}

// Head implements [bucket.Bucket]. It reads the beginning of the object, which says how it is sealed.
func (b *Bucket) Head(ctx context.Context, name string) (bucket.Info, error) {
	if err := check("head", name); err != nil {
		return bucket.Info{}, err
	}
	info, header, err := b.storage.ReadHeader(ctx, name, seal.HeaderSize)
	if err != nil {
		return bucket.Info{}, err
	}
	info.Seal = b.sealer.Inspect(header)
	return info, nil
}

// Put implements [bucket.Bucket]. The storage gets no alias: it has no keys.
func (b *Bucket) Put(ctx context.Context, name string, body []byte, o bucket.PutOptions) (bucket.Info, error) {
	if err := check("put", name); err != nil {
		return bucket.Info{}, err
	}
	sealed, s, err := b.sealer.Seal(ctx, o.KeyAlias, name, body)
	if err != nil {
		return bucket.Info{}, Error("put", name, err)
	}
	o.KeyAlias = ""
	info, err := b.storage.Put(ctx, name, sealed, o)
	if err != nil {
		return info, err
	}
	info.Seal = s
	return info, nil
}

// Delete implements [bucket.Bucket].
func (b *Bucket) Delete(ctx context.Context, name string, cond bucket.If) error {
	if err := check("delete", name); err != nil {
		return err
	}
	return b.storage.Delete(ctx, name, cond)
}

// List implements [bucket.Bucket].
func (b *Bucket) List(ctx context.Context, prefix string) iter.Seq2[bucket.Info, error] {
	return unsealed(b.storage.List(ctx, prefix), func(i *bucket.Info) *bucket.Info { return i })
}

// Walk implements [bucket.Bucket].
func (b *Bucket) Walk(ctx context.Context, prefix string) iter.Seq2[bucket.Info, error] {
	return unsealed(b.storage.Walk(ctx, prefix), func(i *bucket.Info) *bucket.Info { return i })
}

// ListRanges implements [bucket.Ranger]. A storage that can't list in ranges lists as usual.
func (b *Bucket) ListRanges(ctx context.Context, prefix string, c bucket.Cuts) iter.Seq2[bucket.Info, error] {
	if r, ok := b.storage.(bucket.Ranger); ok {
		return unsealed(r.ListRanges(ctx, prefix, c), func(i *bucket.Info) *bucket.Info { return i })
	}
	return b.List(ctx, prefix)
}

// Recheck implements [bucket.Rechecker]. It does nothing for a storage that depends on no findings.
func (b *Bucket) Recheck() {
	if r, ok := b.storage.(bucket.Rechecker); ok {
		r.Recheck()
	}
}

// unsealed is a listing without the objects in which sealers keep keys. A listing says nothing about
// seals, whatever the storage itself encrypts with.
func unsealed[T any](listed iter.Seq2[T, error], info func(*T) *bucket.Info) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for found, err := range listed {
			i := info(&found)
			if err == nil && strings.HasPrefix(i.Name, seal.KeysPrefix) {
				continue
			}
			i.Seal = bucket.Seal{}
			if !yield(found, err) {
				return
			}
		}
	}
}

// check refuses the names of keys: a secret there would never be listed, and a change would lock
// everybody out.
func check(op, name string) error {
	if strings.HasPrefix(name, seal.KeysPrefix) {
		return &bucket.Error{Op: op, Name: name, Err: bucket.ErrRefused, Reason: "names that begin with " + seal.KeysPrefix + " are reserved for keys"}
	}
	return nil
}

// Error returns the error of a request that failed because of the sealer. An error of another
// kind, such as about trust, stays as it is.
func Error(op, name string, err error) error {
	var known *bucket.Error
	var fault seal.Fault
	switch {
	case errors.As(err, &known):
		return aboutAnother(known, err)
	case errors.As(err, &fault):
		return &bucket.Error{Op: op, Name: name, Code: fault.Code, Status: fault.Status, Reason: fault.Reason, Err: fault.Err}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &bucket.Error{Op: op, Name: name, Err: err}
	}
	return err
}

// aboutAnother returns the error about an object of the sealer's own, such as a key. That this one
// is missing or has changed must not be mistaken for news of the object that was asked for.
func aboutAnother(known *bucket.Error, err error) error {
	for _, state := range []error{bucket.ErrNotFound, bucket.ErrChanged, bucket.ErrBusy, bucket.ErrVoid} {
		if errors.Is(known.Err, state) {
			other := *known
			other.Err, other.Reason = bucket.ErrRefused, strings.TrimSpace(state.Error()+" "+known.Reason)
			if errors.Is(state, bucket.ErrBusy) {
				other.Err = bucket.ErrUnavailable // it passes
			}
			return &other
		}
	}
	return err
}
