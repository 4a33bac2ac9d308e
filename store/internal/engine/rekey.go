package engine

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/batch"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

var _ admin.Rekeyer = (*Engine)(nil)

// Rekey implements [admin.Rekeyer]: K0 to K6 of the protocol. Every step derives its work from
// the listing, the indexes and the objects, so that a second run continues after a crash.
func (e *Engine) Rekey(ctx context.Context, service string, o admin.RekeyOptions) ([]store.Result, error) {
	if e.Plain() {
		return nil, wrap("rekey", service, "", fmt.Errorf("%w: this backend has no keys", store.ErrUnsupported))
	}
	r, err := e.beginRekey(ctx, service, o)
	if err != nil {
		return nil, wrap("rekey", service, "", err)
	}
	if !o.DryRun {
		err = r.run(ctx)
	}
	if isStopped(err) {
		return r.results, err
	}
	var first error
	for i := range r.results {
		if first == nil {
			first = r.results[i].Err
		}
	}
	return r.results, also(first, wrap("rekey", service, "", err))
}

// rekeying is one run of a rekey of one service.
type rekeying struct {
	*writing // under the new alias
	o        admin.RekeyOptions
	moves    []*move
	sources  map[string]string // the indexes from which secrets are moved: file name to alias

	announced bool // our index may have changed since it was first read
	results   []store.Result
}

// move is one secret to be moved.
type move struct {
	key   string
	from  string      // its old alias; for a rewrite the same as the new one
	entry index.Entry // for the new index, made from the object in the state of its tag

	done     bool // it was moved, or there was nothing left to move
	deleted  bool // there is no secret, or it is no longer under the alias to move from
	returned bool // moved back by another writer
	err      error
}

// rounds limits how often the move of a secret is retried when other clients write it meanwhile.
const rounds = 10

// run does K1 to K6. It replaces the planned results by those of the secrets that were moved or failed.
func (r *rekeying) run(ctx context.Context) error {
	stopped, err := r.moveAll(ctx)
	if stopped != nil {
		err = stopped
	}
	if err == nil || len(r.known) > 0 {
		if behind := r.finish(ctx); behind != nil && stopped != nil {
			noteBehind(stopped, store.ErrIndexBehind)
		} else if behind != nil {
			err = also(err, fmt.Errorf("%w: %w", store.ErrIndexBehind, StorageError(behind)))
		} else if err == nil {
			err = r.returned()
		}
	}
	r.results = nil
	for _, m := range r.moves {
		if m.err != nil || m.done && !m.deleted {
			r.results = append(r.results, r.result(m))
		}
	}
	return err
}

// moveAll does K1 and K2, and repeats them for secrets that changed in between. stopped is not nil if
// the session expired before all were moved.
func (r *rekeying) moveAll(ctx context.Context) (stopped *store.Error, err error) {
	open := slices.DeleteFunc(slices.Clone(r.moves), func(m *move) bool { return m.err != nil })
	all := r.batch(ctx, len(open))
	for n := 0; len(open) > 0 && n < rounds && all.Cause() == nil; n++ {
		if !r.o.Rewrite {
			if err := r.announce(ctx, open); err != nil { // K1
				return nil, err
			}
		}
		var mu sync.Mutex
		var again []*move
		_ = pace.Each(context.WithoutCancel(ctx), movers, len(open), func(_ context.Context, i int) error {
			m := open[i]
			m.err = all.Do(func() (err error) { m.done, err = r.moveOne(ctx, m); return err }) // K2
			switch {
			case !m.done && m.err == nil:
				mu.Lock()
				again = append(again, m)
				mu.Unlock()
			case r.o.Progress != nil && !r.e.left(all, m.err) && (m.err != nil || !m.deleted):
				r.o.Progress(r.result(m))
			}
			return nil
		})
		open = again
	}
	if all.Cause() != nil {
		return r.stopMoves(all, open), nil
	}
	for _, m := range open {
		m.err = fmt.Errorf("%w: it keeps changing", store.ErrUnavailable)
	}
	return nil, nil
}

// stopMoves is like stop, but for moves. Moves in open, which were to be retried, are left too.
func (r *rekeying) stopMoves(all *batch.Batch, open []*move) *store.Error {
	for _, m := range open {
		m.err = batch.ErrLeft
	}
	var left []*move
	for _, m := range r.moves {
		if r.e.left(all, m.err) {
			left = append(left, m)
		}
	}
	stopped := all.Stop("rekey", r.v.Service, len(left), StorageError(all.Cause()))
	for _, m := range left {
		m.err = stopped
	}
	return stopped
}

// announce does K1: it adds the values to the new index before the objects are moved, so that each
// secret is in an index at all times.
func (r *rekeying) announce(ctx context.Context, open []*move) error {
	moving := make(map[string]index.Entry, len(open))
	for _, m := range open {
		moving[m.key] = m.entry
	}
	b := r.reconciliation()
	b.moving = moving
	return b.run(ctx)
}

// reconciliation returns a reconciliation of the new index. Only the first one can use the index as it
// was read by begin.
func (r *rekeying) reconciliation() *reconciliation {
	b := &reconciliation{e: r.e, v: r.v, alias: r.e.Alias, own: r.own, known: r.known, putKey: r.putKey, whole: true}
	if r.o.Rewrite && b.putKey == "" { // an earlier run has put all secrets: the index may still be under the old key
		b.putKey = r.keyID()
	}
	if r.announced {
		b.own = nil
	}
	r.announced = true
	return b
}

// moveOne does K2 for one secret: it puts the object again under the new alias, on the condition that
// it is in the state that was announced. If it is not, moveOne returns false, and m.entry is
// the new entry to announce.
func (r *rekeying) moveOne(ctx context.Context, m *move) (done bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, context.Cause(ctx)
	}
	o, info, err := r.e.ReadDocument(ctx, r.v.Service, m.key)
	m.deleted = err == nil && o.Absent()
	switch {
	case err != nil:
		return false, err
	case m.deleted:
		return r.reseal(ctx, o, info)
	case o.Alias == r.e.Alias && !r.o.Rewrite:
		r.note(m.key, o, info.Tag)
		return true, nil // another run has moved it, or the answer to our put was lost
	case cmp.Or(o.Alias, r.e.Owner(ctx, r.v, o, info, r.own, "")) != m.from:
		m.deleted = true
		return true, nil
	case string(info.Tag) != m.entry.Tag && !r.o.Rewrite:
		m.entry = r.entryOf(o, info)
		return false, r.e.checkRollback(r.v.Service, m.key, o.Newest(), r.v.Readable())
	}
	next := *o
	r.e.prepare(&next)
	tags, err := r.tags(ctx, m.key, info)
	if err != nil {
		return false, err
	}
	put, err := r.put(ctx, &next, info.Tag, bucket.PutOptions{KeyAlias: r.e.Alias, Tags: tags})
	if retryable(err) {
		return false, r.e.pause(ctx, 0) // the next round reads the object again
	}
	if err != nil {
		return false, err
	}
	if err := r.checkPut(ctx, &next, put, o); err != nil {
		return false, err
	}
	r.note(m.key, &next, put.Tag)
	return true, nil
}

// reseal puts the tombstone of a deleted secret again, in a rewrite. It has no value, but as long as one is under the
// earlier key, that key opens something. A create that comes between wins: the condition fails.
func (r *rekeying) reseal(ctx context.Context, o *Document, info bucket.Info) (done bool, err error) {
	if !r.o.Rewrite || o == nil || !o.Deleted || o.Alias != r.e.Alias {
		return true, nil
	}
	next := *o
	next.nonce = r.e.Nonce()
	put, err := r.put(ctx, &next, info.Tag, bucket.PutOptions{KeyAlias: r.e.Alias})
	if retryable(err) {
		return false, r.e.pause(ctx, 0)
	}
	if err == nil {
		err = r.checkSeal(ctx, ObjectName(o.service, o.key), put.Seal)
	}
	return err == nil, err
}

func (r *rekeying) note(key string, o *Document, tag bucket.Tag) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known[key] = known{tag: tag, object: o, version: o.Newest()}
}

// finish does K3 to K5: it updates the new index, then the old ones.
func (r *rekeying) finish(ctx context.Context) error {
	ctx, cancel := outlive(ctx, indexGrace)
	defer cancel()
	if err := r.reconciliation().run(ctx); err != nil { // K3
		return err
	}
	if r.o.Rewrite {
		return nil
	}
	return r.clearSources(ctx)
}

// handOver adds to our index the version numbers of an old one that is about to be deleted. It also adds
// its NoCache: what the owner has forbidden is not allowed by a new key.
func (r *rekeying) handOver(ctx context.Context, old *index.Index) error {
	if s := r.v.Indexes[r.own.File]; s != nil && s.Index != nil && s.Index.Covers(old) && (s.Index.NoCache || !old.NoCache) {
		return nil
	}
	b := r.reconciliation()
	b.inherited = old
	if old.NoCache {
		b.noCache = &old.NoCache
	}
	return b.run(ctx)
}

// clearSources does K4, K5 and the listing of K6: an index that is still listed, or listed again, is
// cleared again.
func (r *rekeying) clearSources(ctx context.Context) error {
	left, stillListed := r.sourceAliases(), ""
	for n := 0; len(left) > 0 && n < deletions; n++ {
		dropped := map[string]bucket.Tag{}
		for _, alias := range left {
			file := index.FileName(alias)
			a := &reconciliation{e: r.e, v: r.v, alias: alias, known: r.known, force: r.sources[file] != "" && n == 0, dropEmpty: true, handOver: r.handOver}
			if s := r.v.Indexes[file]; s != nil && s.Index != nil {
				_, a.shared = s.Index.Foreign()
			}
			if err := a.run(ctx); err != nil {
				return err
			}
			if r.v.Indexes[file] == nil {
				dropped[file] = a.own.Tag
			}
		}
		if len(r.moves) == 0 && len(dropped) == 0 {
			return nil
		}
		if err := r.e.List(ctx, r.v); err != nil {
			return err
		}
		stillListed = ""
		left = slices.DeleteFunc(left, func(alias string) bool {
			file, tag := index.FileName(alias), bucket.Tag("")
			if s := r.v.Indexes[file]; s != nil {
				tag = s.Tag
			}
			listed := r.v.Files[file].Tag
			if listed != "" && listed == dropped[file] {
				stillListed = file
			}
			return listed == tag
		})
	}
	if stillListed != "" {
		return fmt.Errorf("%w: the storage reported that %s/%s was deleted, but still lists it", store.ErrUnavailable, r.v.Service, stillListed)
	}
	return nil
}

// sourceAliases returns the aliases from whose indexes the moved secrets must be removed: those of the
// secrets, and those whose indexes may still have secrets of an earlier run that crashed. An index that
// does not exist is included, because a writer may be about to put it. An index that two
// aliases share now belongs to the alias whose secrets stay.
func (r *rekeying) sourceAliases() []string {
	files := maps.Clone(r.sources)
	for _, s := range r.v.Readable() {
		files[s.File] = s.Index.Alias
		if other, foreign := s.Index.Foreign(); foreign && s.Index.Alias == r.o.From && index.FileName(other) == s.File {
			files[s.File] = other
		}
	}
	from := index.FileName(r.o.From)
	maps.DeleteFunc(files, func(file, alias string) bool { return alias == r.e.Alias || r.o.From != "" && file != from })
	return slices.Sorted(maps.Values(files))
}

// returned does K6. It returns an error if an old index has secrets again: those that were moved were
// moved back by another writer, and those not in the plan were written during the rekey.
func (r *rekeying) returned() error {
	if r.o.Rewrite {
		return nil
	}
	planned := make(map[string]*move, len(r.moves))
	for _, m := range r.moves {
		planned[m.key] = m
	}
	var back, more []string
	for _, alias := range r.sourceAliases() {
		s := r.v.Indexes[index.FileName(alias)]
		if s == nil || s.Index == nil {
			continue
		}
		for _, key := range slices.Sorted(maps.Keys(s.Index.Entries)) {
			if m := planned[key]; m == nil && r.o.From != "" && s.AliasOf(key) != r.o.From {
				continue // it is of the other alias of this index, and stays
			} else if m == nil {
				more = append(more, key)
			} else if m.done {
				m.deleted, m.returned = false, true
				back = append(back, key)
			}
		}
	}
	var moved, written error
	if len(back) > 0 {
		moved = fmt.Errorf("%w: moved back by another writer: %s", store.ErrConflict, strings.Join(back, ", "))
	}
	if len(more) > 0 {
		written = fmt.Errorf("%w: written under the old alias in the meantime: %s; run the command again", store.ErrConflict, strings.Join(more, ", "))
	}
	return also(moved, written)
}
