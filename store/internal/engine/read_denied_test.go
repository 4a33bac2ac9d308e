package engine_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/engine"
)

func TestDeniedIndexHidesItsSecrets(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("a", "one")
	w.client(ops).put("b", canary)
	c := w.client(app)
	c.mem.DenyKeys(w.mem.KeyID(ops))

	contents := c.wantLoad(map[string]string{"a": "one"})
	if !slices.Equal(contents.Hidden, []string{"b"}) || contents.Listed != 2 {
		t.Errorf("hidden %q of %d", contents.Hidden, contents.Listed)
	}
	want := []store.DeniedIndex{{Object: "api/" + opsIndex, KeyAlias: "alias_ops", Code: "AccessDenied"}}
	if diff := cmp.Diff(want, contents.Denied); diff != "" {
		t.Error("denied:", diff)
	}
	// A HEAD opens no seal: no request is refused but that for the index.
	c.wantCalls("list ", "get "+appIndex, "get "+opsIndex, "head "+opsIndex, "head b.json")

	// Our own index is denied under its full name.
	own := w.client(app)
	own.mem.DenyKeys(w.mem.KeyID(app))
	contents = own.wantLoad(map[string]string{"b": canary})
	if len(contents.Denied) != 1 || contents.Denied[0].KeyAlias != app || !slices.Equal(contents.Hidden, []string{"a"}) {
		t.Errorf("denied %+v, hidden %q", contents.Denied, contents.Hidden)
	}
}

func TestMarksSpareRequests(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(ops).put("b", "two")
	w.client(app).put("a", "one") // sees that b is another's, and notes it
	c := w.client(app)
	c.mem.DenyKeys(w.mem.KeyID(ops))
	if contents := c.wantLoad(map[string]string{"a": "one"}); !slices.Equal(contents.Hidden, []string{"b"}) {
		t.Errorf("hidden %q", contents.Hidden)
	}
	c.wantCalls("list ", "get "+appIndex, "get "+opsIndex)

	// A newer state of the object is not what was noted.
	w.client(ops).put("b", "three")
	c.load()
	c.wantCalls("list ", "get "+appIndex, "get "+opsIndex, "head "+opsIndex, "head b.json")
}

func TestAMarkOfOneIndexHidesNothingOfAnother(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(ops).put("b", "two")
	web1 := w.client(web)
	web1.put("c", "three")
	web1.fails("put", index2(web), 1, bucket.ErrDenied)
	_, err := web1.write("late", "v", store.WriteOptions{}) // its index stays behind
	w.want(err, store.ErrIndexBehind)
	w.client(app).put("a", "one") // notes that c and late are another's

	c := w.client(app)
	c.mem.DenyKeys(w.mem.KeyID(ops))
	contents := c.wantLoad(map[string]string{"a": "one", "c": "three", "late": "v"})
	if !slices.Equal(contents.Hidden, []string{"b"}) {
		t.Errorf("hidden %q", contents.Hidden)
	}
}

func index2(alias string) string { return strings.TrimPrefix(indexName(alias), service+"/") }

func TestAKeyThatOpensAnIndexHidesNothing(t *testing.T) {
	// alias/ops shares its key with alias/app, and its index is denied by a policy of its name.
	w := newWorld(t, membucket.Options{KeyID: func(string) string { return "shared" }})
	w.client(app).put("a", "one")
	w.client(ops).put("b", "two")
	w.chamberPuts(app, "a", "one", "two")
	c := w.client(app)
	c.fails("get", opsIndex, 1, bucket.ErrDenied)
	if contents := c.wantLoad(map[string]string{"a": "two", "b": "two"}); len(contents.Hidden) != 0 || len(contents.Denied) != 1 {
		t.Errorf("hidden %q, denied %+v", contents.Hidden, contents.Denied)
	}
}

func TestRefusedHeadMeansLook(t *testing.T) {
	for name, spoil := range map[string]func(*client){
		"of the index":  func(c *client) { c.fails("head", opsIndex, 1, bucket.ErrDenied) },
		"of the object": func(c *client) { c.fails("head", "b.json", 1, bucket.ErrDenied) },
		"for good":      func(c *client) { c.fails("head", opsIndex, 1, bucket.ErrRefused) },
		"gone":          func(c *client) { c.fails("head", opsIndex, 1, bucket.ErrNotFound) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, membucket.Options{})
			w.client(app).put("a", "one")
			w.client(ops).put("b", "two")
			c := w.client(app)
			c.mem.DenyKeys(w.mem.KeyID(ops))
			spoil(c)
			if contents := c.wantLoad(map[string]string{"a": "one"}); !slices.Equal(contents.Hidden, []string{"b"}) {
				t.Errorf("hidden %q", contents.Hidden)
			}
			if calls := c.calls(); !slices.Contains(calls, "get b.json") {
				t.Errorf("requests: %q", calls)
			}
		})
	}
	for _, object := range []string{opsIndex, "b.json"} {
		w := newWorld(t, membucket.Options{})
		w.client(app).put("a", "one")
		w.client(ops).put("b", "two")
		c := w.client(app)
		c.mem.DenyKeys(w.mem.KeyID(ops))
		c.fails("head", object, 1, bucket.ErrUnavailable)
		_, err := c.Load(t.Context(), service)
		w.want(err, store.ErrUnavailable)
	}
}

func TestAMissingIndexIsNoDeniedIndex(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(ops).put("b", "two")
	c := w.client(app)
	c.fails("get", appIndex, 1, bucket.ErrDenied) // 403 for what is missing; the listing knows better
	if contents := c.wantLoad(map[string]string{"b": "two"}); len(contents.Denied) != 0 {
		t.Errorf("denied %+v", contents.Denied)
	}
}

func TestUnlistedServiceIsVerifiedByHead(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	a := w.client(app)
	a.put("a", "one")
	a.put("ghost", "of before")
	w.client(ops).put("b", "two")
	w.erase("api/ghost.json")
	w.chamberPuts(app, "a", "one", "two")

	c := w.client(app)
	c.mem.DenyListing("api/__kms")
	contents := c.load()
	if diff := cmp.Diff(map[string]string{"a": "two", "b": "two"}, values(contents)); diff != "" {
		t.Error("loaded:", diff)
	}
	// Missing and denied look alike here: what cannot be seen is told.
	if contents.Unlisted || !slices.Equal(contents.Hidden, []string{"ghost"}) || len(contents.Denied) != 0 || len(contents.Notices) != 1 {
		t.Errorf("unlisted %v, hidden %q, denied %+v, notices %q", contents.Unlisted, contents.Hidden, contents.Denied, contents.Notices)
	}
	c.wantCalls("list ", "list __kms", "get "+appIndex, "get "+opsIndex, "head a.json", "head b.json", "head ghost.json", "get a.json", "get ghost.json")

	// A server that tells what is missing.
	c.fails("head", "ghost.json", 1, bucket.ErrNotFound)
	if contents := c.wantLoad(map[string]string{"a": "two", "b": "two"}); len(contents.Hidden) != 0 {
		t.Errorf("hidden %q", contents.Hidden)
	}
	c.fails("head", "b.json", 1, bucket.ErrUnavailable)
	_, err := c.Load(t.Context(), service)
	w.want(err, store.ErrUnavailable)
	c.fails("list", "__kms", 1, bucket.ErrUnavailable)
	_, err = c.Load(t.Context(), service)
	w.want(err, store.ErrUnavailable)
	c.fails("get", opsIndex, 1, bucket.ErrUnavailable)
	_, err = c.Load(t.Context(), service)
	w.want(err, store.ErrUnavailable)
}

func TestUnlistedServiceWithoutOurIndex(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(ops).put("b", "two")
	c := w.client(app)
	c.mem.DenyListing("api/__kms")
	c.fails("get", appIndex, 1, bucket.ErrDenied) // the name is listable: it is missing
	if contents := c.wantLoad(map[string]string{"b": "two"}); len(contents.Denied) != 0 {
		t.Errorf("denied %+v", contents.Denied)
	}
}

func TestServiceThatMayNotBeListedAtAll(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("a", "one")
	w.client(ops).put("b", "two")
	c := w.client(app)
	c.mem.DenyListing()
	if contents := c.wantLoad(map[string]string{"a": "one"}); !contents.Unlisted || len(contents.Denied) != 0 {
		t.Errorf("unlisted %v, denied %+v", contents.Unlisted, contents.Denied)
	}
	// No index: missing or denied, nobody can tell.
	other := w.client(web)
	other.mem.DenyListing()
	if contents := other.wantLoad(nil); !contents.Unlisted || len(contents.Denied) != 1 || contents.Listed != 0 {
		t.Errorf("unlisted %v, denied %+v, %d listed", contents.Unlisted, contents.Denied, contents.Listed)
	}
	// The plain shape has one index.
	w2 := newWorld(t, membucket.Options{})
	w2.client("").put("a", "one")
	plain := w2.client("")
	plain.mem.DenyListing("api/__")
	plain.wantLoad(map[string]string{"a": "one"})
}

func TestUnverifiedTrustsTheIndex(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("a", "one")
	w.chamberIndexes(ops, map[string]string{"c": "of chamber"})
	c := w.client(app, func(o *engine.Options) { o.Unverified = true })
	c.mem.DenyListing("api/__kms")
	for _, key := range []string{"a", "c"} {
		c.fails("head", key+".json", 1, bucket.ErrDenied)
		c.fails("get", key+".json", 1, bucket.ErrDenied)
	}
	contents := c.wantLoad(map[string]string{"a": "one"})
	if !slices.Equal(contents.Hidden, []string{"c"}) { // no tag: there is nothing to trust
		t.Errorf("hidden %q", contents.Hidden)
	}
	strict := w.client(app)
	strict.mem.DenyListing("api/__kms")
	strict.fails("head", "a.json", 1, bucket.ErrDenied)
	strict.fails("get", "a.json", 1, bucket.ErrDenied)
	if contents := strict.wantLoad(nil); !slices.Equal(contents.Hidden, []string{"a", "c"}) {
		t.Errorf("hidden %q", contents.Hidden)
	}
}
