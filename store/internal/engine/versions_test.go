package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/buckettest"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/engine"
)

// keeping are the ways in which a bucket keeps what is deleted.
var keeping = map[string]membucket.Options{
	"marks":      {Versioned: true},
	"tombstones": {Versioned: true, NoConditionalDelete: true, ETags: membucket.MD5ETags},
}

func inEach(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	for name, o := range keeping {
		t.Run(name, func(t *testing.T) { test(t, newWorld(t, o)) })
	}
}

// removed must succeed.
func (c *client) removed(keys ...string) {
	c.w.Helper()
	if err := c.remove(keys...); err != nil {
		c.w.Fatalf("delete %v: %v", keys, err)
	}
}

func (c *client) undelete(key, at string) (store.Result, error) {
	return c.Undelete(c.w.Context(), id(key), admin.UndeleteOptions{At: at})
}

// restored must succeed.
func (c *client) restored(key, at string, version int) {
	c.w.Helper()
	r, err := c.undelete(key, at)
	if err != nil || r.Outcome != store.Restored || r.Meta.Version != version {
		c.w.Fatalf("restore %s: %+v, error %v; want version %d", key, r, err, version)
	}
}

// candidates lists, each as "key: version of versions", or with why it cannot be read.
func (c *client) candidates(keys ...string) ([]string, []admin.Candidate) {
	c.w.Helper()
	found, err := c.Deleted(c.w.Context(), service, keys...)
	if err != nil {
		c.w.Fatalf("deleted: %v", err)
	}
	var out []string
	for _, f := range found {
		text := fmt.Sprintf("%s: %d of %d", f.ID.Key, f.Version, f.Versions)
		if f.Err != nil {
			text = f.ID.Key + ": unreadable"
		}
		if f.State == "" || f.Stored.IsZero() || f.Deleted.IsZero() || f.Err == nil && (f.CreatedBy == "" || f.Created.IsZero()) {
			c.w.Errorf("candidate %+v", f)
		}
		out = append(out, text)
	}
	return out, found
}

func (c *client) wantCandidates(want ...string) []admin.Candidate {
	c.w.Helper()
	got, found := c.candidates()
	if diff := cmp.Diff(want, got); diff != "" {
		c.w.Error("candidates:", diff)
	}
	return found
}

func (w *world) wantHistory(c *client, key string, want ...string) {
	w.Helper()
	var got []string
	versions, err := c.History(w.Context(), id(key))
	for _, m := range versions {
		s, readErr := c.Read(w.Context(), id(key), m.Version)
		err = errors.Join(err, readErr)
		got = append(got, fmt.Sprintf("%d=%s", m.Version, s.Value.Reveal()))
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		w.Errorf("history of %s: error %v, %s", key, err, diff)
	}
}

func TestUndeleteBringsBackAllVersions(t *testing.T) {
	inEach(t, func(t *testing.T, w *world) {
		c := w.client(app)
		for _, v := range []string{"one", "two", "three"} {
			c.put("a", v)
		}
		c.put("b", "other")
		c.removed("a")
		c.restored("A", "", 3)
		w.wantHistory(c, "a", "1=one", "2=two", "3=three")
		w.wantIndex(app, map[string]string{"a": "three", "b": "other"})
		if r, err := c.undelete("a", ""); err != nil || r.Outcome != store.Unchanged || r.Meta.Version != 3 {
			t.Errorf("again: %+v, error %v", r, err)
		}
		if r := c.put("a", "four"); r.Meta.Version != 4 {
			t.Errorf("the next write is version %d", r.Meta.Version)
		}
	})
}

func TestUndeleteNeverReplacesASecret(t *testing.T) {
	inEach(t, func(t *testing.T, w *world) {
		c := w.client(app)
		c.put("a", "old")
		w.want(func() error { _, err := c.undelete("b", ""); return err }(), store.ErrNotFound)
		c.put("a", "newer")
		_, err := c.undelete("a", "") // what stands there is not deleted
		w.want(err, store.ErrConflict)
		c.removed("a")
		c.put("a", "another")
		_, err = c.undelete("a", "")
		w.want(err, store.ErrConflict)
		w.client(app).wantLoad(map[string]string{"a": "another"})

		// Somebody is faster.
		c.removed("a")
		c.before("put", "a.json", 1, func() { w.client(app).put("a", "of another") })
		_, err = c.undelete("a", "")
		w.want(err, store.ErrConflict)
		w.client(app).wantLoad(map[string]string{"a": "of another"})

		// Or has brought the same back.
		w.client(app).removed("a")
		c = w.client(app)
		c.before("put", "a.json", 1, func() { w.client(app).restored("a", "", 4) })
		c.restored("a", "", 4)
		w.wantIndex(app, map[string]string{"a": "of another"})
	})
}

func TestUndeleteStaysUnderItsAlias(t *testing.T) {
	inEach(t, func(t *testing.T, w *world) {
		w.client(ops).put("a", canary)
		w.client(ops).removed("a")
		_, err := w.client(app).undelete("a", "")
		w.wantAlias(err, ops, app)
		if w.client(app).wantLoad(nil); w.index(app) != nil {
			t.Error("an index was made")
		}
		w.client(ops).restored("a", "", 1)

		// An object that does not name its alias is of the one whose key it is under.
		w.client(app).put("x", "x") // makes the index
		for alias, err := range map[string]error{app: nil, web: store.ErrConflict} {
			w.chamberPuts(alias, "c", canary)
			w.erase(service + "/c.json")
			r, got := w.client(app).undelete("c", "")
			if err != nil {
				w.want(got, err)
				r, got = w.client(app).Undelete(t.Context(), id("c"), admin.UndeleteOptions{Adopt: true})
			}
			if got != nil || r.Meta.KeyAlias != app {
				t.Errorf("%s: %+v, error %v", alias, r, got)
			}
			w.client(app).removed("c")
		}
	})
}

func TestAnOlderStateTakesNoNumberTwice(t *testing.T) {
	inEach(t, func(t *testing.T, w *world) {
		c := w.client(app)
		for _, v := range []string{"one", "two", "three"} {
			c.put("a", v)
		}
		c.removed("a")
		found := c.wantCandidates("a: 3 of 3", "a: 2 of 2", "a: 1 of 1")
		c.restored("a", found[1].State, 4) // 3 was another value
		w.wantHistory(c, "a", "1=one", "2=two", "4=two")
		w.wantIndex(app, map[string]string{"a": "two"})
		c.removed("a")
		c.restored("a", "1", 5)
		w.wantHistory(c, "a", "1=one", "5=one")
		c.removed("a")
		_, err := c.undelete("a", "7")
		w.want(err, store.ErrNotFound)
		_, err = c.undelete("a", "no such state")
		w.want(err, store.ErrNotFound)
	})

	// An index that remembers a higher one counts too.
	w := newWorld(t, membucket.Options{Versioned: true})
	c := w.client(app)
	c.put("a", "one")
	c.put("a", "two")
	c.fails("put", appIndex, 1, bucket.ErrDenied)
	w.want(c.remove("a"), store.ErrIndexBehind)
	w.client(app).restored("a", "1", 3)
}

func TestStatesThatCannotBeRead(t *testing.T) {
	w := newWorld(t, membucket.Options{Versioned: true})
	w.client(app).put("a", "one")
	w.client(app).put("a", "two")
	if _, err := w.client(ops).Rekey(t.Context(), service, admin.RekeyOptions{}); err != nil {
		t.Fatal(err)
	}
	w.client(ops).put("o", "theirs")
	w.client(ops).put("a", canary)
	w.client(ops).removed("a")

	c := w.client(app)
	c.mem.DenyKeys(c.mem.KeyID(ops))
	found := c.wantCandidates("a: unreadable", "a: unreadable", "a: 2 of 2", "a: 1 of 1")
	if !errors.Is(found[0].Err, store.ErrDenied) {
		t.Errorf("error %v", found[0].Err)
	}
	_, err := c.undelete("a", "") // not an older one in its place
	w.want(err, store.ErrDenied)
	_, err = c.undelete("a", found[1].State)
	w.want(err, store.ErrDenied)
	// Each state that cannot be read may have had a version of its own.
	c.restored("a", found[2].State, 5)
	w.wantHistory(c, "a", "1=one", "2=two", "5=two")

	// Who may not read a tombstone is told of no deleted secret: it is hidden, as a live one is.
	w = newWorld(t, keeping["tombstones"])
	w.client(ops).put("a", canary)
	w.client(ops).removed("a")
	c = w.client(app)
	c.mem.DenyKeys(c.mem.KeyID(ops))
	c.wantCandidates()
	_, err = c.undelete("a", "")
	w.want(err, store.ErrDenied)
}

func TestForgedStatesAreRefused(t *testing.T) {
	w := newWorld(t, membucket.Options{Versioned: true})
	c := w.client(app)
	c.put("a", "one")
	w.mem.Plant("api/a.json", w.stored()["api/a.json"].Body, bucket.Seal{Method: "AES256"})
	w.erase("api/a.json")
	if found := c.wantCandidates("a: unreadable", "a: 1 of 1"); !errors.Is(found[0].Err, store.ErrCorrupt) {
		t.Errorf("error %v", found[0].Err)
	}
	_, err := c.undelete("a", "")
	w.want(err, store.ErrCorrupt)
}

func TestDeletedFindsEverySecretThatIsGone(t *testing.T) {
	inEach(t, func(t *testing.T, w *world) {
		c := w.client(app)
		for _, key := range []string{"a", "b", "live"} {
			c.put(key, "one")
		}
		w.chamberPuts(app, "drifted", "one")
		c.put("a", "two")
		c.removed("a", "b")
		c.put("b", "another life")
		c.removed("b")
		c.wantCandidates("a: 2 of 2", "a: 1 of 1", "b: 2 of 1", "b: 1 of 1")
		if got, _ := c.candidates("A", "live", "nothing"); !slices.Equal(got, []string{"a: 2 of 2", "a: 1 of 1"}) {
			t.Errorf("candidates of one: %q", got)
		}
		c.calls()
		c.candidates("a")
		for _, call := range c.calls() {
			if strings.HasPrefix(call, "put") || strings.HasPrefix(call, "delete") {
				t.Error(call)
			}
		}
	})
}

func TestATwinIsNotMade(t *testing.T) {
	inEach(t, func(t *testing.T, w *world) {
		c := w.client(app)
		c.put("a", canary)
		c.removed("a")
		w.chamberPuts(app, "A", "theirs")
		_, err := c.undelete("a", "")
		w.want(err, store.ErrConflict)

		// Nor is it purged in the place of the other.
		c = w.client(app)
		results, _, err := c.Purge(t.Context(), service, "a")
		if err != nil || results[0].Outcome != store.Purged {
			t.Errorf("results %+v, error %v", results, err)
		}
		w.wantNoVersionTells(canary)
		c.wantLoad(map[string]string{"A": "theirs"})
		_, _, err = c.Purge(t.Context(), service, "A", "a")
		w.want(err, store.ErrInvalid)
	})
}

// purge must succeed, and returns what was removed by object.
func (c *client) purge(keys ...string) map[string]int {
	c.w.Helper()
	_, removed, err := c.Purge(c.w.Context(), service, keys...)
	if err != nil {
		c.w.Fatalf("purge: %v", err)
	}
	return olds(removed)
}

func olds(all []admin.Kept) map[string]int {
	n := map[string]int{}
	for _, k := range all {
		n[strings.TrimPrefix(k.Object, service+"/")] = k.Old
	}
	return n
}

func TestPurgeLeavesNothingOfASecret(t *testing.T) {
	inEach(t, func(t *testing.T, w *world) {
		c := w.client(app)
		w.client(ops).put("o", "theirs")
		w.client(ops).put("o", "theirs again")
		c.put("a", canary)
		c.put("a", canary+" again")
		c.put("keep", "one")
		c.put("keep", "two")
		before, err := c.Residue(t.Context(), service, "A")
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]int{"a.json": 1, indexFile(app): 3, indexFile(ops): 1}
		if diff := cmp.Diff(want, olds(before)); diff != "" || !before[0].Live || before[0].ID != id("a") {
			t.Errorf("residue %+v %s", before, diff)
		}
		removed := c.purge("A")
		if removed["a.json"] < 2 || removed[indexFile(app)] != 4 || removed[indexFile(ops)] != 1 || removed["keep.json"] != 0 {
			t.Errorf("removed %v", removed)
		}
		w.wantNoVersionTells(canary)
		w.wantIndex(app, map[string]string{"keep": "two"})
		if kept := w.mem.Kept(); len(kept["api/keep.json"]) != 2 || len(kept["api/o.json"]) != 2 || len(kept["api/a.json"]) != 0 {
			t.Errorf("kept: %d, %d, %d", len(kept["api/keep.json"]), len(kept["api/o.json"]), len(kept["api/a.json"]))
		}
		if left, err := c.Residue(t.Context(), service, "a"); err != nil || len(left) != 0 {
			t.Errorf("residue %+v, error %v", left, err)
		}
		_, _, err = c.Purge(t.Context(), service, "a")
		w.want(err, store.ErrNotFound)
	})
}

func indexFile(alias string) string { return strings.TrimPrefix(indexName(alias), service+"/") }

func TestPurgeOfWhatIsDeletedAlready(t *testing.T) {
	inEach(t, func(t *testing.T, w *world) {
		c := w.client(app)
		c.put("a", canary)
		c.put("b", canary)
		c.put("keep", "one")
		c.removed("a")
		results, _, err := c.Purge(t.Context(), service, "b", "a", "nothing")
		w.want(err, store.ErrNotFound)
		outcomes := []store.Outcome{store.Deleted, store.Purged, store.Failed}
		for i, r := range results {
			if r.Outcome != outcomes[i] {
				t.Errorf("%s: %s, want %s", r.Meta.ID, r.Outcome, outcomes[i])
			}
		}
		w.wantNoVersionTells(canary)
		c.wantLoad(map[string]string{"keep": "one"})

		// A name that never was purges nothing.
		c.calls()
		_, _, err = c.Purge(t.Context(), service, "kee")
		var missing *store.NotFoundError
		if w.want(err, store.ErrNotFound); !errors.As(err, &missing) || missing.Nearest != "keep" {
			t.Errorf("error %v", err)
		}
		for _, call := range c.calls() {
			if strings.HasPrefix(call, "delete") {
				t.Error(call)
			}
		}
	})
}

func TestPurgeSparesWhatIsWrittenMeanwhile(t *testing.T) {
	inEach(t, func(t *testing.T, w *world) {
		c := w.client(app)
		c.put("a", canary)
		c.before("delete-version", "a.json", 1, func() { w.client(app).put("a", "new") })
		c.purge("a")
		w.wantNoVersionTells(canary)
		w.client(app).wantLoad(map[string]string{"a": "new"})

		// Before the states are listed.
		c = w.client(app)
		c.before("versions", "", 2, func() { w.client(app).put("a", "newer") })
		c.purge("a")
		w.client(app).wantLoad(map[string]string{"a": "newer"})
		w.wantIndex(app, map[string]string{"a": "newer"})
	})
}

// A state that could not be removed stays below its mark: without the mark it would be back.
func TestAPurgeThatFailsBringsNothingBack(t *testing.T) {
	inEach(t, func(t *testing.T, w *world) {
		for object, sentinel := range map[string]error{"a.json": bucket.ErrDenied, appIndex: bucket.ErrUnavailable} {
			c := w.client(app)
			c.put("a", canary)
			c.put("a", canary)
			c.removed("a")
			c.rules = nil
			c.fails("delete-version", object, every, sentinel)
			results, _, err := c.Purge(t.Context(), service, "a")
			if w.want(err); results[0].Outcome != store.Failed {
				t.Errorf("results %+v", results)
			}
			w.client(app).wantLoad(nil)
			w.want(w.client(app).remove("a"), store.ErrNotFound)
			w.client(app).purge("a")
			w.wantNoVersionTells(canary)
		}

		// Nor when the index cannot be put: the present one may hold the value.
		c := w.client(app)
		c.put("a", canary)
		c.put("b", "other")
		c.fails("put", appIndex, 1, bucket.ErrDenied)
		_, _, err := c.Purge(t.Context(), service, "a")
		w.want(err, store.ErrIndexBehind)
		w.client(app).purge("a")
		w.wantNoVersionTells(canary)
	})
}

// forgetfulBucket says of its first removals of versions that they were made. moto does so when
// several come at once (5.2.1: it copies the list of versions without a lock).
type forgetfulBucket struct {
	*membucket.Bucket
	lies atomic.Int64
}

func (b *forgetfulBucket) DeleteVersion(ctx context.Context, name, id string) error {
	if b.lies.Add(-1) >= 0 {
		return nil
	}
	return b.Bucket.DeleteVersion(ctx, name, id)
}

func TestAPurgeLooksWhetherVersionsAreGone(t *testing.T) {
	for lies, fails := range map[int64]bool{2: false, 1000: true} {
		b := &forgetfulBucket{Bucket: filled(t, membucket.Options{Versioned: true})}
		b.lies.Store(lies)
		_, kept, err := hasty(b, rekeyA).Purge(t.Context(), "api", "k0")
		if fails != errors.Is(err, store.ErrUnavailable) || (err == nil) == fails {
			t.Errorf("%d lies: error %v", lies, err)
		}
		removed := 0
		for _, k := range kept {
			removed += k.Old
		}
		b.lies.Store(0)
		_, rest, err := hasty(b, rekeyA).Purge(t.Context(), "api", "k0")
		if fails && (removed != 0 || err != nil || len(rest) == 0) || !fails && (removed < 2 || len(rest) != 0) {
			t.Errorf("%d lies: removed %d, then %+v, error %v", lies, removed, rest, err)
		}
	}
}

func TestPurgeDeletesUnderItsAliasAlone(t *testing.T) {
	inEach(t, func(t *testing.T, w *world) {
		w.client(ops).put("o", canary)
		w.client(ops).put("o", canary)
		_, removed, err := w.client(app).Purge(t.Context(), service, "o")
		w.wantAlias(err, ops, app)
		if len(removed) > 0 || len(w.mem.Kept()["api/o.json"]) != 2 {
			t.Errorf("removed %+v", removed)
		}
	})
}

func TestABucketWithoutVersionsKeepsNothing(t *testing.T) {
	for name, o := range map[string]membucket.Options{"delete": {}, "tombstone": {NoConditionalDelete: true}} {
		w := newWorld(t, o)
		c := w.client(app)
		c.put("a", canary)
		c.put("a", canary)
		if kept, err := c.Residue(t.Context(), service); err != nil || len(kept) != 1 || kept[0].Old+kept[0].Marks != 0 || !kept[0].Live {
			t.Errorf("%s: residue %+v, error %v", name, kept, err)
		}
		if removed := c.purge("a"); len(removed) > 0 {
			t.Errorf("%s: removed %v", name, removed)
		}
		w.wantNowhere(canary)
		c.wantCandidates()
		_, err := c.undelete("a", "")
		w.want(err, store.ErrNotFound)
	}
}

func TestAStorageWithoutVersionsSaysSo(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	c.put("a", canary)
	c.Bucket = struct{ bucket.Bucket }{c.Bucket}
	_, err := c.undelete("a", "")
	w.want(err, store.ErrUnsupported)
	_, err = c.Deleted(t.Context(), service)
	w.want(err, store.ErrUnsupported)
	_, err = c.Residue(t.Context(), service)
	w.want(err, store.ErrUnsupported)
	_, _, err = c.Purge(t.Context(), service, "a")
	w.want(err, store.ErrUnsupported)
	c.wantLoad(map[string]string{"a": canary})
	_, err = c.Deleted(t.Context(), "no/../service")
	w.want(err, store.ErrInvalid)
}

func TestVersionsOfThePlainIndex(t *testing.T) {
	w := newWorld(t, membucket.Options{Versioned: true})
	c := w.client("")
	c.put("a", canary)
	c.put("a", "two")
	c.removed("a")
	c.restored("a", "", 2)
	w.wantHistory(c, "a", "1="+canary, "2=two")
	c.purge("a")
	w.wantNoVersionTells(canary)
}

func TestARerunFinishesAnUndelete(t *testing.T) {
	inEach(t, func(t *testing.T, w *world) {
		c := w.client(app)
		c.put("a", "one")
		c.put("b", "other")
		c.removed("a")
		c.fails("put", appIndex, 1, bucket.ErrDenied)
		r, err := c.undelete("a", "")
		if w.want(err, store.ErrIndexBehind); r.Outcome != store.Restored {
			t.Errorf("result %+v", r)
		}
		w.wantIndex(app, map[string]string{"b": "other"})
		if r, err := w.client(app).undelete("a", ""); err != nil || r.Outcome != store.Unchanged {
			t.Errorf("again: %+v, error %v", r, err)
		}
		w.wantIndex(app, map[string]string{"a": "one", "b": "other"})

		// Nor is that done for somebody else's.
		_, err = w.client(ops).undelete("a", "1")
		w.want(err, store.ErrConflict)
	})
}

func TestAnUndeleteThatCannotBe(t *testing.T) {
	inEach(t, func(t *testing.T, w *world) {
		c := w.client(app)
		c.put("a", canary)
		c.removed("a")
		for fault, want := range map[error]error{
			bucket.ErrUnsupported: store.ErrUnsupported, bucket.ErrBusy: store.ErrUnavailable, bucket.ErrDenied: store.ErrDenied,
		} {
			c := w.client(app)
			c.fails("put", "a.json", every, fault)
			_, err := c.undelete("a", "")
			w.want(err, want)
			c.wantLoad(nil)
		}
		// An answer that names another key: what was put is taken back.
		c = w.client(app, func(o *engine.Options) {
			o.Vouch = func(object string, s bucket.Seal) error {
				if strings.HasSuffix(object, "/a.json") && slices.ContainsFunc(c.bucket.Calls(), func(call buckettest.Call) bool { return call.Op == "put" }) {
					return &store.SealError{Object: object, Want: "another"}
				}
				return nil
			}
		})
		_, err := c.undelete("a", "")
		w.want(err, store.ErrCorrupt)
	})
}

func TestNamesOfWhatIsKept(t *testing.T) {
	inEach(t, func(t *testing.T, w *world) {
		c := w.client(app)
		w.chamberPuts(app, "Db", "one")
		w.erase(service + "/Db.json")
		c.put("db", canary)
		_, err := c.Deleted(t.Context(), service, "DB")
		w.want(err, store.ErrAmbiguousName)
		_, err = c.Residue(t.Context(), service, "DB")
		w.want(err, store.ErrAmbiguousName)
		_, _, err = c.Purge(t.Context(), service, "DB")
		w.want(err, store.ErrAmbiguousName)
		_, err = c.undelete("DB", "")
		w.want(err, store.ErrAmbiguousName)
		_, err = c.undelete("no/key", "")
		w.want(err, store.ErrInvalid)
		c.wantLoad(map[string]string{"db": canary})
	})
}

func TestNoVersionNumberIsLeftToRestore(t *testing.T) {
	w := newWorld(t, membucket.Options{Versioned: true})
	c := w.client(app)
	c.put("a", "one")
	top := map[string]any{"9223372036854775807": map[string]any{"created": w.Now(), "created_by": "x", "version": 1, "value": "last"}}
	w.plant(service+"/a.json", map[string]any{"service": service, "key": "/api/a", "kms_alias": app, "values": top}, w.kms(app))
	w.erase(service + "/a.json")
	_, err := c.undelete("a", "1")
	w.want(err, store.ErrCorrupt)
}
