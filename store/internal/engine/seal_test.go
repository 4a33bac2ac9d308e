package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/engine"
)

func knows(keys map[string]string) func(*engine.Options) {
	return func(o *engine.Options) {
		o.KeyID = func(_ context.Context, alias string) string { return keys[alias] }
	}
}

func TestAStoreThatDoesNotEncryptIsRefused(t *testing.T) {
	for name, o := range map[string]membucket.Options{
		"conditional delete": {NoSeal: true}, "none": {NoSeal: true, NoConditionalDelete: true}, "AES256": {Method: "AES256"},
	} {
		w := newWorld(t, o)
		c := w.client(app)
		_, err := c.write("a", canary, store.WriteOptions{})
		w.want(err, store.ErrCorrupt)
		var seal *store.SealError
		if !errors.As(err, &seal) || seal.Object != "api/a.json" || seal.Want != "aws:kms" {
			t.Errorf("%s: error %v", name, err)
		}
		if all := w.mem.Objects(); len(all) != 0 { // it was taken back at once
			t.Errorf("%s: there remain %d objects", name, len(all))
		}
	}
	// What cannot be taken back is said.
	w := newWorld(t, membucket.Options{NoSeal: true})
	c := w.client(app)
	c.fails("delete", "a.json", 1, bucket.ErrDenied)
	_, err := c.write("a", canary, store.WriteOptions{})
	w.want(err, store.ErrCorrupt, store.ErrDenied)
	if !strings.Contains(err.Error(), "could not be undone") {
		t.Errorf("error %v", err)
	}
}

func TestAPutUnderAnotherKeyIsTakenBack(t *testing.T) {
	key := "right"
	w := newWorld(t, membucket.Options{KeyID: func(string) string { return key }})
	c := w.client(app, knows(map[string]string{app: "right"}))
	c.put("first", "one")
	key = "wrong"
	_, err := c.write("a", canary, store.WriteOptions{})
	w.want(err, store.ErrCorrupt)
	var seal *store.SealError
	if !errors.As(err, &seal) || seal.KeyID != "wrong" || !strings.Contains(seal.Want, "right") {
		t.Errorf("error %v", err)
	}
	if w.object("a") != nil || len(w.index(app).Entries) != 1 {
		t.Error("it still exists")
	}
	// Its answer may be lost.
	c.loses("put", "a.json", 1, bucket.ErrUnavailable)
	_, err = c.write("a", canary, store.WriteOptions{})
	w.want(err, store.ErrCorrupt)
	if w.object("a") != nil {
		t.Error("it still exists")
	}
	// So may that of taking it back, whose repetition then finds nothing.
	c.loses("delete", "a.json", 1, bucket.ErrNotFound)
	_, err = c.write("a", canary, store.WriteOptions{})
	w.want(err, store.ErrCorrupt)
	if w.object("a") != nil || strings.Contains(err.Error(), "could not be undone") {
		t.Errorf("error %v; want that it is taken back", err)
	}
	// An older secret keeps the versions that it had.
	key = "right"
	c.put("a", "one")
	key = "wrong"
	_, err = c.write("a", canary, store.WriteOptions{})
	w.want(err, store.ErrCorrupt)
	if d := w.object("a"); len(d.Values) != 2 || !strings.Contains(err.Error(), "is stored") {
		t.Errorf("object %+v, error %v", d, err)
	}
}

func TestKeysAreComparedWithWhatIsKnown(t *testing.T) {
	for name, test := range map[string]struct {
		stored, known string
		fails         bool
	}{
		"KMS says so":                     {"arn:1", "arn:1", false},
		"KMS says nothing":                {"arn:1", "", false},
		"KMS says another":                {"arn:1", "arn:2", true},
		"a server that names the alias":   {app, "arn:2", false},
		"MinIO":                           {"arn:aws:kms:" + app, "arn:2", false},
		"a server that names another one": {ops, "arn:2", true},
		"the server names none":           {"", "arn:2", false},
	} {
		w := newWorld(t, membucket.Options{KeyID: func(string) string { return test.stored }})
		c := w.client(app, knows(map[string]string{app: test.known}))
		_, err := c.WriteAll(t.Context(), service, map[string]store.Value{"a": store.NewValue("v"), "b": store.NewValue("v")}, store.WriteOptions{})
		if (err != nil) != test.fails {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The first index of an alias tells no key: a rekey asks KMS what the alias stands for.
func TestARekeyUnderAnotherKeyIsNoSuccess(t *testing.T) {
	for kms, fails := range map[string]bool{"arn:new": false, "": false, "arn:other": true} {
		w := newWorld(t, membucket.Options{KeyID: func(alias string) string {
			if alias == ops {
				return "arn:new"
			}
			return "arn:old"
		}})
		w.client(app).put("k", "v")
		results, err := w.client(ops, knows(map[string]string{ops: kms})).Rekey(t.Context(), service, admin.RekeyOptions{})
		if moved := err == nil && len(results) == 1 && results[0].Outcome == store.Moved; moved == fails {
			t.Errorf("KMS says %q: %+v, error %v", kms, results, err)
		}
	}
}

func TestKMSIsNotAskedWhileTheIndexKnows(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	asked := 0
	c := w.client(app, func(o *engine.Options) {
		o.KeyID = func(context.Context, string) string { asked++; return membucket.KeyID(app) }
	})
	c.put("a", "one")
	if asked != 0 {
		t.Errorf("KMS was asked %d times for the first secret", asked)
	}
	c.put("a", "two")
	c.put("b", "two")
	c.load()
	if err := c.remove("a"); err != nil {
		t.Fatal(err)
	}
	if asked != 0 {
		t.Errorf("KMS was asked %d times", asked)
	}
	// A service that begins with several secrets has no index that knows.
	values := map[string]store.Value{"a": store.NewValue("v"), "b": store.NewValue("v")}
	if _, err := c.WriteAll(t.Context(), "other", values, store.WriteOptions{}); err != nil || asked != 1 {
		t.Errorf("KMS was asked %d times, error %v", asked, err)
	}
}

func TestARetargetedAliasMovesItsIndex(t *testing.T) {
	key := "old"
	w := newWorld(t, membucket.Options{KeyID: func(string) string { return key }})
	c := w.client(app, knows(nil))
	c.put("a", "one")
	c.put("b", "two")
	key = "new"
	c.put("a", "three")
	objects := w.mem.Objects()
	if got := objects[indexName(app)].Seal.KeyID; got != "new" {
		t.Errorf("the index is under %q", got)
	}
	w.wantIndex(app, map[string]string{"a": "three", "b": "two"})
	if objects["api/a.json"].Seal.KeyID != "new" || objects["api/b.json"].Seal.KeyID != "old" {
		t.Error("a write moves what it writes, and nothing else")
	}
}

func TestAPlantedIndexVouchesForNothing(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	c.put("a", "one")
	c.put("b", "two")
	// Sealed by KMS, but with the attacker's own key; and a.json is denied to us by its name.
	w.plant(indexName(app), map[string]any{"latest": map[string]any{
		"a": map[string]any{"version": 9, "value": canary, "KMSAlias": app, "etag": w.object("a").tag},
		"b": map[string]any{"version": 9, "value": canary, "KMSAlias": app, "etag": w.object("b").tag},
	}, "seq": 7}, bucket.Seal{Method: "aws:kms", KeyID: "arn:attacker"})
	c.fails("get", "a.json", every, bucket.ErrDenied)
	c.fails("head", "a.json", every, bucket.ErrDenied)
	c.put("d", "four")
	w.wantIndex(app, map[string]string{"b": "two", "d": "four"})
	if o := w.mem.Objects()[indexName(app)]; o.Seal != w.kms(app) || strings.Contains(string(o.Body), canary) || w.index(app).Seq != 8 {
		t.Errorf("the index is %s, sealed with %+v", o.Body, o.Seal)
	}
}

func TestAnUnsealedIndexIsTakenBack(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	bad := func(o *engine.Options) {
		o.Vouch = func(object string, s bucket.Seal) error {
			if strings.HasSuffix(object, appIndex) {
				return &store.SealError{Object: object}
			}
			return nil
		}
	}
	_, err := w.client(app, bad).write("a", canary, store.WriteOptions{})
	w.want(err, store.ErrIndexBehind, store.ErrCorrupt)
	if w.index(app) != nil {
		t.Error("it still exists")
	}
	w.client(app).wantLoad(map[string]string{"a": canary})
}

// A second revocation gives the alias another key while the first one encrypts again. A key that the alias never had
// stays a fault.
func TestAKeyThatTheAliasGotMeanwhileIsNoFault(t *testing.T) {
	for stored, fails := range map[string]bool{"third": false, "stranger": true} {
		key, current := "first", "first"
		w := newWorld(t, membucket.Options{KeyID: func(string) string { return key }})
		c := w.client(app, func(o *engine.Options) { o.KeyID = func(context.Context, string) string { return current } })
		c.put("a", "one")
		key, current = "second", "second"
		c.before("put", "a.json", 1, func() { key, current = stored, "third" })
		results, err := c.Rekey(t.Context(), service, admin.RekeyOptions{Rewrite: true})
		if len(results) != 1 || errors.Is(results[0].Err, store.ErrCorrupt) != fails || (err == nil && results[0].Err == nil) == fails {
			t.Errorf("stored under the %s key: %+v, error %v", stored, results, err)
		}
	}
}
