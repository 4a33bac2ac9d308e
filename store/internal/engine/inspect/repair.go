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

// Repair implements [admin.Inspector]: tombstones first, then each index that is not what its
// objects say, then the indexes that nothing needs. Every step is one conditional request, and
// is derived from what is there: a run that was killed is run again.
func (i *Inspector) Repair(ctx context.Context, service string) ([]admin.Finding, error) {
	in, err := inspect(ctx, i.e, service)
	if err != nil {
		return nil, engine.Fail("mend", store.ID{Service: service}, err)
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
	return mended, engine.Fail("mend", store.ID{Service: service}, m.err)
}

// repair is one run of it. One failure does not end the others.
type repair struct {
	in *inspection

	mu   sync.Mutex
	done map[*fault]bool
	err  error // the first failure
}

// note records whether a fault was repaired.
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

// keepNumber records the version number of a tombstone in an index, before the tombstone is deleted.
func (in *inspection) keepNumber(ctx context.Context, s *seenSecret) error {
	if s.object == nil {
		return nil // an index knows it to be a tombstone, and has its number
	}
	for _, x := range in.v.Readable() {
		if x.Index.Highest(s.key) >= s.object.Last {
			return nil
		}
	}
	return in.e.Reconcile(ctx, in.v, cmp.Or(s.object.Alias, in.e.Alias), engine.ReconcileOptions{})
}

// collect deletes a tombstone. What was written in its place meanwhile is never deleted: where
// the storage cannot delete under a condition the tombstone stays, unless the caller has said
// that nobody else writes.
func (in *inspection) collect(ctx context.Context, key string) (done bool, err error) {
	name := engine.ObjectName(in.v.Service, key)
	old := func() (tag bucket.Tag, gone bool, err error) {
		o, info, err := in.e.ReadDocument(ctx, in.v.Service, key)
		if err != nil || o == nil {
			return "", err == nil, err
		}
		if !o.Deleted || in.e.Now().Sub(info.Modified) < tombstoneAge {
			return "", false, nil // it was written anew, and perhaps deleted again
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

// indexes brings each index up to date that a fault names, in the order of their aliases.
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
		// Not forced: what a delete must fence it has fenced, or the ghost of it is there and goes
		// with a put. Forced, an index that a rekey has just deleted would come back, empty.
		err := m.in.e.Reconcile(ctx, m.in.v, t.alias, engine.ReconcileOptions{Rebuild: t.rebuild})
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

// inheritor returns the index that has to take over the version numbers of an unneeded one: our own,
// else the first that has secrets; nil: there is none.
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
		return nil // checkUnneededIndex keeps it then
	}
	all := index.New(heir.Index.Alias)
	all.Inherit(s.Index, nil)
	if heir.Index.Covers(all) {
		return nil
	}
	return in.e.Reconcile(ctx, in.v, heir.Index.Alias, engine.ReconcileOptions{Inherit: all})
}

// deleteUnneeded deletes an index in the state in which it was seen (K5). Where a delete has no
// condition it may take a new entry along: that costs readers a request until the next write,
// and no secret.
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
