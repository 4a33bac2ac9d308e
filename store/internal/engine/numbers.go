package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// What an index knows and no object says: the versions that secrets have had. No ordinary step
// makes that less. An object with a lower version than it once had is evidence of a rollback,
// and a number that a deleted version had is never given again.

// notify says something of a service once in a command.
func (e *Engine) notify(v *View, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.notified == nil {
		v.notified = map[string]bool{}
	}
	if !v.notified[text] {
		v.notified[text] = true
		e.Notice(text)
	}
}

// checkRollback holds the newest version of a secret against those that the indexes have seen (R5).
func (e *Engine) checkRollback(service, key string, newest int, states []*IndexState) error {
	if e.AllowRollback {
		return nil
	}
	for _, s := range states {
		if n := s.Index.Newest(key); n > newest {
			return &store.RollbackError{Object: ObjectName(service, key), Have: newest, Newest: n}
		}
	}
	return nil
}

// vouching returns the entries of readable indexes that vouch for an object, by file, without
// those that a rekey has made ahead, and whether an index knows the object to be a tombstone.
func (v *View) vouching(key, tag string) (entries map[string]index.Entry, gone bool) {
	entries = map[string]index.Entry{}
	for _, s := range v.Readable() {
		if e, ok := s.Index.Verified(key, tag); ok && !e.Moving {
			entries[s.File] = e
		}
		gone = gone || tag != "" && s.Index.Gone[key] == tag
	}
	return entries, gone
}

// disputed reports whether another index that was read says something else of an object for which
// ours vouches. A rekey has made entries ahead that say the same.
func (r *reconciliation) disputed(mine index.Entry, key, tag string) bool {
	entries, gone := r.v.vouching(key, tag)
	delete(entries, r.own.File)
	for _, e := range entries {
		gone = gone || !mine.Moving || !mine.Says(e)
	}
	return gone
}

// keepOlder keeps the evidence that a secret had a higher version than it has now: an index that
// forgot it would let readers take the older value. It reports whether the entry is done.
func (r *reconciliation) keepOlder(next *index.Index, key string, newest int) bool {
	x := r.own.Index
	if x == nil || r.e.AllowRollback || x.Newest(key) <= newest {
		return false
	}
	r.notifyOlder(key, newest, x.Newest(key))
	if e := x.Entries[key]; r.before == x && e.Tag != "" && e.Version > newest {
		next.Entries[key] = e
		r.keepSeen(next, key)
		return true
	}
	next.Seen[key] = x.Newest(key) // of an index that vouches for nothing the number alone
	return false
}

func (r *reconciliation) notifyOlder(key string, newest, seen int) {
	r.e.notify(r.v, "%s/%s is at version %d, but version %d was written: an older state was put back. Reading %s fails until you decide: run "+
		"coffer restore %s %s --version %d, or coffer doctor --fix --allow-rollback %s",
		r.v.Service, key, newest, seen, r.v.Service, r.v.Service, key, newest, r.v.Service)
}

// seenElsewhere takes over what another index alone knows of a secret that is entered in ours: it had
// a higher version, under that alias, and an older state was put back. Did ours vouch for it as if
// nothing had been, its next version would get the number of the one that is lost.
func (r *reconciliation) seenElsewhere(next *index.Index, key string, newest int) {
	seen := 0
	for _, s := range r.v.Readable() {
		if s.File != r.own.File && s.Index.Known(key) > newest {
			next.Learn(key, s.Index.Known(key))
			seen = max(seen, s.Index.Newest(key))
		}
	}
	if seen > newest && !r.e.AllowRollback {
		next.Seen[key] = max(seen, next.Seen[key])
		r.notifyOlder(key, newest, seen)
	}
}

// keepSeen keeps the number of a secret whose object was not read.
func (r *reconciliation) keepSeen(next *index.Index, key string) {
	if x := r.own.Index; x != nil && x.Newest(key) > next.Entries[key].Version {
		next.Seen[key] = x.Newest(key)
	}
}

// remember has the next index know every number that this one does, of entries that it loses
// above all, and those of what the caller has deleted.
func (r *reconciliation) remember(next *index.Index) {
	if r.v.Service == store.Scratch {
		next.Last = map[string]int{} // its keys are random
		return
	}
	if x := r.own.Index; x != nil {
		next.Floor = x.Floor
		for key, n := range x.Last {
			next.Learn(key, n)
		}
		for key, e := range x.Entries {
			if !next.Entries[key].Says(e) {
				r.keepNumber(next, key, e.Version)
			}
		}
		for key, n := range x.Seen {
			r.keepNumber(next, key, n)
		}
	}
	for key, k := range r.known {
		if k.object.Absent() {
			next.Learn(key, k.version)
		}
	}
	if r.inherited != nil {
		next.Inherit(r.inherited, r.v.tags())
	}
	maps.DeleteFunc(next.Last, func(key string, n int) bool { return next.Entries[key].Version > n || r.movedAway[key] >= n })
	next.Fold()
}

// keepNumber notes a number that an entry had, unless a newer entry or an object elsewhere has more.
func (r *reconciliation) keepNumber(next *index.Index, key string, n int) {
	if next.Entries[key].Version <= n && r.movedAway[key] < n && next.Seen[key] < n {
		next.Learn(key, n)
	}
}

// takenError tells of secrets that were made under numbers which deleted ones had had.
type takenError struct{ above map[string]int } // the highest number known of each

func (e *takenError) Error() string { return "a version number was taken" }

// unique looks whether the numbers of new secrets are theirs alone. "There is no object" is true
// again after another one was made and deleted, so that a put in its place does not tell. But
// who deletes has the number in the index first: what was read before the put says less than
// what stands there after it.
func (r *reconciliation) unique(ctx context.Context, first bool) error {
	made := maps.Clone(r.known)
	maps.DeleteFunc(made, func(key string, k known) bool { return !k.created || r.v.Objects[key].Tag != k.tag })
	if len(made) == 0 || first { // an index that is made is looked at again
		return nil
	}
	for file, s := range r.v.Indexes {
		if s.Index != nil && file != r.own.File && r.v.Files[file].Tag != s.Tag {
			delete(r.v.Indexes, file) // it was put since
		}
	}
	if err := r.e.readIndexes(ctx, r.v); err != nil {
		return err
	}
	above := map[string]int{}
	for key, k := range made {
		for _, s := range r.v.Readable() {
			if r.taken(s, key, k) {
				above[key] = max(above[key], s.Index.Highest(key), s.Index.Floor)
			}
		}
	}
	if len(above) > 0 {
		return &takenError{above}
	}
	return nil
}

// taken reports whether an index knows the number of a new secret from another write.
func (r *reconciliation) taken(s *IndexState, key string, k known) bool {
	if !k.created {
		return false
	}
	n := max(s.Index.Last[key], s.Index.Seen[key], s.Index.Floor)
	if e := s.Index.Entries[key]; e.Tag != string(k.tag) {
		n = max(n, e.Version)
	}
	return n >= k.version
}

// renumber gives what was just made under a number that is not its own the next free one. Nobody
// was told the first.
func (w *writing) renumber(ctx context.Context, key string, above int) error {
	k := w.known[key]
	v := k.object.Versions[k.version]
	base := *k.object
	base.Versions = maps.Clone(base.Versions)
	delete(base.Versions, k.version)
	next := base.add(above+1, v)
	for n := 0; ; n++ {
		next.nonce = w.e.Nonce()
		head, err := w.e.Bucket.Head(ctx, ObjectName(w.v.Service, key))
		if err != nil && !errors.Is(err, bucket.ErrNotFound) {
			return err
		}
		tags, err := w.tags(ctx, key, head)
		if err != nil {
			return err
		}
		put, failed := w.put(ctx, next, k.tag, bucket.PutOptions{KeyAlias: w.e.Alias, Tags: tags})
		if failed == nil {
			w.known[key] = known{tag: put.Tag, object: next, version: above + 1, created: true}
			return w.checkPut(ctx, next, put, next)
		}
		o, info, err := w.afterwards(ctx, n, key, failed)
		if err != nil {
			return err
		}
		if number, ok := o.has(v, k.version); ok {
			w.known[key] = known{tag: info.Tag, object: o, version: number, created: true}
			return nil
		}
		if info.Tag != k.tag || n == deletions {
			return fmt.Errorf("%w, %w: it was deleted or written again while it was being written; look before you write again",
				store.ErrConflict, store.ErrUnknown)
		}
	}
}

// renumberAll does so for all that a reconciliation has found.
func (w *writing) renumberAll(ctx context.Context, taken *takenError) error {
	for _, key := range slices.Sorted(maps.Keys(taken.above)) {
		if err := w.renumber(ctx, key, taken.above[key]); err != nil {
			return err
		}
	}
	return nil
}

// vouches reports whether an index vouches for an object in this state.
func vouches(s *IndexState, key string, tag bucket.Tag) bool {
	if s.Index == nil {
		return false
	}
	_, ok := s.Index.Verified(key, string(tag))
	return ok
}

// notifyRollback says of a secret that was changed in this state that it had been put back before.
func (w *writing) notifyRollback(o *Document, key, then string) {
	seen := 0
	for _, s := range w.v.Readable() {
		seen = max(seen, s.Index.Newest(key))
	}
	if n := o.Newest(); !o.Absent() && seen > n && !w.e.AllowRollback {
		w.e.notify(w.v, "%s/%s was at version %d, though version %d had been written: an older state had been put back%s", w.v.Service, key, n, seen, then)
	}
}

// highest returns the highest version that a secret is known to have had.
func (w *writing) highest(o *Document) int {
	n := o.highest()
	for _, s := range w.v.Readable() {
		n = max(n, s.Index.Known(o.key))
	}
	return n
}
