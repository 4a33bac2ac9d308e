package engine_test

import (
	"fmt"
	"testing"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
)

// writeAll writes several secrets as import does.
func (c *client) writeAll(values map[string]string, o store.WriteOptions) ([]store.Result, error) {
	many := map[string]store.Value{}
	for key, v := range values {
		many[key] = store.NewValue(v)
	}
	o.SkipUnchanged = true
	return c.WriteAll(c.w.Context(), service, many, o)
}

// plantIndex puts an index as it is, behind everybody's back.
func (w *world) plantIndex(alias string, x *index.Index) {
	w.Helper()
	body, err := x.Encode()
	if err != nil {
		w.Fatal(err)
	}
	w.mem.Plant(indexName(alias), body, w.kms(alias))
}

func TestUnchangedValuesCostNoRequest(t *testing.T) {
	for _, alias := range []string{app, ""} {
		w := newWorld(t, membucket.Options{})
		c := w.client(alias)
		indexFile := map[string]string{app: appIndex, "": "__latest.json"}[alias]
		values := map[string]string{}
		for i := range 20 {
			values[fmt.Sprintf("k%d", i)] = fmt.Sprint("v", i)
		}
		first, err := c.writeAll(values, store.WriteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		c.calls()
		again, err := c.writeAll(values, store.WriteOptions{})
		if err != nil || len(again) != len(first) {
			t.Fatalf("%d results, error %v", len(again), err)
		}
		for i, r := range again {
			if r.Outcome != store.Unchanged || r.Meta != first[i].Meta {
				t.Errorf("%+v; written %+v", r, first[i])
			}
		}
		c.wantCalls("list ", "get "+indexFile)

		values["k3"] = "other"
		if _, err := c.writeAll(values, store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
		c.wantCalls("list ", "get "+indexFile, "get k3.json", "put k3.json", "list ", "put "+indexFile)
	}
}

// What no index vouches for is decided by its object.
func TestAValueIsUnchangedOnlyIfAnIndexVouchesForIt(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(w *world)
		value   string // of the secret a that is written
		outcome store.Outcome
		have    string // the alias under which a is found to be
	}{
		"chamber wrote the object": {func(w *world) { w.chamberPuts(app, "a", "one", "two") }, "one", store.Updated, ""},
		"chamber wrote the index":  {func(w *world) { w.chamberIndexes(app, map[string]string{"a": "wrong", "b": "b"}) }, "wrong", store.Updated, ""},
		"another index says something else": {func(w *world) {
			w.rekeyed(ops)
			x := index.New(app)
			x.Entries["a"] = index.Entry{Version: 1, Value: store.NewValue("a lie"), Alias: app, Tag: w.object("a").tag}
			w.plantIndex(app, x)
		}, "a lie", store.Failed, ops},
		"a rekey has announced it": {func(w *world) {
			w.rekeyed(ops)
			x := w.index(ops)
			e := x.Entries["a"]
			e.Moving, e.Alias = true, app
			y := index.New(app)
			y.Entries["a"] = e
			w.plantIndex(app, y)
			w.erase(indexName(ops))
		}, "one", store.Failed, ops},
		"a higher version was seen": {func(w *world) {
			x := w.index(app)
			x.Seen["a"] = 2
			w.plantIndex(app, x)
		}, "one", store.Updated, ""},
		"a higher version was seen by another index": {func(w *world) {
			w.client(ops).put("o", "o")
			x := w.index(ops)
			x.Seen["a"] = 2
			w.plantIndex(ops, x)
		}, "one", store.Updated, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, membucket.Options{})
			c := w.client(app)
			c.put("a", "one")
			c.put("b", "b")
			test.prepare(w)
			results, err := c.writeAll(map[string]string{"a": test.value, "b": "b"}, store.WriteOptions{})
			if len(results) != 2 || results[0].Outcome != test.outcome {
				t.Fatalf("%+v, error %v; want %s", results, err, test.outcome)
			}
			if test.have != "" {
				w.wantAlias(results[0].Err, test.have, app)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			w.client(app).wantLoad(contentsOf(w, map[string]string{"a": test.value, "b": "b"}))
		})
	}
}

// contentsOf adds the secret that only some scenes have.
func contentsOf(w *world, values map[string]string) map[string]string {
	if _, ok := w.stored()["api/o.json"]; ok {
		values["o"] = "o"
	}
	return values
}

// A version or tags that were asked for are of the object.
func TestAConditionOnTheVersionIsNotSettledByAnIndex(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	values := map[string]string{"a": "one", "b": "two"}
	if _, err := c.writeAll(values, store.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err := c.writeAll(values, store.WriteOptions{IfVersion: ptr(5)})
	w.want(err, store.ErrConflict)
}

// If the other indexes can't be read, the objects decide.
func TestUnchangedValuesWithoutTheOtherIndexes(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	values := map[string]string{"a": "one", "b": "two"}
	if _, err := c.writeAll(values, store.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.client(ops).put("o", "o")
	c.calls()
	c.fails("get", opsIndex, every, bucket.ErrUnavailable)
	results, err := c.writeAll(values, store.WriteOptions{})
	if err != nil || results[0].Outcome != store.Unchanged {
		t.Errorf("%+v, error %v", results, err)
	}
	c.wantCalls("list ", "get "+appIndex, "get "+opsIndex, "get a.json", "get b.json")

	other := w.client(app)
	other.mem.DenyKeys(other.mem.KeyID(ops))
	if results, err := other.writeAll(values, store.WriteOptions{}); err != nil || results[1].Outcome != store.Unchanged {
		t.Errorf("%+v, error %v", results, err)
	}
	other.wantCalls("list ", "get "+appIndex, "get "+opsIndex)
}
