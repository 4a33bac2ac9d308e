package engine_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/buckettest"
	"github.com/coffer-secrets/coffer/store/internal/engine"
)

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
