package engine

import (
	"context"
	"errors"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// next is X3. It returns the next index: entries and marks whose tags are in the listing are kept, and all
// others are made again from the objects.
func (r *reconciliation) next(ctx context.Context) (*index.Index, error) {
	before := r.own.Index
	if before == nil || !r.sealedRight() {
		// The entries of an index under another key are not trusted.
		empty := index.New(r.alias)
		if before != nil {
			empty.Seq, empty.NoCache = before.Seq, before.NoCache
		}
		before = empty
	}
	r.before, r.movedAway = before, map[string]int{}
	next := before.Next(r.e.Nonce())
	if r.noCache != nil {
		next.NoCache = *r.noCache
	}
	var unknown []string
	for _, key := range r.v.keys() {
		tag := string(r.v.Objects[key].Tag)
		entry, verified := before.Verified(key, tag)
		switch k, ours := r.known[key]; {
		case tag != "" && r.moving[key].Tag == tag:
			if !r.keepOlder(next, key, r.moving[key].Version) {
				next.Entries[key] = r.moving[key]
			}
		case ours && k.object != nil && string(k.tag) == tag:
			r.enter(ctx, next, k.object, r.v.Objects[key])
		case ours && k.object != nil && !r.reread[key]:
			unknown = append(unknown, key) // read it even if the index vouches for it: it may have lost our version (W5)
		case verified && !r.disputed(entry, key, tag):
			next.Entries[key] = entry
			if !r.keepOlder(next, key, entry.Version) {
				r.seenElsewhere(next, key, entry.Version)
			}
		case before.Other[key] == tag && tag != "" && before.Seen[key] == 0: // with a number in Seen, its version must be compared
			next.Other[key] = tag
		case before.Gone[key] == tag && tag != "":
			next.Gone[key] = tag
		default:
			unknown = append(unknown, key)
		}
	}
	if err := r.readUnknown(ctx, next, unknown); err != nil {
		return nil, err
	}
	r.remember(next)
	return next, nil
}

// readUnknown enters the keys for which our index does not vouch into next. It reads the object of a
// key unless another index vouches for it.
func (r *reconciliation) readUnknown(ctx context.Context, next *index.Index, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	if err := r.e.readIndexes(ctx, r.v); err != nil {
		return err
	}
	var ask []string
	for _, key := range keys {
		if _, ours := r.known[key]; ours || !r.elsewhere(next, key) {
			ask = append(ask, key)
		}
	}
	objects, infos := make([]*Document, len(ask)), make([]bucket.Info, len(ask))
	err := pace.Each(ctx, objectReaders, len(ask), func(ctx context.Context, i int) error {
		var err error
		objects[i], infos[i], err = r.e.ReadDocument(ctx, r.v.Service, ask[i])
		if r.damaged && (errors.Is(err, store.ErrCorrupt) || errors.Is(err, bucket.ErrTorn)) {
			objects[i], infos[i] = nil, r.v.Objects[ask[i]]
			return nil
		}
		if !errors.Is(err, bucket.ErrDenied) {
			return err
		}
		infos[i], err = r.e.Bucket.Head(ctx, ObjectName(r.v.Service, ask[i]))
		if errors.Is(err, bucket.ErrDenied) || errors.Is(err, bucket.ErrRefused) {
			infos[i], err = r.v.Objects[ask[i]], nil // only the listing is known
		}
		return ignore(err, bucket.ErrNotFound)
	})
	if err != nil {
		return err
	}
	for i, key := range ask {
		o := objects[i]
		if k, ours := r.known[key]; ours && k.object != nil && o != nil && !o.Deleted { // W5
			r.look(key, o.overwrote(k.object, k.version))
		}
		if o != nil {
			r.enter(ctx, next, o, infos[i])
		} else {
			r.keepDenied(next, key, infos[i])
		}
	}
	return nil
}

// look records that an object which the caller has stored was read again (W5), and whether it
// was overwritten.
func (r *reconciliation) look(key string, overwritten bool) {
	if r.reread == nil {
		r.reread = map[string]bool{}
	}
	if overwritten && !r.reread[key] {
		r.overwritten = append(r.overwritten, key)
		if d, ok := r.e.Bucket.(bucket.Rechecker); ok {
			d.Recheck()
		}
	}
	r.reread[key] = true
}

// elsewhere records a mark for a key in next and returns true if exactly one other readable index
// vouches for it, or an index knows it to be a tombstone. If indexes disagree, it returns false, and the
// object must be read.
func (r *reconciliation) elsewhere(next *index.Index, key string) bool {
	tag := string(r.v.Objects[key].Tag)
	entries, gone := r.v.vouching(key, tag)
	_, verified := r.before.Verified(key, tag)
	switch {
	case verified || len(entries) > 1 || len(entries) == 1 && gone:
		return false
	case len(entries) == 1:
		for file, e := range entries {
			if file == r.own.File || r.keepOlder(next, key, e.Version) {
				return false
			}
			next.Other[key], r.movedAway[key] = tag, e.Version
		}
		return true
	case gone:
		next.Gone[key] = tag
	}
	return gone
}

// enter adds the newest version of an object to next, or a mark if the object is a tombstone or under
// another alias.
func (r *reconciliation) enter(ctx context.Context, next *index.Index, o *Document, info bucket.Info) {
	if o.Absent() {
		next.Gone[o.key] = string(info.Tag)
		next.Learn(o.key, o.Last)
		return
	}
	n := o.Newest()
	if r.keepOlder(next, o.key, n) {
		return
	}
	owner := o.Alias
	if owner == "" && r.alias != "" {
		if owner = r.e.Owner(ctx, r.v, o, info, r.own, r.putKey); owner == "" {
			// Its alias is unknown. Without a mark, the next update of the index reads it again. An entry is kept.
			if entry, ok := r.before.Entries[o.key]; ok {
				next.Entries[o.key] = entry
			}
			return
		}
	}
	if owner != r.alias && (!r.shared || index.FileName(owner) != r.own.File) {
		next.Other[o.key], r.movedAway[o.key] = string(info.Tag), n
		return
	}
	r.seenElsewhere(next, o.key, n)
	m := o.Meta(n, r.alias)
	next.Entries[o.key] = index.Entry{
		Version: n, Value: o.Versions[n].Value, Alias: owner, Tag: string(info.Tag),
		Created: m.Created, CreatedBy: m.CreatedBy, Salt: o.Versions[n].salt,
	}
}

// keepDenied handles a key whose object is deleted (info has no tag) or may not be read. An object
// under our own key keeps its entry as it was. An object under another key gets a mark.
func (r *reconciliation) keepDenied(next *index.Index, key string, info bucket.Info) {
	if info.Tag == "" {
		return
	}
	if id := info.Seal.KeyID; id != "" && id != r.own.Seal.KeyID && id != r.putKey && !r.shared {
		next.Other[key] = string(info.Tag)
		r.keepSeen(next, key)
		return
	}
	r.keepSeen(next, key)
	if entry, ok := r.before.Entries[key]; ok {
		next.Entries[key] = entry
	}
}
