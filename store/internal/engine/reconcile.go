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
	Rebuild bool         // make an index anew that does not parse
	Inherit *index.Index // what the index is to know of deleted secrets beside its own; nil: nothing
}

// Reconcile brings the index of an alias up to date with the secret objects (X1 to X4). It renews
// the listing of the view.
func (e *Engine) Reconcile(ctx context.Context, v *View, alias string, o ReconcileOptions) error {
	r := &reconciliation{e: e, v: v, alias: alias, rebuild: o.Rebuild, inherited: o.Inherit}
	return r.run(ctx)
}

// reconciliation makes one index say what the secret objects say: X1 to X4 of the protocol.
// Every command that changes secrets ends with it, and whoever wins a race takes the
// others' changes along.
type reconciliation struct {
	e     *Engine
	v     *View // the service; its listing is renewed
	alias string

	// own is the index as it was read before the caller changed any object; nil: read it.
	own *IndexState
	// known spares requests for objects in a state that the caller has made or seen. A known
	// object of nil was deleted.
	known map[string]known
	// moving holds entries of secrets that are still under another alias and will be under
	// this one (K1): they stand here before their objects do.
	moving map[string]index.Entry
	// whole makes the index right whoever has won the race for it: a rekey answers for all that
	// it has announced in it, also for what was deleted since.
	whole bool
	// putKey is the key under which the storage sealed what the caller has put, if anything.
	putKey string
	// force puts the index even if nothing is to be changed in it. Who has removed an object
	// must: a writer who read the index before, and the object before it was deleted, would
	// else put the deleted value back.
	force bool
	// dropEmpty deletes an index that is left without entries (K5). One that stayed behind
	// under a key that is disabled later would stop every reader; and who may no longer seal
	// with the key, which is the fence that a rekey wants, could not put it.
	dropEmpty bool
	// rebuild makes an index anew that does not parse. It is a cache, and the objects have all of it.
	rebuild bool
	// inherited is what other indexes of the service know of deleted secrets, and this one is to
	// know. Before this one is deleted, handOver copies what it knows to another one.
	inherited *index.Index
	handOver  func(ctx context.Context, x *index.Index) error
	// first makes an index where there was none: the listing that the caller has already serves
	// for the first round, since the one that follows the put holds it against what is there then.
	first bool

	// shared is for an index in which two aliases have met: the entries of both stay.
	shared bool

	before      *index.Index    // what of the index as it was can be relied on
	made        string          // the nonce of the index that was put where there was none, unless forced
	reread      map[string]bool // keys that the caller has stored, and whose object was read since (W5)
	overwritten []string        // those of them whose object lacks it again
	movedAway   map[string]int  // the newest versions of secrets that were seen under another alias
}

// run repeats X1 to X4 until the index is right. The order of its steps matters: with the
// listing before the index, an entry that is made between the two looks like a ghost and
// is dropped, and the put still succeeds.
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
		if r.v.Files[file].Tag == r.own.Tag { // else it was put meanwhile
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

// lookAgain follows the making of an index where there was none. "There is none" is true again
// after a rekey has deleted the index that it left empty, so that this condition does not tell
// that the listing is of today: what was made then of a secret that has moved since is taken back.
func (r *reconciliation) lookAgain(ctx context.Context, file string) error {
	r.own, r.force, r.first = r.v.Indexes[file], false, false
	return r.run(ctx)
}

// addKnown adds to the listing what the caller has stored since it was made.
func (r *reconciliation) addKnown() {
	for key, k := range r.known {
		if k.object != nil {
			r.v.Objects[key] = bucket.Info{Name: ObjectName(r.v.Service, key), Tag: k.tag}
		}
	}
}

// swap puts the index if it differs, on the condition that it is still the one that was
// read (X4).
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
	if !r.force && (before.Same(next) && r.sealedRight() || bare && r.own.Missing) { // marks alone are no reason to make one
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
		// Its values are not encrypted, and nothing is lost with it.
		_ = r.e.Bucket.Delete(waiting.Beyond(ctx), name, bucket.IfMatch(put.Tag))
		return err
	}
	r.v.Indexes[file] = &IndexState{File: file, Index: next, Tag: put.Tag, Seal: put.Seal}
	return nil
}

// drop deletes the index. Where a delete has no condition it may take a new entry along:
// that costs readers a request until the next write, and no secret.
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

// sealedRight reports whether the index is under the key that the storage uses for our
// alias now. Where it is not, the alias was pointed at another key, or somebody planted the index.
func (r *reconciliation) sealedRight() bool {
	return r.own.Missing || r.putKey == "" || r.own.Seal.KeyID == "" || r.own.Seal.KeyID == r.putKey
}

// committed reports whether the writer who won the race for the index has committed all changes
// of the caller too. Its listing then came after our puts, and so after those of every writer
// that ended before we began: what else may be missing has a writer of its own.
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
