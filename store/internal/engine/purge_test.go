package engine_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
)

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
