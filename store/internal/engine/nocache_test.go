package engine_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
)

func (c *client) forbid(alias string, forbid, changed bool) {
	c.w.Helper()
	if got, err := c.ForbidCache(c.w.Context(), service, alias, forbid); err != nil || got != changed {
		c.w.Errorf("changed: %t, error %v; want %t", got, err, changed)
	}
}

func (c *client) wantForbidden(aliases ...string) {
	c.w.Helper()
	if got := c.load().NoCache; !slices.Equal(got, aliases) {
		c.w.Errorf("forbidden for %q; want %q", got, aliases)
	}
}

func TestTheOwnerForbidsToCacheAnAlias(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c, o := w.client(app), w.client(ops)
	c.put("a", "one")
	o.put("b", "two")
	c.wantForbidden()
	before, err := c.Revisions(t.Context(), service)
	if err != nil {
		t.Fatal(err)
	}
	_, indexes, err := c.AllRevisions(t.Context(), service)
	if err != nil {
		t.Fatal(err)
	}
	c.forbid(ops, true, true) // by a client of another alias
	c.forbid(ops, true, false)
	c.wantForbidden(ops)
	for _, x := range c.inspect().Indexes {
		if x.NoCache != (x.KeyAlias == ops) {
			t.Errorf("%s: %t", x.Object, x.NoCache)
		}
	}

	// A reader who compares revisions notices it, and one who compares only those of secrets does not.
	now, nowIndexes, err := c.AllRevisions(t.Context(), service)
	if err != nil || !maps.Equal(now, before) || maps.Equal(nowIndexes, indexes) || !maps.Equal(nowIndexes, c.load().Indexes) {
		t.Errorf("secrets %v, then %v; indexes %v, then %v; error %v", before, now, indexes, nowIndexes, err)
	}

	// It stays with every change of the index, until it is taken back.
	o.put("b", "three")
	o.put("c", "four")
	for _, key := range []string{"c", "b"} {
		if err := o.remove(key); err != nil {
			t.Fatal(err)
		}
	}
	c.wantForbidden(ops)
	o.put("d", "five")
	c.wantForbidden(ops)
	c.forbid(ops, false, true)
	c.wantForbidden()
	w.wantIndex(ops, map[string]string{"d": "five"})
}

func TestARuleForAnAliasThatTheServiceDoesNotHaveIsNotFound(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("a", "one")
	objects := len(w.stored())
	_, err := w.client(app).ForbidCache(t.Context(), service, ops, true)
	w.want(err, store.ErrNotFound)
	if len(w.stored()) != objects {
		t.Error("an index was made")
	}
	c := w.client(app)
	c.mem.DenyKeys(w.mem.KeyID(app))
	_, err = c.ForbidCache(t.Context(), service, app, true)
	w.want(err, store.ErrDenied)
}

// TestTheRuleMovesWithTheLastSecret: a new key must not allow what the owner has forbidden.
func TestTheRuleMovesWithTheLastSecret(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("a", "one")
	w.client(app).put("b", "two")
	w.client(app).forbid(app, true, true)
	c := w.client(ops)
	if _, err := c.Rekey(t.Context(), service, admin.RekeyOptions{From: app}); err != nil {
		t.Fatal(err)
	}
	c.wantForbidden(ops)
}

// TestTheRuleMeetsAWriter: each of them repeats its put on the index of the other.
func TestTheRuleMeetsAWriter(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("a", "one")
	c := w.client(app)
	c.before("put", "__latest.json", 1, func() { w.client(app).put("b", "two") })
	c.forbid(app, true, true)
	writer := w.client(app)
	writer.before("put", "__latest.json", 1, func() { w.client(app).forbid(app, false, true) })
	writer.put("c", "three")
	c.wantForbidden()
	w.wantIndex(app, map[string]string{"a": "one", "b": "two", "c": "three"})
	lost := w.client(app)
	lost.loses("put", "__latest.json", 1, bucket.ErrUnavailable)
	lost.forbid(app, true, true)
	c.wantForbidden(app)
}

// TestTheRuleIsAnUnknownMemberForOlderReaders: those keep it, as they keep every member that they don't know.
func TestTheRuleIsAnUnknownMemberForOlderReaders(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("a", "one")
	w.client(app).forbid(app, true, true)
	for name, o := range w.stored() {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(o.Body, &members); err != nil {
			t.Fatal(err)
		}
		if rule, isIndex := members["no_cache"], members["latest"] != nil; isIndex != (string(rule) == "true") {
			t.Errorf("%s: %s", name, rule)
		}
	}
}
