package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/engine"
)

func (c *client) wantVersion(key string, want int) {
	c.w.Helper()
	if r := c.put(key, fmt.Sprint(key, want)); r.Meta.Version != want {
		c.w.Errorf("%s is version %d; want %d", key, r.Meta.Version, want)
	}
}

// A number that a deleted version had is never given again, whatever is done in between.
func TestNumbersGoOnAfterADelete(t *testing.T) {
	for name, between := range map[string]func(w *world, c *client){
		"nothing":                 func(*world, *client) {},
		"a write of another":      func(_ *world, c *client) { c.put("other", "o2") },
		"a delete of another":     func(_ *world, c *client) { c.removed("other") },
		"a second delete":         func(w *world, c *client) { w.want(c.remove("k"), store.ErrNotFound) },
		"a mend a day later":      func(w *world, c *client) { w.now = w.now.Add(25 * time.Hour); c.mend() },
		"a rekey":                 func(w *world, _ *client) { w.rekeyed(ops) },
		"a rekey of the alias":    func(w *world, c *client) { _, _ = c.Rekey(w.Context(), service, admin.RekeyOptions{Rewrite: true}) },
		"its write by another":    func(w *world, _ *client) { w.client(ops).wantVersion("k", 3); w.client(ops).removed("k") },
		"a delete of all, a mend": func(w *world, c *client) { c.removed("other"); w.now = w.now.Add(25 * time.Hour); c.mend() },
	} {
		for mode, o := range modes {
			t.Run(name+"/"+mode, func(t *testing.T) {
				w := newWorld(t, o)
				c := w.client(app)
				c.put("other", "o1")
				c.put("k", "one")
				c.put("k", "two")
				c.removed("k")
				between(w, w.client(app))
				want := 3
				if name == "its write by another" {
					want = 4
				}
				for _, alias := range []string{ops, app} { // either index knows, or is asked
					w.client(alias).wantVersion("k", want)
					w.client(alias).removed("k")
					want++
				}
			})
		}
	}
}

func TestNumbersGoOnAfterAPurge(t *testing.T) {
	inEach(t, func(t *testing.T, w *world) {
		c := w.client(app)
		c.put("k", canary)
		c.put("k", canary+"2")
		if _, _, err := c.Purge(t.Context(), service, "k"); err != nil {
			t.Fatal(err)
		}
		w.wantNoVersionTells(canary)
		c.wantVersion("k", 3)
		c.removed("k")
		c.restored("k", "", 3) // the same versions under the same numbers
		c.wantVersion("k", 4)
	})
}

// The storage has dropped the state that had the highest number: the index still knows it.
func TestAnUndeleteGoesOnAboveWhatTheIndexKnows(t *testing.T) {
	w := newWorld(t, membucket.Options{Versioned: true})
	c := w.client(app)
	for _, v := range []string{"one", "two"} {
		c.put("k", v)
		c.removed("k")
	}
	_, found := c.candidates("k")
	if err := c.mem.DeleteVersion(t.Context(), "api/k.json", found[0].State); err != nil {
		t.Fatal(err)
	}
	c.restored("k", "", 3)
}

// A condition on a version is not fooled by a secret that was deleted and made anew.
func TestIfVersionIsNotFooledByADelete(t *testing.T) {
	for mode, o := range modes {
		for _, alias := range []string{app, ""} {
			t.Run(mode+"/"+alias, func(t *testing.T) {
				c := newWorld(t, o).client(alias)
				c.put("k", "seen")
				c.removed("k")
				c.put("k", "another")
				_, err := c.write("k", "late", store.WriteOptions{IfVersion: ptr(1)})
				var other *store.VersionError
				if !errors.As(err, &other) || other.Have != 2 {
					t.Errorf("a write upon version 1: %v", err)
				}
			})
		}
	}
}

// What a delete that died, or somebody with the storage's own tools, has left as a ghost leaves
// its number when the next writer takes it out.
func TestAGhostLeavesItsNumber(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	c.put("k", "one")
	c.put("k", "two")
	c.put("other", "o1")
	w.erase("api/k.json")
	c.put("other", "o2")
	w.wantIndex(app, map[string]string{"other": "o2"})
	c.wantVersion("k", 3)
	if x := w.index(app); x.Remembers() {
		t.Errorf("the index remembers %v of what its entry says", x.Last)
	}
}

// An import of deleted keys goes on with each; a key of which nothing is known begins at 1.
func TestAnImportGoesOnWithEachNumber(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	for range 3 {
		c.put("a", "1")
	}
	c.put("b", "1")
	c.removed("a", "b")
	results, err := c.WriteAll(t.Context(), service, map[string]store.Value{
		"a": store.NewValue("x"), "b": store.NewValue("x"), "c": store.NewValue("x"),
	}, store.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var got []int
	for _, r := range results {
		got = append(got, r.Meta.Version)
	}
	if !slices.Equal(got, []int{4, 2, 1}) {
		t.Errorf("versions %v; want 4, 2, 1", got)
	}
}

// An index keeps the numbers of so many deleted secrets, and of all others one that is above them.
func TestNumbersOfManyDeletedSecretsAreFolded(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	c.put("k", "one")
	c.put("k", "two")
	many, names := map[string]store.Value{}, []string{"k"}
	for i := range index.MaxLast + 5 {
		names = append(names, fmt.Sprint("n", i))
		many[names[i+1]] = store.NewValue("v")
	}
	if _, err := c.WriteAll(t.Context(), service, many, store.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	c.removed(names...)
	if x := w.index(app); len(x.Last) > index.MaxLast || x.Floor != 1 {
		t.Errorf("%d names, floor %d", len(x.Last), x.Floor)
	}
	c.wantVersion("n7", 2)
	c.wantVersion("unheard-of", 2)
	c.wantVersion("k", 3)
	c.wantVersion("k", 4)
}

// A rekey deletes the old index. What was deleted under the old alias meanwhile is known to the new one.
func TestARekeyTakesTheNumbersAlong(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	c.put("a", "1")
	c.put("dead", "1")
	c.removed("dead")
	r := w.client(ops)
	r.before("delete", appIndex, 1, func() { w.client(app).put("again", "1"); w.client(app).removed("again") })
	r.before("list", "", 4, func() { // of K4: the new index is done
		w.client(app).put("late", "1")
		w.client(app).put("late", "2")
		w.client(app).removed("late")
	})
	if _, err := r.Rekey(t.Context(), service, admin.RekeyOptions{}); err != nil && !errors.Is(err, store.ErrConflict) {
		t.Fatal(err)
	}
	if w.index(app) != nil {
		t.Error("the old index is still there")
	}
	c = w.client(ops)
	c.wantVersion("dead", 2)
	c.wantVersion("again", 2)
	c.wantVersion("late", 3)
}

// An index that nothing needs goes, once another one knows its numbers; the last one stays.
func TestALeftoverIndexHandsItsNumbersOn(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(ops).put("k", "one")
	w.client(ops).removed("k")
	w.client(app).put("a", "1")
	w.now = w.now.Add(2 * time.Hour)
	found := told(w.client(app).inspect().Findings)
	if want := "warning left-index __kms_alias_ops__latest.json, mendable"; !slices.Contains(found, want) {
		t.Errorf("found %q", found)
	}
	c := w.client(app)
	c.mend()
	if w.index(ops) != nil {
		t.Error("the index that nothing needs is still there")
	}
	c.wantVersion("k", 2)

	c.removed("a", "k")
	w.now = w.now.Add(2 * time.Hour)
	if found := told(c.inspect().Findings); !slices.Equal(found, []string{"note left-index " + appIndex}) {
		t.Errorf("found %q", found)
	}
	c.mend()
	c.wantVersion("k", 3)
}

// A tombstone that no index knows, as a delete that died leaves it, gives its number to one before it goes.
func TestATombstoneLeavesItsNumber(t *testing.T) {
	w := newWorld(t, membucket.Options{NoConditionalDelete: true})
	c := w.client(app)
	c.put("a", "1")
	c.put("k", "one")
	before := w.stored()[indexName(app)]
	c.put("k", "two")
	c.removed("k")
	w.mem.Plant(before.Name, []byte(`{"latest":{}}`), before.Seal)
	w.now = w.now.Add(25 * time.Hour)
	single := w.client(app, func(o *engine.Options) { o.SingleWriter = true })
	single.mend()
	if w.object("k") != nil {
		t.Fatal("the tombstone is still there")
	}
	c.wantVersion("k", 3)
}

// Between what a create reads and its put, another one is made and deleted: its number is taken.
func TestACreateThatMeetsADeleteTakesTheNextNumber(t *testing.T) {
	meets := func(w *world, c *client, n int) {
		c.before("put", "k.json", 1, func() {
			for i := range n {
				w.client(app).put("k", fmt.Sprint("of another ", i))
			}
			w.client(app).removed("k")
		})
	}
	for name, fault := range map[string]func(w *world, c *client){
		"alone":          func(*world, *client) {},
		"not made":       func(_ *world, c *client) { c.fails("put", "k.json", 2, bucket.ErrUnavailable) },
		"made, not told": func(_ *world, c *client) { c.loses("put", "k.json", 2, bucket.ErrUnavailable) },
		"busy":           func(_ *world, c *client) { c.fails("put", "k.json", 2, bucket.ErrBusy) },
		"an index fails": func(_ *world, c *client) { c.fails("put", appIndex, 1, bucket.ErrUnavailable) },
		"another takes it along": func(w *world, c *client) {
			c.before("list", "", 2, func() { w.client(app).put("more", "m") })
		},
		"an index's lost": func(_ *world, c *client) { c.loses("put", appIndex, 1, bucket.ErrUnavailable) },
	} {
		for _, first := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", the first of the service: ", first), func(t *testing.T) {
				w := newWorld(t, membucket.Options{})
				if !first {
					w.client(app).put("other", "o")
				}
				c := w.client(app)
				meets(w, c, 2)
				fault(w, c)
				r, err := c.write("k", "mine", store.WriteOptions{})
				if err != nil || r.Meta.Version <= 2 {
					t.Fatalf("%+v, error %v; versions 1 and 2 were another's", r, err)
				}
				d := w.object("k")
				if n, value := d.newest(); n != r.Meta.Version || value != "mine" || len(d.Values) != 1 {
					t.Errorf("version %d of %d in the object, told %d", n, len(d.Values), r.Meta.Version)
				}
				if e := w.index(app).Entries["k"]; e.Version != r.Meta.Version || e.Tag != d.tag {
					t.Errorf("the index has %+v", e)
				}
			})
		}
	}
	t.Run("and is deleted", func(t *testing.T) {
		w := newWorld(t, membucket.Options{})
		c := w.client(app)
		meets(w, c, 1)
		c.before("put", "k.json", 2, func() { w.client(app).removed("k") })
		_, err := c.write("k", "mine", store.WriteOptions{})
		w.want(err, store.ErrConflict, store.ErrUnknown)
		w.client(app).wantVersion("k", 2)
	})
	t.Run("under another alias", func(t *testing.T) {
		w := newWorld(t, membucket.Options{})
		w.client(ops).put("other", "o")
		c := w.client(app)
		c.before("put", "k.json", 1, func() { w.client(ops).put("k", "of another"); w.client(ops).removed("k") })
		c.wantVersion("k", 2)
	})
}

// The index knows a number before it is free again: else nothing is deleted.
func TestADeleteIsRecordedBefore(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	c.put("k", "one")
	c.fails("put", appIndex, 1, bucket.ErrDenied)
	if _, err := c.write("k", "two", store.WriteOptions{}); !errors.Is(err, store.ErrIndexBehind) {
		t.Fatal(err)
	}
	d := w.client(app)
	d.fails("put", appIndex, 1, bucket.ErrDenied)
	w.want(d.remove("k"), store.ErrDenied)
	if w.object("k") == nil {
		t.Error("it was deleted, and no index knows its number")
	}
	d = w.client(app)
	d.before("delete", "k.json", 1, func() {
		if n := w.index(app).Highest("k"); n != 2 {
			t.Errorf("before the delete the index knows version %d; want 2", n)
		}
	})
	d.removed("k")
	c.calls()
	c.put("k", "three")
	d.calls()
	d.removed("k") // an index that is not behind costs nothing
	d.wantCalls("delete k.json", "get "+appIndex, "get k.json", "list ", "list ", "put "+appIndex)
}
