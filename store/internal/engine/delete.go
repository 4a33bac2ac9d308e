package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// Delete implements [store.Store]: D1 to D3 of the protocol for each key, with one update of
// each index for all of them.
func (e *Engine) Delete(ctx context.Context, service string, keys ...string) ([]store.Result, error) {
	results, err := e.deleteKeys(ctx, service, keys, false)
	if isStopped(err) {
		return results, err
	}
	var first error
	for _, r := range results {
		first = cmp.Or(first, r.Err)
	}
	return results, also(first, err)
}

// deleteKeys deletes secrets. If exact is true, names are case-sensitive. The error is about all
// secrets together, mostly about the indexes. If the results are nil, nothing was deleted.
func (e *Engine) deleteKeys(ctx context.Context, service string, keys []string, exact bool) ([]store.Result, error) {
	changes := make([]*change, len(keys))
	for i, name := range keys {
		id, err := store.NewID(service, name)
		if err != nil {
			return nil, wrap("delete", service, name, err)
		}
		changes[i] = &change{name: name, key: name, meta: store.Meta{ID: id}}
	}
	w, err := e.begin(ctx, service, changes, true)
	if err == nil {
		err = w.others()
	}
	if err != nil {
		return nil, wrap("delete", service, sole(changes), err)
	}
	if exact {
		w.resolveExactly(changes)
	} else {
		w.resolve(changes, func(c *change) error {
			_, err := store.Lookup(c.name, w.v.keys())
			return err // purge still removes its entries from the indexes
		})
	}
	for _, alias := range w.holding(changes, func(*change) bool { return true }) { // D3 will put their indexes
		if err := e.checkPin(ctx, w.v, alias); err != nil {
			return nil, wrap("delete", service, sole(changes), err)
		}
	}
	all := w.batch(ctx, len(changes))
	each := func(do func(context.Context, *change) error) {
		_ = pace.Each(context.WithoutCancel(ctx), writers, len(changes), func(_ context.Context, i int) error {
			if c := changes[i]; c.err == nil {
				c.err = all.Do(func() error { return do(ctx, c) })
			}
			return nil
		})
	}
	each(w.prepare)
	if all.Cause() == nil {
		if err := w.record(ctx, changes); err != nil {
			return nil, wrap("delete", service, sole(changes), err)
		}
	}
	each(w.remove) // if the batch has ended, they are left
	purged := w.purge(ctx, changes)
	stopped := w.stop("delete", all, changes, purged)
	results := w.deleted(changes, purged)
	if stopped != nil {
		return results, stopped
	}
	return results, wrap("delete", service, sole(changes), purged)
}

// deleted returns the results of a delete. purged is the error of the update of the indexes.
func (w *writing) deleted(changes []*change, purged error) []store.Result {
	results := make([]store.Result, len(changes))
	for i, c := range changes {
		if purged != nil && errors.Is(c.err, store.ErrNotFound) && w.leaves(c) {
			c.err = purged // "not found" is wrong as long as an index has its value
		}
		results[i] = store.Result{Meta: c.meta, Outcome: c.outcome}
		if c.err != nil {
			results[i].Outcome, results[i].Err = store.Failed, wrap("delete", w.v.Service, c.name, c.err)
		}
		if isStopped(c.err) {
			results[i].Outcome = store.Left
		}
	}
	return results
}

func (w *writing) resolveExactly(changes []*change) {
	for _, c := range changes {
		if _, listed := w.v.Objects[c.key]; !listed {
			c.err = &store.NotFoundError{What: "secret"}
		}
	}
}

// prepare reads the object to delete (D1).
func (w *writing) prepare(ctx context.Context, c *change) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	o, info, err := w.base(ctx, c) // D1
	if err != nil {
		return err
	}
	if o.Absent() {
		return &store.NotFoundError{What: "secret"}
	}
	if err := w.guard(ctx, o, info); err != nil {
		return err
	}
	c.meta, c.target = o.Meta(o.Newest(), w.e.Alias), &fetched{o: o, info: info}
	return nil
}

// record makes sure that the index knows the version numbers of the secrets to delete (D1a). A client
// that creates the secret again, perhaps at the same time, reads them from there.
func (w *writing) record(ctx context.Context, changes []*change) error {
	unknown := func() *index.Index {
		x := index.New(w.e.Alias)
		for _, c := range changes {
			if c.err == nil && (w.own.Index == nil || w.own.Index.Highest(c.key) < c.meta.Version) {
				x.Learn(c.key, c.meta.Version)
			}
		}
		return x
	}
	if !unknown().Remembers() || w.v.Service == store.Scratch {
		return nil
	}
	// First update the index, so that the number is in an entry: a client that has just created the
	// secret recognizes its own version by the entry's tag.
	r := &reconciliation{e: w.e, v: w.v, alias: w.e.Alias, own: w.own}
	for range 2 {
		if err := r.run(ctx); err != nil {
			return err
		}
		w.own = w.v.Indexes[w.own.File]
		r = &reconciliation{e: w.e, v: w.v, alias: w.e.Alias, inherited: unknown()}
		if !r.inherited.Remembers() {
			break
		}
	}
	return nil
}

// remove deletes one object (D2).
func (w *writing) remove(ctx context.Context, c *change) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	o, info := c.target.o, c.target.info
	for n := 0; ; n++ {
		c.deleted = info.Tag
		gone, failed := w.drop(ctx, o, info.Tag) // D2
		if failed == nil || errors.Is(failed, bucket.ErrNotFound) {
			w.removed(c, gone)
			return nil
		}
		// The delete may have been made, and a tombstone that is there may be our own. Repeat the
		// delete only for the state that was read.
		now, nowInfo, err := w.afterwards(ctx, n, c.key, failed)
		switch {
		case err != nil:
			return err
		case now.Absent():
			w.removed(c, known{tag: nowInfo.Tag, object: now})
			return nil
		case nowInfo.Tag != info.Tag && unclear(failed):
			return fmt.Errorf("%w, %w: it was written during the delete; the newer version was kept", store.ErrConflict, store.ErrUnknown)
		case nowInfo.Tag != info.Tag:
			return fmt.Errorf("%w: it changed during the delete; the newer version was kept", store.ErrConflict)
		case n == deletions:
			return failed
		}
	}
}

// removed records that a secret was deleted.
func (w *writing) removed(c *change, gone known) {
	c.outcome = store.Deleted
	w.notifyRollback(c.target.o, c.key, "")
	w.mu.Lock()
	defer w.mu.Unlock()
	gone.version = c.meta.Version
	w.known[c.key] = gone
}

// drop deletes an object in the state that was read. If the storage has no conditional delete, it
// replaces the object by a tombstone with a conditional put: an unconditional delete could
// delete a newer version.
func (w *writing) drop(ctx context.Context, o *Document, tag bucket.Tag) (known, error) {
	name := ObjectName(o.service, o.key)
	err := w.e.Bucket.Delete(ctx, name, bucket.IfMatch(tag))
	if errors.Is(err, bucket.ErrUnsupported) && o.service == store.Scratch {
		err = w.e.Bucket.Delete(ctx, name, bucket.If{})
	}
	if !errors.Is(err, bucket.ErrUnsupported) {
		return known{}, err
	}
	tombstone := &Document{
		service: o.service, key: o.key, Versions: map[int]Version{},
		Alias: o.Alias, nonce: w.e.Nonce(), Deleted: true, Last: w.highest(o), extra: o.extra,
	}
	put, err := w.put(ctx, tombstone, tag, bucket.PutOptions{KeyAlias: w.e.Alias})
	return known{tag: put.Tag, object: tombstone}, err
}

// purge removes deleted secrets, and entries of secrets that were deleted earlier, from every index
// (D3). Our index is put even if it never had them: see [reconciliation.force].
func (w *writing) purge(ctx context.Context, changes []*change) error {
	gone := func(c *change) bool { return c.outcome == store.Deleted || errors.Is(c.err, store.ErrNotFound) }
	if !w.behind && !slices.ContainsFunc(changes, gone) {
		return nil // nothing was deleted
	}
	ctx, cancel := outlive(ctx, indexGrace)
	defer cancel()
	others := w.holding(changes, gone)
	if !w.own.Missing || len(w.known) > 0 || w.behind {
		r := &reconciliation{e: w.e, v: w.v, alias: w.e.Alias, own: w.own, known: w.known, force: true, dropEmpty: w.v.Service == store.Scratch}
		err := r.run(ctx)
		if errors.Is(err, bucket.ErrDenied) && !w.behind && !slices.ContainsFunc(changes, w.leaves) {
			err = nil // nothing was deleted, and a caller without write permission doesn't need the fence
		}
		if err != nil {
			return fmt.Errorf("%w: %w", store.ErrIndexBehind, StorageError(err))
		}
	}
	for _, c := range changes { // the new listing shows whether the storage has deleted the objects
		if listed := w.v.Objects[c.key].Tag; c.outcome == store.Deleted && listed == c.deleted {
			c.err = fmt.Errorf("%w: the storage reported that it was deleted, but still lists it", store.ErrUnavailable)
		}
	}
	for _, alias := range others {
		r := &reconciliation{e: w.e, v: w.v, alias: alias, known: w.known, force: true}
		if err := r.run(ctx); err != nil {
			return fmt.Errorf("%w: the value is still in %s/%s: %w", store.ErrIndexBehind, w.v.Service, index.FileName(alias), StorageError(err))
		}
	}
	return nil
}

// leaves reports whether an index may still have the value of a deleted secret.
func (w *writing) leaves(c *change) bool {
	for _, s := range w.v.Indexes {
		if s.Index != nil {
			if _, ghost := s.Index.Entries[c.key]; ghost {
				return true
			}
		}
	}
	return c.outcome == store.Deleted
}

// holding returns the aliases of the other readable indexes that have an entry for a change for which gone
// returns true.
func (w *writing) holding(changes []*change, gone func(*change) bool) []string {
	var aliases []string
	for _, s := range w.v.Readable() {
		held := func(c *change) bool { _, ok := s.Index.Entries[c.key]; return ok && gone(c) }
		if s.File != w.own.File && slices.ContainsFunc(changes, held) {
			aliases = append(aliases, s.Index.Alias)
		}
	}
	return aliases
}
