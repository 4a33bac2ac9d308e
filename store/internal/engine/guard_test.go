package engine_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/engine"
)

// wantAlias checks a refusal that names both aliases.
func (w *world) wantAlias(err error, have, want string) {
	w.Helper()
	w.want(err, store.ErrConflict)
	var alias *store.AliasError
	if !errors.As(err, &alias) || alias.Have != have || alias.Want != want {
		w.Errorf("error is %v; want one that says %q and %q", err, have, want)
	}
}

func TestWriteRefusesAnotherAliasSecret(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(ops).put("a", "theirs")
	c := w.client(app)
	_, err := c.write("a", canary, store.WriteOptions{})
	w.wantAlias(err, ops, app)
	_, err = c.write("a", canary, store.WriteOptions{Adopt: true, SkipUnchanged: true}) // it says whose it is
	w.wantAlias(err, ops, app)
	c.calls()
	w.wantAlias(c.remove("a"), ops, app)
	for _, call := range c.calls() {
		if call[:3] == "put" || call[:3] == "del" {
			t.Errorf("a refused delete makes the request %q", call)
		}
	}
	if d := w.object("a"); len(d.Values) != 1 || d.Alias != ops {
		t.Errorf("a: %+v", d)
	}
	if w.index(app) != nil {
		t.Error("a refused write made an index")
	}
}

func TestWriteOfAnObjectThatMayNotBeReadIsRefused(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(ops).put("a", "theirs")
	c := w.client(app)
	c.mem.DenyKeys(w.mem.KeyID(ops))
	_, err := c.write("a", canary, store.WriteOptions{})
	w.want(err, store.ErrDenied)
	w.want(c.remove("a"), store.ErrDenied)
	// 403 for an object that the listing does not show means that it is not there.
	c.fails("get", "new.json", 1, bucket.ErrDenied)
	if r := c.put("new", "v"); r.Outcome != store.Created {
		t.Errorf("outcome %s", r.Outcome)
	}
}

func TestWriteUnderADeniedIndexIsRefused(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("a", "one")
	c := w.client(app)
	c.fails("get", appIndex, every, bucket.ErrDenied)
	_, err := c.write("new", canary, store.WriteOptions{})
	w.want(err, store.ErrDenied)
	w.want(c.remove("a"), store.ErrDenied)
	if w.object("new") != nil || w.object("a") == nil {
		t.Error("it was done all the same")
	}
}

// chambersObjects are objects that don't name their alias, and whose they are.
var chambersObjects = map[string]struct {
	prepare func(w *world)
	keys    struct{ app, ops string } // behind the aliases, where KMS may be asked
	options store.WriteOptions
	refused bool
	have    string // of the refusal
}{
	"an entry of ours": {prepare: func(w *world) {
		w.chamberPuts(app, "k", "v")
		w.chamberIndexes(app, map[string]string{"k": "v"})
	}},
	"an entry of another": {prepare: func(w *world) {
		w.chamberPuts(ops, "k", "v")
		w.chamberIndexes(ops, map[string]string{"k": "v"})
	}, refused: true, have: ops},
	"an entry of another, adopted": {prepare: func(w *world) {
		w.chamberPuts(ops, "k", "v")
		w.chamberIndexes(ops, map[string]string{"k": "v"})
	}, options: store.WriteOptions{Adopt: true}, refused: true, have: ops},
	"a verified entry of another beats ours": {prepare: func(w *world) {
		w.chamberPuts(ops, "k", "v")
		w.chamberIndexes(app, map[string]string{"k": "stale"})
		w.plant(indexName(ops), map[string]any{"latest": map[string]any{
			"k": map[string]any{"version": 1, "value": "v", "KMSAlias": ops, "etag": w.object("k").tag},
		}}, w.kms(ops))
	}, refused: true, have: ops},
	"entries of both, the key decides for us": {prepare: func(w *world) {
		w.chamberPuts(app, "k", "v")
		w.chamberIndexes(app, map[string]string{"k": "v"})
		w.chamberIndexes(ops, map[string]string{"k": "v"})
	}},
	"entries of both, the key decides for the other": {prepare: func(w *world) {
		w.chamberPuts(ops, "k", "v")
		w.chamberIndexes(app, map[string]string{"k": "v"})
		w.chamberIndexes(ops, map[string]string{"k": "v"})
	}, refused: true, have: ops},
	"entries of both, under a third key": {prepare: func(w *world) {
		w.chamberPuts(web, "k", "v")
		w.chamberIndexes(app, map[string]string{"k": "v"})
		w.chamberIndexes(ops, map[string]string{"k": "v"})
	}, refused: true},
	"no entry, the key of our index": {prepare: func(w *world) {
		w.chamberPuts(app, "k", "v")
		w.chamberIndexes(app, map[string]string{"x": "v"})
	}},
	"no entry, another key": {prepare: func(w *world) {
		w.chamberPuts(ops, "k", "v")
		w.chamberIndexes(app, map[string]string{"x": "v"})
	}, refused: true},
	"no entry, another key, adopted": {prepare: func(w *world) {
		w.chamberPuts(ops, "k", "v")
		w.chamberIndexes(app, map[string]string{"x": "v"})
	}, options: store.WriteOptions{Adopt: true}},
	"no index, KMS knows the key": {
		prepare: func(w *world) { w.chamberPuts(app, "k", "v") },
		keys:    struct{ app, ops string }{app: membucket.KeyID(app)},
	},
	"no index, KMS knows another key": {
		prepare: func(w *world) { w.chamberPuts(app, "k", "v") },
		keys:    struct{ app, ops string }{app: "arn:other"}, refused: true,
	},
	"no index, KMS knows nothing": {prepare: func(w *world) { w.chamberPuts(app, "k", "v") }, refused: true},
	"no index, nothing known, adopted": {
		prepare: func(w *world) { w.chamberPuts(app, "k", "v") },
		options: store.WriteOptions{Adopt: true},
	},
	"no key is told": {prepare: func(w *world) {
		w.chamberPuts(app, "k", "v")
		w.mem.Plant("api/k.json", w.mem.Objects()["api/k.json"].Body, bucket.Seal{Method: "aws:kms"})
		w.chamberIndexes(app, map[string]string{"x": "v"})
	}, refused: true},
}

// Whose is an object that does not say so? (W2)
func TestOwnerOfChambersObjects(t *testing.T) {
	for name, test := range chambersObjects {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, membucket.Options{})
			test.prepare(w)
			c := w.client(app, func(o *engine.Options) {
				o.KeyID = func(_ context.Context, alias string) string {
					return map[string]string{app: test.keys.app, ops: test.keys.ops}[alias]
				}
			})
			_, err := c.write("k", "ours", test.options)
			d := w.object("k")
			if !test.refused {
				if err != nil || d.Alias != app || d.Values["2"].Value != "ours" || d.seal != w.kms(app) {
					t.Errorf("error %v, object %+v", err, d)
				}
				if e := w.index(app).Entries["k"]; e.Value.Reveal() != "ours" || e.Tag != d.tag {
					t.Errorf("the index has %+v", e)
				}
				return
			}
			w.wantAlias(err, test.have, app)
			if len(d.Values) != 1 {
				t.Error("it was written")
			}
		})
	}
}

func TestGuardNeedsTheOtherIndexes(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.chamberPuts(ops, "k", "v")
	w.chamberIndexes(ops, map[string]string{"k": "v"})
	for _, key := range []string{"k", "new"} { // for a new one: what its last version was
		c := w.client(app)
		c.fails("get", opsIndex, 1, bucket.ErrUnavailable)
		_, err := c.write(key, canary, store.WriteOptions{})
		w.want(err, store.ErrUnavailable)
	}
	c := w.client(app)
	c.fails("get", opsIndex, 1, bucket.ErrUnavailable)
	w.want(c.remove("k"), store.ErrUnavailable)
}

func TestOfRacingAliasesOneWins(t *testing.T) {
	for range 20 {
		w := newWorld(t, membucket.Options{})
		var errs [2]error
		var group sync.WaitGroup
		for i, alias := range []string{app, ops} {
			c := w.client(alias)
			group.Go(func() { _, errs[i] = c.write("k", alias, store.WriteOptions{}) })
		}
		group.Wait()
		winner, loser := app, 1
		if errs[0] != nil {
			winner, loser = ops, 0
		}
		w.wantAlias(errs[loser], winner, []string{app, ops}[loser])
		if errs[1-loser] != nil {
			t.Fatalf("both fail: %v", errs)
		}
		w.wantIndex(winner, map[string]string{"k": winner})
		if d := w.object("k"); d.Alias != winner || len(d.Values) != 1 {
			t.Errorf("object %+v", d)
		}
	}
}

func TestASecretThatMovesDuringAWriteIsLeftThere(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("k", "one")
	c := w.client(app)
	c.before("put", "k.json", 1, func() { // rekeyed
		w.erase("api/k.json")
		w.client(ops).put("k", "moved")
	})
	_, err := c.write("k", canary, store.WriteOptions{})
	w.wantAlias(err, ops, app)

	// Moved right after our put, before our index update: it is no entry of ours.
	c2 := w.client(app)
	c2.before("list", "", 2, func() {
		w.erase("api/l.json")
		w.client(ops).put("l", "moved")
	})
	c2.put("l", "ours")
	if _, ok := w.index(app).Entries["l"]; ok {
		t.Error("index of alias/app holds a secret of alias/ops")
	}
}

func TestTwoAliasesWithOneFileName(t *testing.T) {
	const slash, underscore = "alias/team/one", "alias/team_one"
	w := newWorld(t, membucket.Options{})
	w.client(slash).put("a", "one")
	c := w.client(underscore)
	_, err := c.write("b", canary, store.WriteOptions{})
	w.wantAlias(err, slash, underscore)
	var clash *store.AliasError
	if !errors.As(err, &clash) || clash.Index == "" {
		t.Errorf("error %v does not name the file", err)
	}
	w.wantAlias(c.remove("a"), slash, underscore)
	if w.object("b") != nil {
		t.Error("it was written")
	}
	w.wantIndex(slash, map[string]string{"a": "one"})
	c.wantLoad(map[string]string{"a": "one"})
	w.client(app).wantLoad(map[string]string{"a": "one"})

	// Another alias' index whose name hides a slash is still known by its entries.
	if contents := w.client(app).load(); contents.Secrets[0].KeyAlias != slash {
		t.Errorf("alias %q", contents.Secrets[0].KeyAlias)
	}
	_, err = w.client(app).write("a", canary, store.WriteOptions{})
	w.wantAlias(err, slash, app)

	// The clash arises between our look and our index update.
	late := newWorld(t, membucket.Options{})
	c = late.client(underscore)
	c.before("put", "__kms_alias_team_one__latest.json", 1, func() { late.client(slash).put("a", "one") })
	_, err = c.write("b", "v", store.WriteOptions{})
	late.want(err, store.ErrIndexBehind)
	late.wantAlias(err, slash, underscore)
	late.wantIndex(slash, map[string]string{"a": "one"})
}

func TestPlainStoreHasNoAliases(t *testing.T) {
	w := newWorld(t, membucket.Options{Method: "AES256", ETags: membucket.MD5ETags})
	c := w.client("", func(o *engine.Options) { o.Vouch = nil })
	c.put("a", "one")
	c.put("a", "two")
	if d := w.object("a"); d.Alias != "" || d.seal.Method != "AES256" {
		t.Errorf("object %+v", d)
	}
	c.wantLoad(map[string]string{"a": "two"})
	if err := c.remove("a"); err != nil {
		t.Fatal(err)
	}
	c.wantLoad(nil)
	if x := w.index(""); len(x.Entries) != 0 {
		t.Errorf("index %+v", x)
	}
}
