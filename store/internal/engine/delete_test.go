package engine_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/engine"
)

// wantNowhere checks that no stored byte tells a value.
func (w *world) wantNowhere(value string) {
	w.Helper()
	for name, o := range w.mem.Objects() {
		if strings.Contains(string(o.Body), value) {
			w.Errorf("%s still holds it", name)
		}
	}
}

func TestDeletePurgesObjectAndIndex(t *testing.T) {
	for name, o := range map[string]membucket.Options{"delete": {}, "tombstone": {NoConditionalDelete: true, ETags: membucket.MD5ETags}} {
		w := newWorld(t, o)
		c := w.client(app)
		c.put("a", canary)
		c.put("b", "two")
		results, err := c.Delete(t.Context(), service, "A")
		if err != nil || results[0].Outcome != store.Deleted || results[0].Meta.ID != id("a") || results[0].Meta.Version != 1 {
			t.Errorf("%s: results %+v, error %v", name, results, err)
		}
		w.wantNowhere(canary)
		w.wantIndex(app, map[string]string{"b": "two"})
		c.wantLoad(map[string]string{"b": "two"})
		w.want(c.remove("a"), store.ErrNotFound)
	}
}

func TestDeletePutsItsIndexEvenWithNothingToChange(t *testing.T) {
	// Somebody creates k3; w reads the index, the listing and k3; k3 is deleted by one who sees
	// an index without it; w's put must fail, or it would put the deleted value back.
	w := newWorld(t, membucket.Options{})
	w.client(app).put("k1", "one")
	creator := w.client(app)
	creator.fails("put", appIndex, 1, bucket.ErrDenied)
	_, err := creator.write("k3", canary, store.WriteOptions{})
	w.want(err, store.ErrIndexBehind)
	writer := w.client(app)
	writer.before("put", appIndex, 1, func() {
		if err := w.client(app).remove("k3"); err != nil {
			t.Error(err)
		}
	})
	writer.put("k2", "two")
	w.wantNowhere(canary)
	w.wantIndex(app, map[string]string{"k1": "one", "k2": "two"})

	// Also where there is no index at all.
	bare := newWorld(t, membucket.Options{})
	bare.client(app).put("k3", canary)
	bare.erase(indexName(app))
	writer = bare.client(app)
	writer.before("put", appIndex, 1, func() {
		if err := bare.client(app).remove("k3"); err != nil {
			t.Error(err)
		}
	})
	writer.put("k2", "two")
	bare.wantNowhere(canary)
}

func TestARerunFinishesADelete(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	c.put("a", canary)
	c.put("b", "two")
	c.fails("put", appIndex, 1, bucket.ErrUnavailable)
	c.fails("get", appIndex, 2, bucket.ErrUnavailable)
	results, err := c.Delete(t.Context(), service, "a")
	w.want(err, store.ErrIndexBehind)
	if results[0].Outcome != store.Deleted || w.object("a") != nil {
		t.Errorf("results %+v", results)
	}
	c.wantLoad(map[string]string{"b": "two"})
	w.want(w.client(app).remove("a"), store.ErrNotFound) // it says so only after the purge
	w.wantNowhere(canary)
}

func TestDeletePurgesOtherReadableIndexes(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	ghosts := func() { w.chamberIndexes(ops, map[string]string{"a": canary}) } // moved from there by hand
	ghosts()
	c := w.client(app)
	w.client(app).put("a", "one")
	if err := c.remove("a"); err != nil {
		t.Fatal(err)
	}
	w.wantNowhere(canary)

	// A ghost of a secret that is gone, by one who has no index yet.
	ghosts()
	w.want(w.client(web).remove("a"), store.ErrNotFound)
	w.wantNowhere(canary)
	if w.index(web) != nil {
		t.Error("an index was made for a name that does not exist")
	}

	// What may not be written is told.
	ghosts()
	w.client(app).put("a", "one")
	c = w.client(app)
	c.fails("put", opsIndex, 1, bucket.ErrDenied)
	err := c.remove("a")
	w.want(err, store.ErrIndexBehind, store.ErrDenied)
	if !strings.Contains(err.Error(), indexName(ops)) {
		t.Errorf("error %v does not name the index", err)
	}
}

func TestDeleteOfANewerVersionIsRefused(t *testing.T) {
	for name, o := range map[string]membucket.Options{"delete": {}, "tombstone": {NoConditionalDelete: true}} {
		w := newWorld(t, o)
		w.client(app).put("a", "one")
		c := w.client(app)
		op := map[bool]string{true: "put", false: "delete"}[o.NoConditionalDelete]
		c.before(op, "a.json", 1, func() { w.client(app).put("a", "two") })
		w.want(c.remove("a"), store.ErrConflict)
		if _, v := w.object("a").newest(); v != "two" {
			t.Errorf("%s: a is %q", name, v)
		}
		w.wantIndex(app, map[string]string{"a": "two"})
		// With the answer lost, and the newer one seen afterwards, it is unknown what became of ours.
		c = w.client(app)
		c.loses(op, "a.json", 1, bucket.ErrUnavailable)
		c.before("get", "a.json", 2, func() { w.client(app).put("a", "three") })
		w.want(c.remove("a"), store.ErrConflict, store.ErrUnknown)
		w.client(app).wantLoad(map[string]string{"a": "three"})
	}
}

func TestLostAnswersOfADelete(t *testing.T) {
	for name, spoil := range map[string]func(c *client, op string){
		"applied":             func(c *client, op string) { c.loses(op, "a.json", 1, bucket.ErrUnavailable) },
		"not applied":         func(c *client, op string) { c.fails(op, "a.json", 1, bucket.ErrUnavailable) },
		"torn":                func(c *client, op string) { c.loses(op, "a.json", 1, bucket.ErrTorn) },
		"busy":                func(c *client, op string) { c.fails(op, "a.json", 1, bucket.ErrBusy) },
		"412 of our own":      func(c *client, op string) { c.loses(op, "a.json", 1, bucket.ErrChanged) },
		"index not applied":   func(c *client, _ string) { c.fails("put", appIndex, 1, bucket.ErrUnavailable) },
		"index applied":       func(c *client, _ string) { c.loses("put", appIndex, 1, bucket.ErrUnavailable) },
		"somebody was faster": func(c *client, op string) { c.before(op, "a.json", 1, func() { _ = c.w.client(app).remove("a") }) },
	} {
		for mode, o := range map[string]membucket.Options{"delete": {}, "tombstone": {NoConditionalDelete: true}} {
			t.Run(name+" "+mode, func(t *testing.T) {
				w := newWorld(t, o)
				w.client(app).put("a", canary)
				c := w.client(app)
				spoil(c, map[bool]string{true: "put", false: "delete"}[o.NoConditionalDelete])
				if err := c.remove("a"); err != nil {
					t.Error(err)
				}
				w.wantNowhere(canary)
				w.wantIndex(app, map[string]string{})
			})
		}
	}
}

func TestUnknownDeletesAreSaid(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("a", canary)
	c := w.client(app)
	c.loses("delete", "a.json", 1, bucket.ErrUnavailable)
	c.fails("get", "a.json", 2, bucket.ErrUnavailable)
	w.want(c.remove("a"), store.ErrUnknown)
	w.wantNowhere(canary) // the index was brought up to date in any case

	// Interrupted.
	w.client(app).put("b", canary)
	ctx, cancel := context.WithCancel(t.Context())
	c = w.client(app)
	c.before("delete", "b.json", 1, cancel)
	_, err := c.Delete(ctx, service, "b")
	w.want(err, store.ErrUnknown, context.Canceled)
	_, err = c.Delete(ctx, service, "b")
	w.want(err, context.Canceled)

	// Interrupted between delete and index.
	ctx, cancel = context.WithCancel(t.Context())
	c = w.client(app)
	c.before("list", "", 2, cancel)
	if _, err := c.Delete(ctx, service, "b"); err != nil {
		t.Errorf("delete: %v", err)
	}
	w.wantNowhere(canary)
}

func TestDeleteGivesUp(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("a", "one")
	for fault, want := range map[error]error{bucket.ErrUnavailable: store.ErrUnavailable, bucket.ErrBusy: store.ErrUnavailable, bucket.ErrDenied: store.ErrDenied} {
		c := w.client(app)
		c.fails("delete", "a.json", every, fault)
		err := c.remove("a")
		w.want(err, want)
		if errors.Is(err, store.ErrUnknown) || w.object("a") == nil {
			t.Errorf("it was seen to be there, and is called: %v", err)
		}
	}
}

func TestDeletedBetweenListingAndGetIsNotFound(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("a", canary)
	c := w.client(app)
	c.before("get", "a.json", 1, func() { w.erase("api/a.json") })
	w.want(c.remove("a"), store.ErrNotFound)
	w.wantNowhere(canary)
}

func TestDeleteOfManyIsOneIndexUpdate(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	for _, key := range []string{"a", "b", "c"} {
		c.put(key, canary)
	}
	w.client(ops).put("o", "theirs")
	seq := w.index(app).Seq
	results, err := c.Delete(t.Context(), service, "a", "nothing", "o", "b")
	w.want(err, store.ErrNotFound)
	outcomes := []store.Outcome{store.Deleted, store.Failed, store.Failed, store.Deleted}
	for i, r := range results {
		if r.Outcome != outcomes[i] {
			t.Errorf("%s: %s; want %s", r.Meta.ID, r.Outcome, outcomes[i])
		}
	}
	w.wantAlias(results[2].Err, ops, app)
	if got := w.index(app).Seq; got != seq+1 {
		t.Errorf("the index was put %d times", got-seq)
	}
	w.wantIndex(app, map[string]string{"c": canary})
	w.wantIndex(ops, map[string]string{"o": "theirs"})
	if results, err := c.Delete(t.Context(), service); err != nil || len(results) != 0 {
		t.Errorf("delete of nothing: %v, %v", results, err)
	}
}

func TestDeleteFindsTheNearest(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	c.put("db_url", "one")
	err := c.remove("db_uri")
	var missing *store.NotFoundError
	if w.want(err, store.ErrNotFound); !errors.As(err, &missing) || missing.Nearest != "db_url" {
		t.Errorf("error %v", err)
	}
	w.chamberPuts(app, "DB_URL", "two")
	c.calls()
	w.want(c.remove("Db_Url"), store.ErrAmbiguousName)
	if calls := c.calls(); slices.ContainsFunc(calls, func(call string) bool { return strings.HasPrefix(call, "put") }) {
		t.Errorf("requests %q", calls)
	}
}

// Who deletes is in no object: nobody is asked for it.
func TestADeleteAsksForNoAuthor(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("a", "one")
	c := w.client(app, func(o *engine.Options) {
		o.Author = func(context.Context) string { t.Error("it was asked for"); return author }
	})
	if err := c.remove("a"); err != nil {
		t.Fatal(err)
	}
}
