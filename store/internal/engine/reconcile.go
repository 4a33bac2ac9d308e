package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/internal/waiting"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// ReconcileOptions refine [Engine.Reconcile].
type ReconcileOptions struct {
	Rebuild bool         // rebuild an index that does not parse
	Inherit *index.Index // version numbers of deleted secrets to add to the index; nil for none
	Damaged bool         // leave damaged secrets as they are in the index, instead of failing: readers read their objects
}

// Reconcile updates the index of an alias from the secret objects (X1 to X4). It lists the service
// again and replaces the listing of the view.
func (e *Engine) Reconcile(ctx context.Context, v *View, alias string, o ReconcileOptions) error {
	r := &reconciliation{e: e, v: v, alias: alias, rebuild: o.Rebuild, inherited: o.Inherit, damaged: o.Damaged}
	return r.run(ctx)
}

// reconciliation is one update of an index from the secret objects: X1 to X4 of the protocol.
// Every command that changes secrets ends with it. If several clients update an index at the same
// time, the index that wins has the changes of the others too.
type reconciliation struct {
	e     *Engine
	v     *View // the service; its listing is replaced
	alias string

	// own is the index as it was read before the caller changed any object. If it is nil, run reads it.
	own *IndexState
	// known has the states of objects that the caller has made or seen, which saves requests. If the
	// object in it is nil, it was deleted.
	known map[string]known
	// moving has the entries of secrets that a rekey will move from another alias to this one (K1).
	// They are added before the objects are moved.
	moving map[string]index.Entry
	// whole makes run check the whole index even if another client has put it meanwhile. A rekey is
	// responsible for everything that it has announced, including what was deleted since.
	whole bool
	// putKey is the key under which the storage sealed the caller's puts; "" if unknown.
	putKey string
	// force puts the index even if nothing changes in it. This is required after a delete: otherwise a
	// writer that has read the index before, and the object before it was deleted, could put the
	// deleted value back into the index.
	force bool
	// dropEmpty deletes an index that is left without entries (K5). If it stayed and its key was
	// disabled later, every reader would fail. And a delete needs no permission for the key, while a put
	// would fail if the key is fenced, as it should be for a rekey.
	dropEmpty bool
	// rebuild rebuilds an index that does not parse. It is a cache, and the objects have all of its values.
	rebuild bool
	// damaged leaves the entries of damaged objects as they are. They are for another tag, so that
	// readers read the object, and fail.
	damaged bool
	// inherited has version numbers of deleted secrets from other indexes of the service, to be added
	// to this one. handOver copies those of this index to another one before this one is deleted.
	inherited *index.Index
	handOver  func(ctx context.Context, x *index.Index) error
	// noCache is the new value of NoCache; nil keeps the old one.
	noCache *bool
	// first is set if there was no index. The first round then uses the listing that the caller
	// already has, because a new listing after the put checks the index again.
	first bool

	// shared is set for an index with entries of two aliases with the same index name. Both are kept.
	shared bool

	before      *index.Index    // the index as it was, or an empty one if it is not trusted
	made        string          // the nonce of the index if it was created, not forced
	reread      map[string]bool // keys that the caller has stored and whose objects were read again (W5)
	overwritten []string        // those of them whose objects have lost the caller's version
	movedAway   map[string]int  // the newest versions of secrets that were seen under another alias
}

// run repeats X1 to X4 until the index is right. The index must be read before the service is
// listed. Otherwise an entry that is made between the two requests looks like that of a deleted secret
// and is dropped, and the put still succeeds.
func (r *reconciliation) run(ctx context.Context) error {
	file := index.FileName(r.alias)
	deadline := r.e.Now().Add(waiting.Limit(ctx, retryTime))
	unclearPuts := 0
	for n := 0; ; n++ {
		if n > 0 {
			if err := r.e.pause(ctx, n); err != nil {
				return err
			}
		}
		if r.own == nil { // X1
			own, err := r.e.ReadIndex(ctx, r.v.Service, file)
			if err != nil {
				return err
			}
			r.own = own
		}
		if err := r.own.Writable(); err != nil && (!r.rebuild || r.own.Corrupt == nil) && (!r.shared || r.own.Index == nil) {
			return err
		}
		first := r.first && n == 0
		if first {
			r.addKnown()
		} else if err := r.e.List(ctx, r.v); err != nil { // X2
			return err
		}
		if r.v.Files[file].Tag == r.own.Tag { // otherwise it was put meanwhile
			r.v.Indexes[file] = r.own
			if n > 0 && r.committed() {
				return nil
			}
			if err := r.unique(ctx, first); err != nil {
				return err
			}
			next, err := r.next(ctx)
			if err != nil {
				return err
			}
			if r.own.Missing && !r.force {
				r.made = next.Nonce
			}
			err = r.swap(ctx, file, next)
			if made := r.own.Missing && !r.v.Indexes[file].Missing; err == nil && (first || made && len(r.moving) == 0) {
				return r.lookAgain(ctx, file)
			}
			if err == nil || !retryable(err) {
				return err
			}
			if unclear(err) {
				if unclearPuts++; unclearPuts == maxUnclear {
					return err
				}
			}
		}
		r.own = nil
		if r.e.Now().After(deadline) {
			return fmt.Errorf("%w: %s/%s keeps changing", store.ErrUnavailable, r.v.Service, file)
		}
	}
}

// lookAgain checks an index again after it was created. The condition "there is no index" is true
// again after a rekey has deleted an empty index, so that it does not prove that the listing was
// current: entries of secrets that were moved since are removed.
func (r *reconciliation) lookAgain(ctx context.Context, file string) error {
	r.own, r.force, r.first = r.v.Indexes[file], false, false
	return r.run(ctx)
}

// addKnown adds the objects that the caller has stored since the listing to the listing.
func (r *reconciliation) addKnown() {
	for key, k := range r.known {
		if k.object != nil {
			r.v.Objects[key] = bucket.Info{Name: ObjectName(r.v.Service, key), Tag: k.tag}
		}
	}
}

// swap puts the next index if it differs from the current one, on the condition that the current one
// is unchanged since it was read (X4). It deletes the index instead if it is empty and not needed.
func (r *reconciliation) swap(ctx context.Context, file string, next *index.Index) error {
	before := r.own.Index
	if before == nil {
		before = index.New(r.alias)
	}
	empty := len(next.Entries) == 0
	bare := empty && !next.Remembers()
	if bare && (r.dropEmpty || r.own.Corrupt != nil || r.made != "" && r.made == before.Nonce) {
		return r.drop(ctx, file)
	}
	if empty && r.dropEmpty && r.handOver != nil && !r.own.Missing {
		if err := r.handOver(ctx, next); err != nil {
			return err
		}
		return r.drop(ctx, file)
	}
	if !r.force && (before.Same(next) && r.sealedRight() || bare && r.own.Missing) { // an index is not created for marks alone
		return nil
	}
	if err := r.e.checkPin(ctx, r.v, r.alias); err != nil {
		return err
	}
	body, err := next.Encode()
	if err != nil {
		return err
	}
	if len(body) > index.MaxSize {
		return fmt.Errorf("%w: the index of %s would have %d bytes, more than the %d that are read: split the service", store.ErrInvalid,
			r.v.Service, len(body), index.MaxSize)
	}
	cond := bucket.IfAbsent()
	if !r.own.Missing {
		cond = bucket.IfMatch(r.own.Tag)
	}
	name := r.v.Service + "/" + file
	put, err := r.e.Bucket.Put(ctx, name, body, bucket.PutOptions{If: cond, KeyAlias: r.alias})
	if err != nil {
		return err
	}
	if err := r.e.Vouch(name, put.Seal); err != nil {
		// Its values are not encrypted as required. It is a cache, so nothing is lost.
		_ = r.e.Bucket.Delete(waiting.Beyond(ctx), name, bucket.IfMatch(put.Tag))
		return err
	}
	r.v.Indexes[file] = &IndexState{File: file, Index: next, Tag: put.Tag, Seal: put.Seal}
	return nil
}

// drop deletes the index. Without conditional delete it may delete a new entry too: no secret is
// lost, but readers need a request more until the next write.
func (r *reconciliation) drop(ctx context.Context, file string) error {
	if r.own.Missing {
		return nil
	}
	name := r.v.Service + "/" + file
	err := r.e.Bucket.Delete(ctx, name, bucket.IfMatch(r.own.Tag))
	if errors.Is(err, bucket.ErrUnsupported) {
		err = r.e.Bucket.Delete(ctx, name, bucket.If{})
	}
	if err == nil {
		delete(r.v.Indexes, file)
	}
	return err
}

// sealedRight reports whether the index is under the key that the storage uses for our alias
// now. Otherwise the alias was pointed to another key, or an attacker planted the index.
func (r *reconciliation) sealedRight() bool {
	return r.own.Missing || r.putKey == "" || r.own.Seal.KeyID == "" || r.own.Seal.KeyID == r.putKey
}

// committed reports whether the index of another writer, which was put first, has all changes of the
// caller. Then that writer's listing came after our puts, and so after those of every writer that
// ended before we began. Changes that are still missing are entered by their own writers.
func (r *reconciliation) committed() bool {
	if r.force || r.own.Index == nil || len(r.known) == 0 || r.whole || !r.sealedRight() {
		return false
	}
	for key, k := range r.known {
		if k.object == nil || r.v.Objects[key].Tag != k.tag {
			return false
		}
		if _, ok := r.own.Index.Verified(key, string(k.tag)); !ok || r.taken(r.own, key, k) {
			return false
		}
	}
	return true
}
