package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/internal/waiting"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

var _ admin.Restorer = (*Engine)(nil)

// Deleted implements [admin.Restorer].
func (e *Engine) Deleted(ctx context.Context, service string, keys ...string) ([]admin.Candidate, error) {
	found, err := e.candidates(ctx, service, keys)
	return found, wrap("find deleted secrets of", service, "", err)
}

func (e *Engine) candidates(ctx context.Context, service string, names []string) ([]admin.Candidate, error) {
	p, err := e.listVersions(ctx, service)
	if err != nil {
		return nil, err
	}
	keys, err := p.resolve(names)
	if err != nil {
		return nil, err
	}
	gone, err := e.deleted(ctx, p, keys)
	if err != nil {
		return nil, err
	}
	var all []admin.Candidate
	for _, key := range keys {
		for _, v := range p.states(key) {
			if gone[key] {
				all = append(all, admin.Candidate{
					Meta:  store.Meta{ID: store.ID{Service: service, Key: key}},
					State: v.ID, Stored: v.Modified, Deleted: p.secrets[key][0].Modified,
				})
			}
		}
	}
	kept := make([]bool, len(all))
	err = pace.Each(ctx, Readers, len(all), func(ctx context.Context, i int) error {
		c := &all[i]
		o, _, err := e.stateOf(ctx, p, c.ID.Key, c.State)
		switch {
		case err == nil && o.Absent(), errors.Is(err, bucket.ErrNotFound):
			return nil // a tombstone, or removed meanwhile
		case err == nil:
			c.Meta, c.Versions = o.Meta(o.Newest(), ""), len(o.Versions)
		case unreadable(err):
			c.Err = wrap("restore", service, c.ID.Key, err)
		default:
			return err
		}
		kept[i] = true
		return nil
	})
	var found []admin.Candidate
	for i, c := range all {
		if kept[i] {
			found = append(found, c)
		}
	}
	return found, err
}

// Undelete implements [admin.Restorer]. It follows W1 to W5 like a write, but puts a former state.
func (e *Engine) Undelete(ctx context.Context, id store.ID, o admin.UndeleteOptions) (store.Result, error) {
	c, err := e.undelete(ctx, id, o)
	if c == nil || c.outcome == "" {
		return store.Result{}, wrap("restore", id.Service, id.Key, err)
	}
	return store.Result{Meta: c.meta, Outcome: c.outcome}, wrap("restore", id.Service, id.Key, err)
}

func (e *Engine) undelete(ctx context.Context, id store.ID, o admin.UndeleteOptions) (*change, error) {
	if _, err := store.NewID(id.Service, id.Key); err != nil {
		return nil, err
	}
	p, err := e.listVersions(ctx, id.Service)
	if err != nil {
		return nil, err
	}
	key, err := store.Lookup(id.Key, p.keys())
	if err != nil {
		return nil, err
	}
	c := &change{name: id.Key, key: key}
	author := async(func() string { return e.Author(ctx) })
	w, err := e.begin(ctx, id.Service, []*change{c}, false) // W1
	if err == nil {
		err = w.others()
	}
	if err != nil {
		return nil, err
	}
	w.o.Adopt, w.author = o.Adopt, author
	w.askKey()
	for twin := range w.v.Objects {
		if twin != key && strings.EqualFold(twin, key) {
			return nil, fmt.Errorf("%w: %q exists, which differs only in case", store.ErrConflict, twin)
		}
	}
	err = w.bringBack(ctx, c, p, o.At)
	return c, also(err, w.finish(ctx)) // W4, W5
}

// former is a state of a secret that is to be restored.
type former struct {
	object *Document
	info   bucket.Info
	last   int // the highest known version of this state and the later ones
}

// newest returns the newest version of the state and its number.
func (f *former) newest() (Version, int) {
	n := f.object.Newest()
	return f.object.Versions[n], n
}

// former finds a former state of a secret: by its id, by the number of its newest version, or, if at
// is "", the last one. If live is true, the secret exists, and its current state is skipped.
func (e *Engine) former(ctx context.Context, p *versionList, key, at string, live bool) (*former, error) {
	top, hidden := 0, 0
	for _, v := range p.states(key) {
		if live && v.Latest {
			continue
		}
		wanted := at == "" || at == v.ID
		o, info, err := e.stateOf(ctx, p, key, v.ID)
		switch {
		case errors.Is(err, bucket.ErrNotFound) && at != v.ID:
			continue // removed meanwhile
		case err != nil && (wanted || !unreadable(err)):
			return nil, err
		case err != nil:
			hidden++ // it can't be read, but each write adds one version
			continue
		case o.Absent():
			continue
		}
		top = max(top, o.Newest())
		if wanted || at == strconv.Itoa(o.Newest()) {
			return &former{o, info, top + hidden}, nil
		}
	}
	if at != "" {
		return nil, &store.NotFoundError{What: "version", Version: at}
	}
	return nil, fmt.Errorf("%w: the storage has no older version of it", store.ErrNotFound)
}

// bringBack puts a former state on the condition that the secret does not exist: there is no object, or a
// delete mark, or still the tombstone that was read.
func (w *writing) bringBack(ctx context.Context, c *change, p *versionList, at string) error {
	o, info, err := w.base(ctx, c)
	if err != nil {
		return err
	}
	f, err := w.e.former(ctx, p, c.key, at, !o.Absent())
	if errors.Is(err, store.ErrNotFound) && !o.Absent() {
		return notDeleted(o)
	}
	if err != nil {
		return err
	}
	var next *Document
	deadline := w.e.Now().Add(waiting.Limit(ctx, retryTime))
	for n := 0; ; n++ {
		if !o.Absent() {
			return w.there(ctx, c, o, info, f, next)
		}
		if next == nil {
			if err := w.guard(ctx, f.object, f.info); err != nil { // W2
				return err
			}
			if next, err = w.restoredObject(f); err != nil {
				return err
			}
		}
		put, failed := w.put(ctx, next, info.Tag, bucket.PutOptions{KeyAlias: w.e.Alias}) // W3
		if failed == nil {
			if err := w.checkPut(ctx, next, put, o); err != nil {
				return err
			}
			w.restored(c, next, put.Tag)
			return nil
		}
		if o, info, err = w.afterwards(ctx, n, c.key, failed); err != nil {
			return err
		}
		if errors.Is(failed, bucket.ErrUnsupported) && o.Absent() || w.e.Now().After(deadline) {
			return failed
		}
	}
}

// there handles a secret that exists. If it has what was put, it is restored. If it has the value
// to restore, it is unchanged. Otherwise there returns an error and leaves it as it is.
func (w *writing) there(ctx context.Context, c *change, o *Document, info bucket.Info, f *former, put *Document) error {
	if put != nil {
		if _, ours := o.has(put.Versions[put.Newest()], 0); ours {
			if o.nonce == put.nonce {
				if err := w.checkPut(ctx, o, info, nil); err != nil {
					return err
				}
			}
			w.restored(c, o, info.Tag)
			return nil
		}
	}
	v, _ := f.newest()
	n := o.Newest()
	if _, same := o.has(v, 0); !same || o.Versions[n].Value != v.Value {
		return notDeleted(o)
	}
	if err := w.guard(ctx, o, info); err != nil {
		return err
	}
	c.meta, c.outcome = o.Meta(n, w.e.Alias), store.Unchanged
	if _, ok := w.own.Entry(c.key); !ok || w.own.Index.Entries[c.key].Tag != string(info.Tag) {
		w.setBehind()
	}
	return nil
}

func notDeleted(o *Document) error {
	return fmt.Errorf("%w: it is not deleted; it is at version %d", store.ErrConflict, o.Newest())
}

// restoredObject returns the object to put. If a later state or an index has a higher version than
// the state, the newest value is added again with a number above it.
func (w *writing) restoredObject(f *former) (*Document, error) {
	v, n := f.newest()
	last := f.last
	for _, s := range w.v.Readable() {
		last = max(last, s.Index.Highest(f.object.key))
	}
	next := *f.object
	switch {
	case last == math.MaxInt:
		return nil, &store.CorruptError{Object: ObjectName(w.v.Service, next.key), Offset: -1, Reason: "there are no version numbers left"}
	case last > n:
		next = *next.add(last+1, w.e.newVersion(v.Value, w.now, w.author()))
	}
	w.e.prepare(&next)
	return &next, nil
}

// restored records that a secret was restored.
func (w *writing) restored(c *change, o *Document, tag bucket.Tag) {
	n := o.Newest()
	c.meta, c.outcome = o.Meta(n, w.e.Alias), store.Restored
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known[c.key] = known{tag: tag, object: o, version: n}
}
