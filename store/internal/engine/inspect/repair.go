package inspect

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sort"
	"sync"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/engine"
)

// Repair implements [admin.Inspector]. It collects tombstones, then updates each index that differs
// from its objects, then deletes the unneeded indexes. Every step is one conditional request derived
// from the current state, so that Repair can be run again after it was killed.
func (i *Inspector) Repair(ctx context.Context, service string) ([]admin.Finding, error) {
	in, err := inspect(ctx, i.e, service)
	if err != nil {
		return nil, engine.Fail("repair", store.ID{Service: service}, err)
	}
	m := &repair{in: in, done: map[*fault]bool{}}
	m.tombstones(ctx)
	m.indexes(ctx)
	m.deleteUnneeded(ctx)
	var mended []admin.Finding
	for _, f := range in.faults {
		if m.done[f] {
			mended = append(mended, f.Finding)
		}
	}
	return mended, engine.Fail("repair", store.ID{Service: service}, m.err)
}

// repair is one run of Repair. A failure does not stop the other repairs.
type repair struct {
	in *inspection

	mu   sync.Mutex
	done map[*fault]bool
	err  error // the first failure
}

// note records whether a fault was repaired. A fault with several repairs is repaired if all succeed.
func (m *repair) note(f *fault, done bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before, twice := m.done[f]
	m.done[f] = done && err == nil && (before || !twice)
	if m.err == nil {
		m.err = err
	}
}

func (m *repair) tombstones(ctx context.Context) {
	faults := slices.DeleteFunc(slices.Clone(m.in.faults), func(f *fault) bool { return f.tombstone == nil })
	for _, f := range faults {
		if err := m.in.keepNumber(ctx, f.tombstone); err != nil {
			m.note(f, false, err)
			faults = slices.DeleteFunc(slices.Clone(faults), func(g *fault) bool { return g == f })
		}
	}
	_ = pace.Each(ctx, engine.Readers, len(faults), func(ctx context.Context, i int) error {
		done, err := m.in.collect(ctx, faults[i].tombstone.key)
		m.note(faults[i], done, err)
		return nil
	})
}

// keepNumber records the version number of a tombstone in an index before the tombstone is deleted.
func (in *inspection) keepNumber(ctx context.Context, s *seenSecret) error {
	if s.object == nil {
		return nil // an index has a mark for the tombstone, and its number
	}
	for _, x := range in.v.Readable() {
		if x.Index.Highest(s.key) >= s.object.Last {
			return nil
		}
	}
	return in.e.Reconcile(ctx, in.v, cmp.Or(s.object.Alias, in.e.Alias), engine.ReconcileOptions{})
}

// collect deletes a tombstone. It never deletes an object that was written in its place meanwhile: if
// the storage has no conditional delete, the tombstone stays, unless SingleWriter is set.
func (in *inspection) collect(ctx context.Context, key string) (done bool, err error) {
	name := engine.ObjectName(in.v.Service, key)
	old := func() (tag bucket.Tag, gone bool, err error) {
		o, info, err := in.e.ReadDocument(ctx, in.v.Service, key)
		if err != nil || o == nil {
			return "", err == nil, err
		}
		if !o.Deleted || in.e.Now().Sub(info.Modified) < tombstoneAge {
			return "", false, nil // it was written again, and perhaps deleted again
		}
		return info.Tag, false, nil
	}
	tag, gone, err := old()
	if tag == "" || err != nil {
		return gone, err
	}
	err = in.e.Bucket.Delete(ctx, name, bucket.IfMatch(tag))
	if errors.Is(err, bucket.ErrUnsupported) && in.e.SingleWriter {
		var now bucket.Tag
		if now, gone, err = old(); now != tag || err != nil {
			return gone, err
		}
		err = in.e.Bucket.Delete(ctx, name, bucket.If{})
	}
	switch {
	case err == nil, errors.Is(err, bucket.ErrNotFound):
		return true, nil
	case errors.Is(err, bucket.ErrChanged), errors.Is(err, bucket.ErrUnsupported):
		return false, nil
	}
	return false, err
}

// indexes updates the indexes of all faults, in the order of their aliases.
func (m *repair) indexes(ctx context.Context) {
	faults := map[*target][]*fault{}
	var targets []*target
	for _, f := range m.in.faults {
		for _, t := range []*target{f.index, f.inheritor} {
			if t == nil {
				continue
			}
			if faults[t] == nil {
				targets = append(targets, t)
			}
			faults[t] = append(faults[t], f)
		}
	}
	sort.Slice(targets, func(i, j int) bool { return targets[i].alias < targets[j].alias })
	for _, t := range targets {
		// Not forced. A delete has either put the index already as its fence, or left its entry in it, and
		// removing that entry puts the index. A forced put could create an empty index that a
		// rekey has just deleted.
		err := m.in.e.Reconcile(ctx, m.in.v, t.alias, engine.ReconcileOptions{Rebuild: t.rebuild, Damaged: true})
		for _, f := range faults[t] {
			m.note(f, true, err)
		}
	}
}

func (m *repair) deleteUnneeded(ctx context.Context) {
	for _, f := range m.in.faults {
		if f.unneeded != nil {
			done, err := false, m.in.handOver(ctx, f.unneeded)
			if err == nil {
				done, err = m.in.deleteUnneeded(ctx, f.unneeded)
			}
			m.note(f, done, err)
		}
	}
}

// inheritor returns the index that must get the version numbers of an unneeded one: our own, or else
// the first one with entries. It returns nil if there is none.
func (in *inspection) inheritor(of *seenIndex) *engine.IndexState {
	var first *engine.IndexState
	for _, s := range in.v.Readable() {
		switch {
		case s.File == of.File || s.Writable() != nil:
		case s.File == index.FileName(in.e.Alias):
			return s
		case first == nil && len(s.Index.Entries) > 0:
			first = s
		}
	}
	return first
}

// handOver copies the version numbers of an unneeded index to another one.
func (in *inspection) handOver(ctx context.Context, s *seenIndex) error {
	if s.Index == nil || !s.Index.Remembers() {
		return nil
	}
	heir := in.inheritor(s)
	if heir == nil {
		return nil // checkUnneededIndex does not select such an index for deletion
	}
	all := index.New(heir.Index.Alias)
	all.Inherit(s.Index, nil)
	if heir.Index.Covers(all) {
		return nil
	}
	return in.e.Reconcile(ctx, in.v, heir.Index.Alias, engine.ReconcileOptions{Inherit: all})
}

// deleteUnneeded deletes an index in the state in which it was read (K5). Without conditional delete it
// may delete a new entry too: no secret is lost, but readers need a request more until the next write.
func (in *inspection) deleteUnneeded(ctx context.Context, s *seenIndex) (done bool, err error) {
	name, tag := in.v.Service+"/"+s.File, cmp.Or(s.Tag, s.info.Tag)
	err = in.e.Bucket.Delete(ctx, name, bucket.IfMatch(tag))
	if errors.Is(err, bucket.ErrUnsupported) {
		var now bucket.Info
		if now, err = in.e.Bucket.Head(ctx, name); err == nil && now.Tag != tag {
			return false, nil
		}
		if err == nil {
			err = in.e.Bucket.Delete(ctx, name, bucket.If{})
		}
	}
	switch {
	case err == nil, errors.Is(err, bucket.ErrNotFound):
		return true, nil
	case errors.Is(err, bucket.ErrChanged):
		return false, nil
	}
	return false, err
}
