package engine_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/engine"
)

// wantRollback checks that readers are refused for the sake of one secret.
func (w *world) wantRollback(alias, key string, have, newest int) {
	w.Helper()
	_, err := w.client(alias).Load(w.Context(), service)
	var rollback *store.RollbackError
	if !errors.As(err, &rollback) || rollback.Object != "api/"+key+".json" || rollback.Have != have || rollback.Newest != newest {
		w.Errorf("load: %v; want %s at version %d, once at %d", err, key, have, newest)
	}
}

// putBack makes an object what it was before do.
func (w *world) putBack(key string, do func()) {
	w.Helper()
	old := w.stored()["api/"+key+".json"]
	do()
	w.mem.Plant(old.Name, old.Body, old.Seal)
}

// outdated is a service in which password was at version 3, and is at version 2 again.
func outdated(w *world, alias string) {
	c := w.client(alias)
	c.put("password", "one")
	c.put("password", "two")
	c.put("other", "o1")
	c.put("dead", "d1")
	c.removed("dead")
	w.client(ops).put("elsewhere", "e1")
	w.putBack("password", func() { c.put("password", "three") })
	w.wantRollback(alias, "password", 2, 3)
}

func heard(notices *[]string) func(*engine.Options) {
	return func(o *engine.Options) { o.Notice = func(text string) { *notices = append(*notices, text) } }
}

// rollbackSteps are what commands do to a service in which a secret was put back.
var rollbackSteps = map[string]struct {
	alias  string // "" the plain backend: of the others too, unless noted
	silent bool   // it has nothing to do with the index
	do     func(ctx context.Context, c *client) error
}{
	"write": {app, false, func(_ context.Context, c *client) error {
		_, err := c.write("other", "o2", store.WriteOptions{})
		return err
	}},
	"write on the plain backend": {"", false, func(_ context.Context, c *client) error {
		_, err := c.write("other", "o2", store.WriteOptions{})
		return err
	}},
	"a new secret": {app, false, func(_ context.Context, c *client) error {
		_, err := c.write("new", "n1", store.WriteOptions{})
		return err
	}},
	"write of another key's": {ops, true, func(_ context.Context, c *client) error {
		_, err := c.write("elsewhere", "e2", store.WriteOptions{})
		return err
	}},
	"import": {app, false, func(ctx context.Context, c *client) error {
		_, err := c.WriteAll(ctx, service, map[string]store.Value{"a": store.NewValue("1"), "other": store.NewValue("2")}, store.WriteOptions{})
		return err
	}},
	"delete": {app, false, func(_ context.Context, c *client) error { return c.remove("other") }},
	"delete of nothing": {app, false, func(_ context.Context, c *client) error {
		if err := c.remove("nothing"); !errors.Is(err, store.ErrNotFound) {
			return err
		}
		return nil
	}},
	"purge":   {app, false, func(ctx context.Context, c *client) error { _, _, err := c.Purge(ctx, service, "other"); return err }},
	"restore": {app, false, func(_ context.Context, c *client) error { _, err := c.undelete("dead", ""); return err }},
	"doctor":  {app, true, func(ctx context.Context, c *client) error { _, err := c.Repair(ctx, service); return err }},
	"rekey to another key": {ops, false, func(ctx context.Context, c *client) error {
		results, err := c.Rekey(ctx, service, admin.RekeyOptions{})
		var rollback *store.RollbackError
		if !errors.As(err, &rollback) || len(results) == 0 {
			c.w.Errorf("rekey: %+v, error %v; want other moved, and password left", results, err)
		}
		return nil
	}},
	"rekey to the key that the alias stands for": {app, false, func(ctx context.Context, c *client) error {
		_, err := c.Rekey(ctx, service, admin.RekeyOptions{Rewrite: true})
		return err
	}},
}

// No step that is about something else takes the evidence of a rollback away, and each that
// meets it says so.
func TestARollbackStaysUntilItIsDecided(t *testing.T) {
	versioned := membucket.Options{Versioned: true}
	for name, step := range rollbackSteps {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, versioned)
			home := step.alias
			if home == ops {
				home = app
			}
			outdated(w, home)
			var notices []string
			for range 2 {
				if err := step.do(t.Context(), w.client(step.alias, heard(&notices))); err != nil && name != "restore" && !errors.Is(err, store.ErrNotFound) {
					t.Fatal(err)
				}
				w.wantRollback(home, "password", 2, 3)
			}
			said := slices.ContainsFunc(notices, func(n string) bool {
				return strings.Contains(n, "api/password is at version 2, but version 3 was written") && strings.Contains(n, "coffer doctor --fix --allow-rollback api")
			})
			if said == step.silent {
				t.Errorf("said: %q", notices)
			}

			// Whoever accepts it ends it, and the next number is above all.
			if _, err := w.client(home, func(o *engine.Options) { o.AllowRollback = true }).Repair(t.Context(), service); err != nil {
				t.Fatal(err)
			}
			if got := values(w.client(home).load())["password"]; got != "two" {
				t.Errorf("accepted: %q", got)
			}
			if r := w.client(home).put("password", "four"); r.Meta.Version != 4 {
				t.Errorf("the next version is %d; want 4", r.Meta.Version)
			}
		})
	}
}

// A new version of the secret itself decides, and so does its deletion. Both say what they met.
func TestWhatIsDoneToASecretThatWasPutBackSaysSo(t *testing.T) {
	for name, do := range map[string]func(c *client) int{
		"write": func(c *client) int { return c.put("password", "four").Meta.Version },
		"write of the value that it has": func(c *client) int {
			r, err := c.write("password", "two", store.WriteOptions{IfVersion: ptr(2), SkipUnchanged: true})
			if err != nil || r.Meta.Version != 4 {
				c.w.Errorf("%+v, error %v", r, err)
			}
			return c.put("password", "four").Meta.Version - 1
		},
		"delete": func(c *client) int { c.removed("password"); return c.put("password", "four").Meta.Version },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, membucket.Options{Versioned: true})
			outdated(w, app)
			var notices []string
			if n := do(w.client(app, heard(&notices))); n != 4 {
				t.Errorf("version %d; want 4", n)
			}
			if len(notices) != 1 || !strings.HasPrefix(notices[0], "api/password was at version 2, although version 3 had been written") {
				t.Errorf("said: %q", notices)
			}
			if got := values(w.client(app).load())["password"]; got != "four" {
				t.Errorf("password is %q", got)
			}
		})
	}
}

// A rekey that is undone from outside leaves the secret under a key that its last writer cannot
// use. He cannot see its version: he keeps the number.
func TestARollbackUnderAnotherKeyStays(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("password", "one")
	w.client(ops).put("other", "o1")
	w.putBack("password", func() {
		w.client(app).put("password", "two")
		w.rekeyed(ops)
	})
	w.wantRollback(ops, "password", 1, 2)
	c := w.client(ops)
	c.mem.DenyKeys(c.mem.KeyID(app))
	c.put("other", "o2")
	if _, stays := w.index(ops).Entries["password"]; stays {
		t.Error("the value of a secret under another key stays in the index")
	}
	w.wantRollback(ops, "password", 1, 2)
	w.client(ops).put("other", "o3") // who can read both
	w.wantRollback(ops, "password", 1, 2)
	if r := w.client(app).put("password", "three"); r.Meta.Version != 3 {
		t.Errorf("version %d; want 3", r.Meta.Version)
	}
	w.client(ops).wantLoad(map[string]string{"password": "three", "other": "o3"})
}

// Whoever accepts it ends it, also where the index that has the number has no entry of the secret, and
// the index of the alias under which the secret is now goes on above that number.
func TestARollbackUnderAnotherKeyCanBeAccepted(t *testing.T) {
	for name, accept := range map[string]bool{"accepted": true, "decided by a write": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, membucket.Options{})
			w.client(app).put("password", "one")
			w.client(ops).put("other", "o1")
			w.putBack("password", func() {
				w.client(app).put("password", "two")
				w.rekeyed(ops)
			})
			c := w.client(ops)
			c.mem.DenyKeys(c.mem.KeyID(app))
			c.put("other", "o2")
			w.client(app).put("another", "a1") // index(app) vouches for version 1 from here
			if accept {
				both := w.client(ops, func(o *engine.Options) { o.AllowRollback = true })
				if _, err := both.Repair(t.Context(), service); err != nil {
					t.Fatal(err)
				}
				w.client(ops).wantLoad(map[string]string{"password": "one", "other": "o2", "another": "a1"})
				if found := w.client(ops).inspect().Findings; len(found) > 0 {
					t.Errorf("doctor: %q", told(found))
				}
			}
			if r := w.client(app).put("password", "three"); r.Meta.Version != 3 {
				t.Errorf("version %d; want 3, as 2 was another value", r.Meta.Version)
			}
			w.client(ops).wantLoad(map[string]string{"password": "three", "other": "o2", "another": "a1"})
		})
	}
}

// The state that was put back is our alias', the evidence another one's: who takes the secret into our
// index says so, and does not make the number free.
func TestWhoTakesARollbackIntoAnotherIndexSaysSo(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(ops).put("password", "one")
	w.putBack("password", func() {
		w.rekeyed(app)
		w.client(app).put("password", "two")
	})
	w.wantRollback(app, "password", 1, 2)
	var notices []string
	w.client(ops, heard(&notices)).put("other", "o1")
	if len(notices) != 1 || !strings.HasPrefix(notices[0], "api/password is at version 1, but version 2 was written") {
		t.Errorf("said: %q", notices)
	}
	w.wantRollback(ops, "password", 1, 2)
	if r := w.client(ops).put("password", "three"); r.Meta.Version != 3 {
		t.Errorf("version %d; want 3, as 2 was another value", r.Meta.Version)
	}
	w.client(app).wantLoad(map[string]string{"password": "three", "other": "o1"})
}

// An index under another key vouches for nothing, and what it has seen is not forgotten for that.
func TestARollbackSurvivesThatTheAliasGetsAnotherKey(t *testing.T) {
	w := newWorld(t, membucket.Options{Versioned: true})
	outdated(w, app)
	x := w.stored()[indexName(app)]
	w.mem.Plant(x.Name, []byte(strings.ReplaceAll(string(x.Body), `"three"`, `"planted"`)), bucket.Seal{Method: "aws:kms", KeyID: "another key"})
	w.client(app).put("other", "o2")
	w.wantRollback(app, "password", 2, 3)
	if e := w.index(app).Entries["password"]; e.Value.Reveal() == "planted" {
		t.Error("a value that nobody vouches for was put under the right key")
	}
	if r := w.client(app).put("dead", "again"); r.Meta.Version != 2 {
		t.Errorf("version %d of a secret that was deleted at 1", r.Meta.Version)
	}
}

// Evidence in one index counts though another one vouches for what the object is now.
func TestAnIndexThatVouchesDoesNotHideARollback(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("password", "one")
	before := w.stored()[indexName(app)]
	w.putBack("password", func() {
		w.client(app).put("password", "two")
		w.rekeyed(ops)
	})
	x, err := index.Parse(app, before.Body)
	if err != nil {
		t.Fatal(err)
	}
	e := x.Entries["password"]
	e.Tag = string(w.stored()["api/password.json"].Tag) // as a store whose tags are hashes has it
	x.Entries["password"] = e
	body, err := x.Encode()
	if err != nil {
		t.Fatal(err)
	}
	w.mem.Plant(indexName(app), body, w.kms(app))
	w.wantRollback(ops, "password", 1, 2)
	if found := told(w.client(ops).inspect().Findings); !slices.Contains(found, "error rollback password") {
		t.Errorf("doctor: %q", found)
	}
}

// Two indexes say different things of one object: it is asked, by readers and by writers.
func TestTheObjectDecidesBetweenTwoIndexes(t *testing.T) {
	for name, lie := range map[string]func(e *index.Entry){
		"value":     func(e *index.Entry) { e.Value = store.NewValue("a lie") },
		"version":   func(e *index.Entry) { e.Version = 1 },
		"alias":     func(*index.Entry) {},
		"tombstone": nil,
	} {
		for _, owner := range []string{app, ops} {
			t.Run(name+" of "+owner, func(t *testing.T) {
				w := newWorld(t, membucket.Options{})
				other := map[string]string{app: ops, ops: app}[owner]
				w.client(owner).put("a", "zero")
				w.client(owner).put("a", "true")
				w.client(other).put("b", "b1")
				x := w.index(other)
				e := w.index(owner).Entries["a"]
				if e.Alias = other; lie != nil {
					lie(&e)
					x.Entries["a"] = e
				} else {
					x.Gone["a"] = e.Tag
				}
				x.Other = map[string]string{}
				body, err := x.Encode()
				if err != nil {
					t.Fatal(err)
				}
				w.mem.Plant(indexName(other), body, w.kms(other))

				c := w.client(owner).wantLoad(map[string]string{"a": "true", "b": "b1"})
				if c.Secrets[0].Version != 2 || c.Secrets[0].KeyAlias != owner || c.Listed != 2 {
					t.Errorf("loaded %+v, %d listed", c.Secrets[0], c.Listed)
				}
				w.client(owner).put("new", "n") // reads the other indexes, as a new secret may be in one
				w.wantIndex(owner, map[string]string{"a": "true", "new": "n"})
				w.client(other).put("more", "m")
				w.wantIndex(other, map[string]string{"b": "b1", "more": "m"})
				w.client(owner).wantLoad(map[string]string{"a": "true", "b": "b1", "new": "n", "more": "m"})
			})
		}
	}
}

// Two other indexes claim a secret for which ours does not vouch: neither is believed.
func TestTwoClaimsOfOthersDoNotTakeASecretAway(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	c.fails("put", appIndex, 1, bucket.ErrDenied)
	w.client(app).put("other", "o1")
	if _, err := c.write("a", "mine", store.WriteOptions{}); !errors.Is(err, store.ErrIndexBehind) {
		t.Fatal(err)
	}
	for _, alias := range []string{ops, web} {
		w.client(alias).put("of-"+alias[6:], "v")
		x := w.index(alias)
		delete(x.Other, "a")
		x.Entries["a"] = index.Entry{Version: 1, Value: store.NewValue("a lie"), Alias: alias, Tag: w.object("a").tag}
		body, err := x.Encode()
		if err != nil {
			t.Fatal(err)
		}
		w.mem.Plant(indexName(alias), body, w.kms(alias))
	}
	w.client(app).put("other", "o2")
	w.wantIndex(app, map[string]string{"a": "mine", "other": "o2"})
}

// Whose a secret is that says nothing of it itself, an index alone knows. A writer who cannot tell leaves that as it is.
func TestAClaimIsNotDropped(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("other", "o1")
	w.client(ops).put("elsewhere", "e1")
	w.chamberPuts(app, "k", "v1")
	o := w.stored()["api/k.json"]
	w.mem.Plant(o.Name, o.Body, bucket.Seal{Method: "aws:kms"}) // a server that names no keys
	for _, alias := range []string{app, ops} {
		w.chamberIndexes(alias, map[string]string{"k": "v1"})
	}
	w.client(app).put("other", "o2")
	if _, kept := w.index(app).Entries["k"]; !kept {
		t.Error("the claim of alias/app to k is gone, so that alias/ops has it")
	}
}

// rekeyed moves all secrets to an alias.
func (w *world) rekeyed(alias string) {
	w.Helper()
	if _, err := w.client(alias).Rekey(w.Context(), service, admin.RekeyOptions{}); err != nil {
		w.Fatal(err)
	}
}
