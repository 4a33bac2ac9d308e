package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/internal/waiting"
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
// update of the index for all of them. If ctx ends early, the index is still updated with the
// secrets that are stored by then.
func (e *Engine) WriteAll(ctx context.Context, service string, values map[string]store.Value, o store.WriteOptions) ([]store.Result, error) {
	changes, err := e.plan(service, values, o) // W0
	if err != nil {
		return nil, err
	}
	if _, ok := e.Bucket.(bucket.Tagger); !ok && len(o.Tags) > 0 {
		return nil, wrap("write", service, sole(changes), errNoTags)
	}
	author := async(func() string { return e.Author(ctx) })
	w, err := e.begin(ctx, service, changes, true)
	if err != nil {
		return nil, wrap("write", service, sole(changes), err)
	}
	w.o, w.author = o, author
	if len(w.v.Objects) == 0 && o.NewService != nil && len(changes) > 0 {
		if err := o.NewService(ctx); err != nil {
			return nil, wrap("write", service, sole(changes), err)
		}
	}
	if len(changes) > 1 {
		w.askKey()
	} else if w.own.Missing {
		// A single secret is not worth a request to the key service. The key that the storage reports is
		// checked against key_arns here, against the index by later writes, and against KMS by doctor.
		w.keyID = func() string { return "" }
	}
	w.resolve(changes, func(c *change) error { return store.CheckNewKey(c.key) })
	w.settleUnchanged(changes)
	all := w.batch(ctx, len(changes))
	_ = pace.Each(context.WithoutCancel(ctx), writers, len(changes), func(_ context.Context, i int) error {
		c := changes[i]
		if c.err == nil && c.outcome != store.Unchanged {
			c.err = all.Do(func() error { return w.commit(ctx, c) }) // a failure stops the others only if the session has expired
		}
		if o.Progress != nil && !e.left(all, c.err) {
			o.Progress(c.result())
		}
		return nil
	})
	behind := w.finish(ctx)
	first := w.stop("write", all, changes, behind)
	if first != nil && errors.Is(behind, store.ErrIndexBehind) {
		behind = nil // first reports it
	}
	results := make([]store.Result, len(changes))
	for i, c := range changes {
		if k := w.known[c.key]; c.err == nil && k.version > c.meta.Version {
			c.meta.Version = k.version // it was renumbered, because its first number was taken
		}
		results[i] = c.result()
		if first == nil {
			first = results[i].Err
		}
	}
	return results, also(first, wrap("write", service, sole(changes), behind))
}

// also returns an error of both failures, or the only one that is not nil.
func also(first, then error) error {
	if first == nil || then == nil {
		return cmp.Or(first, then)
	}
	return &bothError{first, then}
}

// bothError is a failure and a later one. Its text is on one line, unlike that of [errors.Join],
// so that it can follow other text.
type bothError struct{ first, then error }

func (e *bothError) Error() string   { return e.first.Error() + "; " + e.then.Error() }
func (e *bothError) Unwrap() []error { return []error{e.first, e.then} }

// sole returns the name of the secret if there is only one change, else "".
func sole(changes []*change) string {
	if len(changes) == 1 {
		return changes[0].name
	}
	return ""
}

// change is one secret to be written or deleted.
type change struct {
	name  string // as the caller wrote it
	key   string // as it is stored
	value store.Value

	fetched *fetched   // the object that W1 has read beside the listing; nil if it has read none
	target  *fetched   // the object to delete
	deleted bucket.Tag // the state in which it was deleted
	meta    store.Meta
	outcome store.Outcome
	err     error
}

type fetched struct {
	key  string
	o    *Document
	info bucket.Info
	err  error
}

func (c *change) result() store.Result {
	if c.err != nil {
		id := store.ID{Service: c.meta.ID.Service, Key: c.name}
		if isStopped(c.err) {
			return store.Result{Meta: store.Meta{ID: id}, Outcome: store.Left, Err: c.err}
		}
		return store.Result{Meta: store.Meta{ID: id}, Outcome: store.Failed, Err: wrap("write", id.Service, id.Key, c.err)}
	}
	return store.Result{Meta: c.meta, Outcome: c.outcome}
}

// plan validates all names and values before anything is written (W0).
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
			err := fmt.Errorf("%w: %q and %q would be stored as the same key, %q", store.ErrInvalid, twin, name, key)
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
	v      *View
	own    *IndexState   // the index of our alias, read before any object changed (X1)
	author func() string // of new versions
	now    time.Time

	keyID  func() string // the key to which our alias points; "" if unknown
	others func() error  // reads the other indexes, once

	mu     sync.Mutex
	known  map[string]known // what this command has stored or deleted, by key
	behind bool             // the index must be updated: it doesn't vouch for an unchanged secret, or an outcome is unknown
	putKey string           // the key that the storage used for our puts

	changedKey string // the key that our alias has got since keyID asked; "" if it is the same
}

// known is a state of an object that this command has seen or made.
type known struct {
	tag     bucket.Tag
	object  *Document
	version int  // the version that we wrote; of a deleted secret, the highest that it had
	created bool // there was no secret before
}

// begin does W1. It concurrently lists the service, reads our index and, for a single secret, its
// object, assuming that the given name is the stored one. If keys are pinned, it
// returns an error if our alias points to another key. If narrow is true, and the single secret exists, it lists no
// more than the first page and the names of the indexes: the update of the index lists everything anyway.
func (e *Engine) begin(ctx context.Context, service string, changes []*change, narrow bool) (*writing, error) {
	var v *View
	var pinned string
	var unpinned error
	var o lookOptions
	requests := []func(context.Context) error{func(ctx context.Context) (err error) {
		v, err = e.look(ctx, service, o)
		return err
	}}
	if e.PinnedKey != nil {
		requests = append(requests, func(ctx context.Context) error {
			pinned, unpinned = e.PinnedKey(ctx, service, e.Alias)
			return nil // errors of listing and reading take precedence
		})
	}
	if len(changes) == 1 {
		c, f, read := changes[0], &fetched{key: changes[0].key}, make(chan struct{})
		c.fetched = f
		requests = append(requests, func(ctx context.Context) error {
			defer close(read)
			f.o, f.info, f.err = e.ReadDocument(ctx, service, c.key)
			return nil // base decides whether the error matters, with the listing
		})
		if narrow && c.name == c.key { // by another name, it may be another secret, whose name differs in case
			o.narrow = func() bool {
				<-read
				return f.err == nil && !f.o.Absent()
			}
		}
	}
	if err := pace.All(ctx, requests...); err != nil {
		return nil, err
	}
	if v.narrow {
		v.Objects[changes[0].key] = changes[0].fetched.info
	}
	if v.denied != nil {
		return nil, v.denied // without a listing the index can't be updated
	}
	if unpinned != nil {
		return nil, unpinned
	}
	v.pinned = []string{e.Alias}
	own := v.Indexes[index.FileName(e.Alias)]
	if err := own.Writable(); err != nil {
		return nil, err
	}
	w := &writing{e: e, v: v, own: own, now: e.Now(), known: map[string]known{}}
	w.others = sync.OnceValue(func() error { return e.readIndexes(ctx, v) })
	w.keyID = sync.OnceValue(func() string {
		if pinned != "" {
			return pinned
		}
		return e.KeyID(ctx, e.Alias)
	})
	return w, nil
}

// askKey starts to ask for the key of our alias, concurrently with the puts, if there is no index
// from which it is known.
func (w *writing) askKey() {
	if w.own.Missing && !w.e.Plain() {
		w.keyID = async(w.keyID)
	}
}

// async starts f and returns a function that waits for its result.
func async(f func() string) func() string {
	result := make(chan string, 1)
	go func() { result <- f() }()
	return sync.OnceValue(func() string { return <-result })
}

// Writable returns an error if an index must not be written: it could not be read (I8), or it
// has entries of another alias.
func (s *IndexState) Writable() error {
	if s.Denied != nil {
		return s.Denied
	}
	if s.Corrupt != nil {
		return s.Corrupt
	}
	if s.Index != nil {
		if owner, foreign := s.Index.Foreign(); foreign {
			return &store.AliasError{Have: owner, Want: s.Index.Alias, Index: s.File}
		}
	}
	return nil
}

// resolve finds the stored names of all changes in the listing. For a name that is not listed it
// calls isNew, whose result becomes the error of the change.
func (w *writing) resolve(changes []*change, isNew func(*change) error) {
	stored := map[string][]string{} // by the name in lower case
	for key := range w.v.Objects {
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
			c.err = fmt.Errorf("%w: %q and %q are the same secret, %q", store.ErrInvalid, twin, c.name, c.key)
		}
		taken[c.key] = c.name
	}
}

// base reads the object that a change is based on. It makes no request for an object that is not
// listed.
func (w *writing) base(ctx context.Context, c *change) (*Document, bucket.Info, error) {
	if f := c.fetched; f != nil && f.key == c.key {
		c.fetched = nil
		_, listed := w.v.Objects[c.key]
		if !listed && errors.Is(f.err, bucket.ErrDenied) {
			return nil, bucket.Info{}, nil // S3 may answer 403 for a missing object
		}
		return f.o, f.info, f.err
	}
	if _, listed := w.v.Objects[c.key]; !listed {
		return nil, bucket.Info{}, nil
	}
	return w.e.ReadDocument(ctx, w.v.Service, c.key)
}

// finish updates the index (W4) and checks that what was stored has not been overwritten (W5).
func (w *writing) finish(ctx context.Context) error {
	if len(w.known) == 0 && !w.behind {
		return nil
	}
	ctx, cancel := outlive(ctx, indexGrace)
	defer cancel()
	r := &reconciliation{e: w.e, v: w.v, alias: w.e.Alias, own: w.own, known: w.known, putKey: w.putKey, first: w.own.Missing}
	err := r.run(ctx)
	for range rounds {
		var taken *takenError
		if !errors.As(err, &taken) {
			break
		}
		if err := w.renumberAll(ctx, taken); err != nil {
			return err
		}
		r = &reconciliation{e: w.e, v: w.v, alias: w.e.Alias, known: w.known, putKey: w.putKey}
		err = r.run(ctx)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", store.ErrIndexBehind, StorageError(err))
	}
	if len(r.overwritten) > 0 {
		return fmt.Errorf("%w: %s: overwritten by a program that writes without conditions; write again",
			store.ErrConflict, strings.Join(r.overwritten, ", "))
	}
	return nil
}

// outlive returns a context that ends the given time after ctx. It lets a put and the update of the
// index finish soon after an interrupt, so that what is stored is in the index.
func outlive(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(waiting.Beyond(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return longer, func() {
		stop()
		cancel()
	}
}
