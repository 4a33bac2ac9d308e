package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// Write implements [store.Store].
func (e *Engine) Write(ctx context.Context, id store.ID, v store.Value, o store.WriteOptions) (store.Result, error) {
	results, err := e.WriteAll(ctx, id.Service, map[string]store.Value{id.Key: v}, o)
	if len(results) == 0 {
		return store.Result{}, err
	}
	return results[0], err
}

// WriteAll implements [store.Store]: W0 to W5 of the protocol for each secret, with one
// update of the index for all of them. When ctx ends half way, the secrets that are stored by
// then still reach the index.
func (e *Engine) WriteAll(ctx context.Context, service string, values map[string]store.Value, o store.WriteOptions) ([]store.Result, error) {
	changes, err := e.plan(service, values, o) // W0
	if err != nil {
		return nil, err
	}
	if _, ok := e.Bucket.(bucket.Tagger); !ok && len(o.Tags) > 0 {
		return nil, wrap("write", service, sole(changes), errNoTags)
	}
	w, err := e.begin(ctx, service, changes)
	if err != nil {
		return nil, wrap("write", service, sole(changes), err)
	}
	w.o = o
	w.resolve(changes, func(c *change) error { return store.CheckNewKey(c.key) })
	_ = parallel(context.WithoutCancel(ctx), writers, len(changes), func(_ context.Context, i int) error {
		c := changes[i]
		if c.err == nil {
			c.err = w.commit(ctx, c) // one failure does not end the others
		}
		if o.Progress != nil {
			o.Progress(c.result())
		}
		return nil
	})
	results := make([]store.Result, len(changes))
	var first error
	for i, c := range changes {
		results[i] = c.result()
		if first == nil {
			first = results[i].Err
		}
	}
	return results, also(first, wrap("write", service, sole(changes), w.finish(ctx)))
}

// also returns the first failure and, if there is one, what failed after it.
func also(first, then error) error {
	if first == nil || then == nil {
		return cmp.Or(first, then)
	}
	return errors.Join(first, then)
}

// sole names the key when a command is about one alone.
func sole(changes []*change) string {
	if len(changes) == 1 {
		return changes[0].name
	}
	return ""
}

// change is one secret on its way into the store.
type change struct {
	name  string // as the caller wrote it
	key   string // as it is stored
	value store.Value

	fetched *fetched   // what W1 has read beside the listing; nil: nothing
	deleted bucket.Tag // the state in which it was deleted
	meta    store.Meta
	outcome store.Outcome
	err     error
}

type fetched struct {
	key  string
	o    *secretObject
	info bucket.Info
	err  error
}

func (c *change) result() store.Result {
	if c.err != nil {
		id := store.ID{Service: c.meta.ID.Service, Key: c.name}
		return store.Result{Meta: store.Meta{ID: id}, Outcome: store.Failed, Err: wrap("write", id.Service, id.Key, c.err)}
	}
	return store.Result{Meta: c.meta, Outcome: c.outcome}
}

// plan validates everything before anything is written (W0).
func (e *Engine) plan(service string, values map[string]store.Value, o store.WriteOptions) ([]*change, error) {
	var changes []*change
	stored := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		id, err := store.NewID(service, name)
		if err == nil {
			err = values[name].Check()
		}
		if err != nil {
			return nil, wrap("write", service, name, err)
		}
		key := name
		if !o.PreserveCase {
			key = strings.ToLower(name)
		}
		if twin, ok := stored[key]; ok {
			err := fmt.Errorf("%w: %q and %q would be stored as one key, %q", store.ErrInvalid, twin, name, key)
			return nil, wrap("write", service, name, err)
		}
		stored[key] = name
		changes = append(changes, &change{name: name, key: key, value: values[name], meta: store.Meta{ID: id}})
	}
	return changes, nil
}

// writing is one command that changes secrets of one service.
type writing struct {
	e      *Engine
	o      store.WriteOptions
	v      *view
	own    *indexState // the index of our alias, read before any object changed (X1)
	author func() string
	now    time.Time

	keyID  func() string // what the key service says our alias stands for; "" unknown
	others func() error  // reads the other indexes, once

	mu     sync.Mutex
	known  map[string]known // what this command has stored
	behind bool             // the index does not vouch for a secret that was left unchanged
	putKey string           // the key that the storage really used
}

// known is a state of an object that this command has seen or made.
type known struct {
	tag     bucket.Tag
	object  *secretObject
	version int // of ours in it
}

// begin does W1: at once the listing, our index, the author, and for a single secret its
// object, in the hope that the name is the stored one.
func (e *Engine) begin(ctx context.Context, service string, changes []*change) (*writing, error) {
	author := async(func() string { return e.Author(ctx) })
	var v *view
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		v, err = e.look(gctx, service, false)
		return err
	})
	if len(changes) == 1 {
		c := changes[0]
		c.fetched = &fetched{key: c.key}
		g.Go(func() error {
			c.fetched.o, c.fetched.info, c.fetched.err = e.getObject(gctx, service, c.key)
			return nil // whether it matters is decided with the listing at hand
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if v.denied != nil {
		return nil, v.denied // who changes an index must see what it is an index of
	}
	own := v.indexes[index.FileName(e.Alias)]
	if err := writable(own); err != nil {
		return nil, err
	}
	w := &writing{e: e, v: v, own: own, author: author, now: e.Now(), known: map[string]known{}}
	w.others = sync.OnceValue(func() error { return e.readIndexes(ctx, v) })
	w.keyID = sync.OnceValue(func() string { return e.KeyID(ctx, e.Alias) })
	if own.missing && !e.plain() {
		w.keyID = async(w.keyID) // no index tells the key: ask for it beside the put
	}
	return w, nil
}

// async starts f and returns a function that waits for its result.
func async(f func() string) func() string {
	result := make(chan string, 1)
	go func() { result <- f() }()
	return sync.OnceValue(func() string { return <-result })
}

// writable reports why an index must be left alone: it could not be read (I8), or it
// belongs to another alias.
func writable(s *indexState) error {
	if s.denied != nil {
		return s.denied
	}
	if s.corrupt != nil {
		return s.corrupt
	}
	if s.idx != nil {
		if owner, foreign := s.idx.Foreign(); foreign {
			return &store.AliasError{Have: owner, Want: s.idx.Alias, Index: s.file}
		}
	}
	return nil
}

// resolve finds the stored names of all changes in the listing. A name that is not there
// stays as planned; what that means, isNew decides.
func (w *writing) resolve(changes []*change, isNew func(*change) error) {
	stored := map[string][]string{} // by the name in lower case
	for key := range w.v.objects {
		lower := strings.ToLower(key)
		stored[lower] = append(stored[lower], key)
	}
	taken := map[string]string{}
	for _, c := range changes {
		if twins := stored[strings.ToLower(c.name)]; len(twins) == 0 {
			c.err = isNew(c)
		} else if key, err := store.Lookup(c.name, twins); err != nil {
			c.err = err
		} else {
			c.key = key
		}
		if twin, ok := taken[c.key]; ok && c.err == nil {
			c.err = fmt.Errorf("%w: %q and %q are one secret, %q", store.ErrInvalid, twin, c.name, c.key)
		}
		taken[c.key] = c.name
	}
}

// base reads what a change builds upon. What the listing does not show is not asked for.
func (w *writing) base(ctx context.Context, c *change) (*secretObject, bucket.Info, error) {
	if f := c.fetched; f != nil && f.key == c.key {
		c.fetched = nil
		_, listed := w.v.objects[c.key]
		if !listed && errors.Is(f.err, bucket.ErrDenied) {
			return nil, bucket.Info{}, nil // 403 for what is missing
		}
		return f.o, f.info, f.err
	}
	if _, listed := w.v.objects[c.key]; !listed {
		return nil, bucket.Info{}, nil
	}
	return w.e.getObject(ctx, w.v.service, c.key)
}

// commit writes one secret: W1 to W3.
func (w *writing) commit(ctx context.Context, c *change) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	o, info, err := w.base(ctx, c)
	if err != nil {
		return err
	}
	v := newVersion(c.value, w.now, w.author())
	deadline := w.e.Now().Add(patience)
	for n := 0; ; n++ {
		if done, err := w.check(ctx, c, o, info); done || err != nil {
			return err
		}
		next, number, err := w.next(o, c.key, v)
		if err != nil {
			return err
		}
		tags, err := w.tags(ctx, c.key, info)
		if err != nil {
			return err
		}
		put, failed := w.put(ctx, next, info.Tag, bucket.PutOptions{KeyAlias: w.e.Alias, Tags: tags})
		if failed == nil {
			if err := w.checkPut(ctx, next, put, o); err != nil {
				return err
			}
			w.committed(c, next, number, put.Tag, o)
			return nil
		}
		// The put failed, or its answer was lost: what stands there now tells (W3).
		base := o
		if o, info, err = w.afterwards(ctx, n, c.key, failed); err != nil {
			return err
		}
		if number, ok := o.has(v, base.newest()); ok {
			if o.newest() == number && o.alias == next.alias { // nobody wrote on top: it is what the put made
				if err := w.checkPut(ctx, o, info, base); err != nil {
					return err
				}
			}
			w.committed(c, o, number, info.Tag, base)
			return nil
		}
		if errors.Is(failed, bucket.ErrUnsupported) {
			return failed
		}
		if o.absent() && !base.absent() {
			return fmt.Errorf("%w: it was deleted while it was being written", errors.Join(store.ErrConflict, store.ErrUnknown))
		}
		if w.e.Now().After(deadline) {
			return failed
		}
	}
}

// afterwards reads an object again whose put failed for the n-th time, if that can change
// anything. An error that it returns is that of the write.
func (w *writing) afterwards(ctx context.Context, n int, key string, failed error) (*secretObject, bucket.Info, error) {
	if ended(ctx, failed) {
		return nil, bucket.Info{}, w.unknown(failed)
	}
	if !retryable(failed) && !errors.Is(failed, bucket.ErrUnsupported) { // an answer that makes no sense may say that
		return nil, bucket.Info{}, failed
	}
	if err := w.e.pause(ctx, n); err != nil {
		return nil, bucket.Info{}, w.unknown(failed)
	}
	o, info, err := w.e.getObject(ctx, w.v.service, key)
	switch {
	case err == nil:
		return o, info, nil
	case errors.Is(err, bucket.ErrDenied) && !doubtful(failed), errors.Is(err, store.ErrCorrupt):
		return nil, bucket.Info{}, err // somebody else's object stands there
	}
	return nil, bucket.Info{}, w.unknown(failed)
}

// retryable reports whether a failed change should be looked at again: somebody was
// faster, or it is not known whether it was made.
func retryable(err error) bool {
	return errors.Is(err, bucket.ErrChanged) || errors.Is(err, bucket.ErrNotFound) ||
		errors.Is(err, bucket.ErrBusy) || doubtful(err)
}

// doubtful reports whether a failed change may have been made all the same.
func doubtful(err error) bool {
	return errors.Is(err, bucket.ErrUnavailable) || errors.Is(err, bucket.ErrTorn)
}

// ended reports whether a request failed because its context ended.
func ended(ctx context.Context, err error) bool {
	return ctx.Err() != nil && errors.Is(err, ctx.Err())
}

// unknown reports a change of which it cannot be told whether it was made. The index is
// brought up to date in any case.
func (w *writing) unknown(err error) error {
	w.setBehind()
	return fmt.Errorf("%w: it may or may not be stored: %w", store.ErrUnknown, storageError(err))
}

// check holds a change against what is stored. done means: nothing is to be written.
func (w *writing) check(ctx context.Context, c *change, o *secretObject, info bucket.Info) (done bool, err error) {
	have := 0
	if !o.absent() {
		have = o.newest()
	}
	if want := w.o.IfVersion; want != nil && *want != have {
		return false, &store.VersionError{Have: have, Want: *want}
	}
	if have == 0 {
		return false, nil
	}
	if err := w.guard(ctx, o, info); err != nil { // W2
		return false, err
	}
	if !w.o.SkipUnchanged || o.versions[have].value != c.value {
		return false, nil
	}
	c.meta, c.outcome = o.meta(have, w.e.Alias), store.Unchanged
	if w.own.idx == nil {
		w.setBehind()
	} else if _, ok := w.own.idx.Verified(c.key, string(info.Tag)); !ok {
		w.setBehind()
	}
	return true, nil
}

func (w *writing) setBehind() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.behind = true
}

// next makes the object to put. Versions are never reused: they count on from what any
// index remembers, of a deleted secret or of an object that was put back to an old state.
func (w *writing) next(o *secretObject, key string, v version) (*secretObject, int, error) {
	last := o.newest()
	if o.absent() {
		if err := w.others(); err != nil {
			return nil, 0, err
		}
		for _, s := range w.v.readable() {
			last = max(last, s.idx.Entries[key].Version)
		}
	} else if w.own.idx != nil {
		last = max(last, w.own.idx.Entries[key].Version)
	}
	if last == math.MaxInt {
		return nil, 0, &store.CorruptError{Object: objectName(w.v.service, key), Offset: -1, Reason: "no version number is left"}
	}
	number := last + 1
	if o == nil {
		o = &secretObject{service: w.v.service, key: key}
	}
	next := o.add(number, v)
	next.alias, next.nonce = w.e.Alias, w.e.Nonce()
	return next, number, nil
}

// put stores an object on the condition that it is still in the state that was read.
func (w *writing) put(ctx context.Context, o *secretObject, tag bucket.Tag, options bucket.PutOptions) (bucket.Info, error) {
	body, err := o.encode()
	if err != nil {
		return bucket.Info{}, err
	}
	options.If = bucket.IfAbsent()
	if tag != "" {
		options.If = bucket.IfMatch(tag)
	}
	// An interrupt does not cut it short: of a put that was given up nobody knows whether it
	// was made, and the index could not have it.
	ctx, cancel := outlive(ctx, putGrace)
	defer cancel()
	return w.e.Bucket.Put(ctx, objectName(o.service, o.key), body, options)
}

// checkPut holds the storage's answer to a put against what was asked (W3). A new object
// that is not sealed as it must be is taken back at once; an older one stays, with the
// versions that it had before.
func (w *writing) checkPut(ctx context.Context, o *secretObject, put bucket.Info, base *secretObject) error {
	name := objectName(o.service, o.key)
	err := w.e.Vouch(name, put.Seal)
	if err == nil {
		err = w.checkKey(name, put.Seal)
	}
	if err == nil {
		return nil
	}
	if !base.absent() {
		return fmt.Errorf("%w; the new version is stored", err)
	}
	ctx = context.WithoutCancel(ctx)
	left := w.e.Bucket.Delete(ctx, name, bucket.IfMatch(put.Tag))
	if errors.Is(left, bucket.ErrUnsupported) {
		left = w.e.Bucket.Delete(ctx, name, bucket.If{})
	}
	if left != nil {
		return fmt.Errorf("%w; it could not be taken back: %w", err, storageError(left))
	}
	return err
}

// checkKey reports whether the key that the storage used is not the one that our alias stands for.
func (w *writing) checkKey(name string, s bucket.Seal) error {
	alias := w.e.Alias
	w.mu.Lock()
	w.putKey = s.KeyID
	w.mu.Unlock()
	switch {
	case s.KeyID == "" || alias == "" || s.KeyID == w.own.seal.KeyID:
		return nil
	case s.KeyID == alias || strings.HasSuffix(s.KeyID, ":"+alias):
		return nil // servers that name keys by their aliases
	}
	if want := w.keyID(); want != "" && want != s.KeyID {
		return &store.SealError{Object: name, Method: s.Method, KeyID: s.KeyID, Want: alias + ", which is " + want}
	}
	return nil
}

// committed notes a secret that is stored.
func (w *writing) committed(c *change, o *secretObject, number int, tag bucket.Tag, base *secretObject) {
	c.meta, c.outcome = o.meta(number, w.e.Alias), store.Updated
	if base.absent() && number == o.newest() && len(o.versions) == 1 {
		c.outcome = store.Created
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known[c.key] = known{tag: tag, object: o, version: number}
}

// finish brings the index up to date (W4) and looks whether what was stored is still there (W5).
func (w *writing) finish(ctx context.Context) error {
	if len(w.known) == 0 && !w.behind {
		return nil
	}
	ctx, cancel := outlive(ctx, indexGrace)
	defer cancel()
	r := &reconciliation{e: w.e, v: w.v, alias: w.e.Alias, own: w.own, known: w.known, putKey: w.putKey}
	if err := r.run(ctx); err != nil {
		return fmt.Errorf("%w: %w", store.ErrIndexBehind, storageError(err))
	}
	if len(r.overwritten) > 0 {
		return fmt.Errorf("%w: %s: overwritten by a program that writes without conditions; write again",
			store.ErrConflict, strings.Join(r.overwritten, ", "))
	}
	return nil
}

// outlive returns a context that ends some time after ctx does: what is stored shall be
// seen, and soon, whenever the interrupt comes.
func outlive(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return longer, func() {
		stop()
		cancel()
	}
}
