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

// This file handles version numbers that are in an index but in no object (protocol.md section 17):
// the versions that secrets had before. No ordinary step loses them. An object with a lower version
// than it once had is evidence of a rollback, and the number of a deleted version is never given again.

// notify gives a notice about a service, each text once for a command.
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

// checkRollback returns a [*store.RollbackError] if an index has seen a higher version of a secret
// than its newest one (R5).
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

// vouching returns the entries of readable indexes that vouch for an object, by file name, and
// whether an index knows the object to be a tombstone. It omits moving entries, which a
// rekey makes before it moves the object.
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

// disputed reports whether another index that was read disagrees about an object for which
// ours vouches. It is no dispute if our entry is a moving one with the same version and value.
func (r *reconciliation) disputed(mine index.Entry, key, tag string) bool {
	entries, gone := r.v.vouching(key, tag)
	delete(entries, r.own.File)
	for _, e := range entries {
		gone = gone || !mine.Moving || !mine.Says(e)
	}
	return gone
}

// keepOlder keeps the evidence that a secret had a higher version than it has now. Without it,
// readers would accept the older value. It reports whether next has the entry of the secret now.
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
	next.Seen[key] = x.Newest(key) // of an entry that can't be kept, keep the version number
	return false
}

func (r *reconciliation) notifyOlder(key string, newest, seen int) {
	r.e.notify(r.v, "%s/%s is at version %d, but version %d was written: an older state was restored. Reads of %s fail until you decide: run "+
		"coffer restore %s %s --version %d, or coffer doctor --fix --allow-rollback %s",
		r.v.Service, key, newest, seen, r.v.Service, r.v.Service, key, newest, r.v.Service)
}

// seenElsewhere copies the highest version that another index knows of a secret to ours, when the secret
// is entered in ours at a lower version: an older state was put back. If our index did not keep that
// number, the next version of the secret would get the number of the one that is lost.
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

// keepSeen keeps the highest version of a secret whose object was not read.
func (r *reconciliation) keepSeen(next *index.Index, key string) {
	if x := r.own.Index; x != nil && x.Newest(key) > next.Entries[key].Version {
		next.Seen[key] = x.Newest(key)
	}
}

// remember records in the next index every version number that the current one knows, above all of
// entries that it loses, and the numbers of what the caller has deleted.
func (r *reconciliation) remember(next *index.Index) {
	if r.v.Service == store.Scratch {
		next.Last = map[string]int{} // its keys are random and never used again
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

// keepNumber records a version number that a secret had, unless its new entry, or its object under
// another alias, has a higher one.
func (r *reconciliation) keepNumber(next *index.Index, key string, n int) {
	if next.Entries[key].Version <= n && r.movedAway[key] < n && next.Seen[key] < n {
		next.Learn(key, n)
	}
}

// takenError reports new secrets with version numbers that deleted secrets had before.
type takenError struct{ above map[string]int } // by key, the highest number known

func (e *takenError) Error() string { return "a version number was taken" }

// unique returns a [*takenError] if a new secret has a version number that a deleted secret had before (W6).
// The condition of a put can't prevent that: "there is no object" is true again after another
// client has created and deleted one. But a delete records the number in the index before it deletes the
// object (D1a), so that an index which is read after the put has the number.
func (r *reconciliation) unique(ctx context.Context, first bool) error {
	made := maps.Clone(r.known)
	maps.DeleteFunc(made, func(key string, k known) bool { return !k.created || r.v.Objects[key].Tag != k.tag })
	if len(made) == 0 || first { // a new index is checked again: see lookAgain
		return nil
	}
	for file, s := range r.v.Indexes {
		if s.Index != nil && file != r.own.File && r.v.Files[file].Tag != s.Tag {
			delete(r.v.Indexes, file) // it has changed since it was read
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

// taken reports whether an index knows the version number of a new secret from another write.
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

// renumber stores a version that was just created with a taken number again, under the next free
// number (W6). The first number was not reported to the caller yet.
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
			return fmt.Errorf("%w, %w: it was deleted or written again during this write; read it before you write again",
				store.ErrConflict, store.ErrUnknown)
		}
	}
}

// renumberAll renumbers all secrets of a [*takenError].
func (w *writing) renumberAll(ctx context.Context, taken *takenError) error {
	for _, key := range slices.Sorted(maps.Keys(taken.above)) {
		if err := w.renumber(ctx, key, taken.above[key]); err != nil {
			return err
		}
	}
	return nil
}

// vouches reports whether an index has an entry that was made from the object in state tag.
func vouches(s *IndexState, key string, tag bucket.Tag) bool {
	if s.Index == nil {
		return false
	}
	_, ok := s.Index.Verified(key, string(tag))
	return ok
}

// notifyRollback gives a notice if a secret that was just changed had been put back to an older state
// before. o is the state before the change, and then is the end of the sentence.
func (w *writing) notifyRollback(o *Document, key, then string) {
	seen := 0
	for _, s := range w.v.Readable() {
		seen = max(seen, s.Index.Newest(key))
	}
	if n := o.Newest(); !o.Absent() && seen > n && !w.e.AllowRollback {
		w.e.notify(w.v, "%s/%s was at version %d, although version %d had been written: an older state had been restored%s", w.v.Service, key, n, seen, then)
	}
}

// highest returns the highest version that a secret had, as far as its object and the readable indexes
// know.
func (w *writing) highest(o *Document) int {
	n := o.highest()
	for _, s := range w.v.Readable() {
		n = max(n, s.Index.Known(o.key))
	}
	return n
}
