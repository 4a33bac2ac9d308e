package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// Delete implements [store.Store]: D1 to D3 of the protocol for each key, with one update of
// each index for all of them.
func (e *Engine) Delete(ctx context.Context, service string, keys ...string) ([]store.Result, error) {
	changes := make([]*change, len(keys))
	for i, name := range keys {
		id, err := store.NewID(service, name)
		if err != nil {
			return nil, wrap("delete", service, name, err)
		}
		changes[i] = &change{name: name, key: name, meta: store.Meta{ID: id}}
	}
	w, err := e.begin(ctx, service, changes)
	if err == nil {
		err = w.others()
	}
	if err != nil {
		return nil, wrap("delete", service, sole(changes), err)
	}
	_ = parallel(context.WithoutCancel(ctx), writers, len(changes), func(_ context.Context, i int) error {
		changes[i].err = w.remove(ctx, changes[i])
		return nil
	})
	results := make([]store.Result, len(changes))
	var first error
	for i, c := range changes {
		results[i] = store.Result{Meta: c.meta, Outcome: c.outcome}
		if c.err != nil {
			results[i].Outcome, results[i].Err = store.Failed, wrap("delete", service, c.name, c.err)
			if first == nil {
				first = results[i].Err
			}
		}
	}
	if err := w.purge(ctx, changes); err != nil && (first == nil || errors.Is(first, store.ErrNotFound)) {
		first = wrap("delete", service, sole(changes), err)
	}
	return results, first
}

// remove deletes one object: D1 and D2.
func (w *writing) remove(ctx context.Context, c *change) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	key, err := store.Lookup(c.name, w.v.keys())
	if err != nil {
		return err // the purge still takes its ghosts out of the indexes
	}
	c.key = key
	o, info, err := w.base(ctx, c) // D1
	if err != nil {
		return err
	}
	if o.absent() {
		return &store.NotFoundError{What: "secret"}
	}
	if err := w.guard(ctx, o, info); err != nil {
		return err
	}
	c.meta = o.meta(o.newest(), w.e.Alias)
	for n := 0; ; n++ {
		gone, err := w.drop(ctx, o, info.Tag) // D2
		if err == nil || errors.Is(err, bucket.ErrNotFound) {
			c.outcome = store.Deleted
			w.mu.Lock()
			w.known[c.key] = gone
			w.mu.Unlock()
			return nil
		}
		if errors.Is(err, bucket.ErrChanged) {
			return fmt.Errorf("%w: it changed while it was being deleted; the newer version was left", store.ErrConflict)
		}
		if !retryable(err) || n == 3 {
			return err
		}
		if pauseErr := w.e.pause(ctx, n); pauseErr != nil {
			return w.unknown(err)
		}
		// It may have been done: only the state that was read is deleted again.
		now, nowInfo, getErr := w.e.getObject(ctx, w.v.service, c.key)
		switch {
		case getErr != nil:
			return w.unknown(err)
		case now != nil && !now.deleted && nowInfo.Tag != info.Tag:
			return fmt.Errorf("%w: it changed while it was being deleted; the newer version was left", errors.Join(store.ErrConflict, store.ErrUnknown))
		case now.absent():
			c.outcome = store.Deleted
			w.mu.Lock()
			w.known[c.key] = known{tag: nowInfo.Tag, object: now}
			w.mu.Unlock()
			return nil
		}
	}
}

// drop deletes an object in the state that was read. Where the storage cannot delete under a
// condition, a tombstone takes the object's place, under the condition of a put: deleting
// without one could take a newer secret away.
func (w *writing) drop(ctx context.Context, o *secretObject, tag bucket.Tag) (known, error) {
	err := w.e.Bucket.Delete(ctx, objectName(o.service, o.key), bucket.IfMatch(tag))
	if !errors.Is(err, bucket.ErrUnsupported) {
		return known{}, err
	}
	tombstone := &secretObject{
		service: o.service, key: o.key, versions: map[int]version{},
		alias: o.alias, nonce: w.e.Nonce(), deleted: true, extra: o.extra,
	}
	put, err := w.put(ctx, tombstone, tag, bucket.PutOptions{KeyAlias: w.e.Alias})
	return known{tag: put.Tag, object: tombstone}, err
}

// purge takes deleted secrets, and ghosts of secrets deleted earlier, out of every index (D3).
// Ours is put even if it never held them: see [reconciliation.force].
func (w *writing) purge(ctx context.Context, changes []*change) error {
	if ctx.Err() != nil {
		if len(w.known) == 0 && !w.behind {
			return nil
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), indexGrace)
		defer cancel()
	}
	if w.own.missing && len(w.known) == 0 && !w.behind {
		return nil
	}
	others := w.holding(changes)
	r := &reconciliation{e: w.e, v: w.v, alias: w.e.Alias, own: w.own, known: w.known, force: true}
	if err := r.run(ctx); err != nil {
		return fmt.Errorf("%w: %w", store.ErrIndexBehind, storageError(err))
	}
	for _, alias := range others {
		r := &reconciliation{e: w.e, v: w.v, alias: alias, known: w.known, force: true}
		if err := r.run(ctx); err != nil {
			return fmt.Errorf("%w: the value is still in %s/%s: %w", store.ErrIndexBehind, w.v.service, index.FileName(alias), storageError(err))
		}
	}
	return nil
}

// holding returns the aliases of the other readable indexes that hold one of the keys that
// are gone.
func (w *writing) holding(changes []*change) []string {
	var aliases []string
	for _, s := range w.v.readable() {
		if s.file == w.own.file {
			continue
		}
		for _, c := range changes {
			_, listed := w.v.objects[c.key]
			_, holds := s.idx.Entries[c.key]
			if holds && (c.outcome == store.Deleted || c.err != nil && !listed) {
				aliases = append(aliases, s.idx.Alias)
				break
			}
		}
	}
	return aliases
}
