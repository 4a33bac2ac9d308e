package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
)

func TestWriteIsAtMostSixRequests(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	// The first write of a service lists after it has made the index, every other one before it puts it.
	six := []string{"get a.json", "get " + appIndex, "list ", "put a.json", "list ", "put " + appIndex}
	if r := c.put("a", "one"); r.Outcome != store.Created || r.Meta.Version != 1 {
		t.Errorf("%s version %d", r.Outcome, r.Meta.Version)
	}
	c.wantCalls(six...)
	if r := c.put("a", "two"); r.Outcome != store.Updated || r.Meta.Version != 2 {
		t.Errorf("%s version %d", r.Outcome, r.Meta.Version)
	}
	c.wantCalls(six...)
	w.wantIndex(app, map[string]string{"a": "two"})
}

func TestImportHasOneIndexUpdate(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	values := map[string]store.Value{}
	for i := range 100 {
		values[fmt.Sprintf("k%d", i)] = store.NewValue("v")
	}
	if _, err := c.WriteAll(t.Context(), service, values, store.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	if calls := c.calls(); len(calls) != 100+4 {
		t.Errorf("%d requests for 100 new secrets; want 104", len(calls))
	}
	if n := w.index(app).Seq; n != 1 || len(w.index(app).Entries) != 100 {
		t.Errorf("the index was put %d times and has %d entries", n, len(w.index(app).Entries))
	}
}

func TestWrittenObjectIsChambersWithMore(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	c.put("a", "one")
	d := w.object("a")
	v := d.Values["1"]
	if d.Service != service || d.Key != "/api/a" || d.Alias != app || len(d.Nonce) != 32 || v.Version != 1 || v.Value != "one" || v.CreatedBy != author || v.Created == "" {
		t.Errorf("object: %+v", d)
	}
	if d.seal != w.kms(app) {
		t.Errorf("sealed with %+v", d.seal)
	}
	nonce, seq := d.Nonce, w.index(app).Seq
	c.put("a", "one")
	if x := w.index(app); w.object("a").Nonce == nonce || x.Seq != seq+1 || x.Nonce == "" {
		t.Error("two puts have one nonce")
	}
}

func TestRewritingKeepsUnknownFields(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	w.mem.Plant("api/a.json", []byte(`{"service":"api","key":"/api/a","values":{"1":{"created":"never","created_by":"x","version":1,"value":"one","ticket":7}},"kms_alias":"alias/app","team":{"b":1,"a":2}}`), w.kms(app))
	w.mem.Plant(indexName(app), []byte(`{"latest":{"z":{"version":1,"value":"zed","etag":"?","x":1}},"schema":9}`), w.kms(app))
	c.put("a", "two")
	objects := w.mem.Objects()
	for _, want := range []string{`"ticket":7`, `"team":{"b":1,"a":2}`, `"created":"never"`} {
		if body := string(objects["api/a.json"].Body); !strings.Contains(body, want) {
			t.Errorf("%s is gone from %s", want, body)
		}
	}
	if body := string(objects[indexName(app)].Body); !strings.Contains(body, `"schema":9`) {
		t.Errorf("schema is gone from %s", body)
	}
}

func TestOldVersionsArePruned(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	for i := 1; i <= 103; i++ {
		if r := c.put("a", fmt.Sprint(i)); r.Meta.Version != i {
			t.Fatalf("version %d; want %d", r.Meta.Version, i)
		}
	}
	d := w.object("a")
	if _, ok := d.Values["2"]; ok || len(d.Values) != 101 || d.Values["3"].Value != "3" || d.Values["103"].Value != "103" {
		t.Errorf("%d versions are kept", len(d.Values))
	}
}

func TestVersionsAreNeverReused(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	a, o := w.client(app), w.client(ops)
	a.put("k", "one")
	a.put("k", "two")
	w.erase("api/k.json") // a delete that died before the index
	if r := a.put("k", "again"); r.Meta.Version != 3 || r.Outcome != store.Created {
		t.Errorf("%s version %d; want created version 3", r.Outcome, r.Meta.Version)
	}
	w.erase("api/k.json")
	if r := o.put("k", "elsewhere"); r.Meta.Version != 4 { // the ghost is in another index
		t.Errorf("version %d; want 4", r.Meta.Version)
	}
}

func TestNoVersionNumberIsLeft(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	w.mem.Plant("api/a.json", []byte(`{"service":"api","key":"/api/a","values":{"9223372036854775807":{"version":9223372036854775807,"value":"x"}},"kms_alias":"alias/app"}`), w.kms(app))
	_, err := c.write("a", "two", store.WriteOptions{})
	w.want(err, store.ErrCorrupt)
	if s, err := c.Read(t.Context(), id("a"), 0); err != nil || s.Value.Reveal() != "x" {
		t.Errorf("read: %v", err)
	}
}

func TestSkipUnchangedRepairsTheIndex(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	c.put("a", "one")
	c.calls()
	o := store.WriteOptions{SkipUnchanged: true}
	if r, err := c.write("a", "one", o); err != nil || r.Outcome != store.Unchanged || r.Meta.Version != 1 {
		t.Errorf("%+v, error %v", r, err)
	}
	c.wantCalls("get a.json", "get "+appIndex, "list ")
	for name, spoil := range map[string]func(){
		"missing": func() { w.erase(indexName(app)) },
		"behind":  func() { w.chamberIndexes(app, map[string]string{"a": "zero"}) },
	} {
		spoil()
		if r, err := c.write("a", "one", o); err != nil || r.Outcome != store.Unchanged {
			t.Errorf("%s: %+v, error %v", name, r, err)
		}
		w.wantIndex(app, map[string]string{"a": "one"})
	}
	if d := w.object("a"); len(d.Values) != 1 {
		t.Errorf("%d versions", len(d.Values))
	}
}

func TestIfVersionDecidesOnTheObject(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	c.put("a", "one")
	// Somebody writes between our look and our put.
	c.before("put", "a.json", 1, func() { w.client(app).put("a", "theirs") })
	_, err := c.write("a", "ours", store.WriteOptions{IfVersion: ptr(1)})
	w.want(err, store.ErrConflict)
	var version *store.VersionError
	if !errors.As(err, &version) || version.Have != 2 || version.Want != 1 {
		t.Errorf("error %v", err)
	}
	c.before("put", "b.json", 1, func() { w.client(app).put("b", "theirs") })
	_, err = c.write("b", "ours", store.WriteOptions{IfVersion: ptr(0)})
	w.want(err, store.ErrConflict)
	if _, v := w.object("b").newest(); v != "theirs" {
		t.Errorf("b is %q", v)
	}
}

func TestTwoNamesOfOneSecretAreRefused(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	_, err := c.WriteAll(t.Context(), service, map[string]store.Value{"Foo": store.NewValue("x"), "foo": store.NewValue("y")}, store.WriteOptions{})
	w.want(err, store.ErrInvalid)
	c.put("foo", "one")
	results, err := c.WriteAll(t.Context(), service, map[string]store.Value{"Foo": store.NewValue("x"), "foo": store.NewValue("y")}, store.WriteOptions{PreserveCase: true})
	w.want(err, store.ErrInvalid)
	if d := w.object("foo"); len(d.Values) != 2 || d.Values["2"].Value != "x" || len(results) != 2 || results[1].Outcome != store.Failed {
		t.Errorf("foo: %+v; results %+v", d, results)
	}
	results, err = c.Delete(t.Context(), service, "foo", "FOO")
	w.want(err, store.ErrInvalid)
	if results[0].Outcome != store.Deleted || w.object("foo") != nil {
		t.Errorf("results %+v", results)
	}
	// Both can be new.
	if _, err := c.WriteAll(t.Context(), service, map[string]store.Value{"Bar": store.NewValue("x"), "bar": store.NewValue("y")}, store.WriteOptions{PreserveCase: true}); err != nil {
		t.Errorf("two new names: %v", err)
	}
	_, err = c.write("BAR", "z", store.WriteOptions{})
	w.want(err, store.ErrAmbiguousName)
}

func TestInvalidNamesAndValuesWriteNothing(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	for key, value := range map[string]string{"__x": "v", "a b": "v", "": "v", "k": "\x00" + canary, "l": canary + "\xff"} {
		_, err := c.write(key, value, store.WriteOptions{})
		w.want(err, store.ErrInvalid)
	}
	if calls := c.calls(); len(calls) != 0 {
		t.Errorf("requests: %q", calls)
	}
	_, err := c.write("-dash", "v", store.WriteOptions{}) // only an old one may have this name
	w.want(err, store.ErrInvalid)
	w.chamberPuts(app, "-dash", "old")
	w.chamberIndexes(app, map[string]string{"-dash": "old"})
	c.put("-dash", "new")
	w.want(c.remove("__x"), store.ErrInvalid)
}

func TestRacingWritersLoseNothing(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	var group sync.WaitGroup
	for i := range 8 {
		c := w.client(app)
		group.Go(func() {
			for n := range 4 {
				if _, err := c.write("shared", fmt.Sprintf("%d-%d", i, n), store.WriteOptions{}); err != nil {
					t.Error(err)
				}
				if _, err := c.write(fmt.Sprintf("own%d", i), fmt.Sprint(n), store.WriteOptions{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	want := map[string]string{}
	for key, d := range w.documents() {
		_, want[key] = d.newest()
	}
	if len(want) != 9 || len(w.object("shared").Values) != 32 {
		t.Errorf("%d secrets, %d versions of the shared one; want 9 and 32", len(want), len(w.object("shared").Values))
	}
	w.wantIndex(app, want)
}
