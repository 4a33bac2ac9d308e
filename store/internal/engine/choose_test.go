package engine_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
)

// salts returns the salts of a secret's versions, oldest first.
func (c *client) salts(key string) (out []store.Salt) {
	c.w.Helper()
	versions, err := c.Versions(c.w.Context(), id(key))
	if err != nil {
		c.w.Fatalf("versions of %s: %v", key, err)
	}
	for _, v := range versions {
		out = append(out, v.Salt)
	}
	return out
}

func TestEachVersionHasASaltOfItsOwnThatStays(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	c.put("k", "same")
	c.put("k", "same")
	before := c.salts("k")
	if len(before) != 2 || before[0] == before[1] || len(before[0].Reveal()) != 32 || len(before[1].Reveal()) != 32 {
		t.Fatalf("salts of the two versions: %d, or equal", len(before))
	}
	if got := c.load().Secrets[0].Salt; got != before[1] {
		t.Error("the index has another salt than the object")
	}
	c.put("k", "other")
	if _, err := w.client(ops).Rekey(t.Context(), service, admin.RekeyOptions{}); err != nil {
		t.Fatal(err)
	}
	moved := w.client(ops)
	after := moved.salts("k")
	if len(after) != 3 || after[0] != before[0] || after[1] != before[1] || after[2] == before[1] || after[2] == (store.Salt{}) {
		t.Error("a write or a rekey changed the salt of a version")
	}
	if got := moved.load().Secrets[0].Salt; got != after[2] {
		t.Error("after a rekey the index has another salt than the object")
	}
}

func TestVersionsOfChamberGetASaltAtTheNextWrite(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.chamberPuts(app, "k", "one", "two")
	w.chamberIndexes(app, map[string]string{"k": "two"})
	c := w.client(app)
	if salts := c.salts("k"); salts[0] != (store.Salt{}) || salts[1] != (store.Salt{}) {
		t.Fatal("what chamber wrote has salts")
	}
	c.put("k", "three")
	first := c.salts("k")
	c.put("k", "four")
	if second := c.salts("k"); slices.Contains(second, store.Salt{}) || !slices.Equal(second[:3], first) {
		t.Error("a version of chamber has no salt, or another at each write")
	}
}

func TestAChoiceReadsOnlyTheObjectsThatItNeeds(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	for _, key := range []string{"changed", "same", "unwanted"} {
		w.client(app).put(key, "one")
	}
	w.client(app).put("changed", "two")
	c := w.client(app)
	choice := store.Choice{
		Wanted: func(key string) bool { return key != "unwanted" },
		Newest: func(s store.Secret) bool { return s.ID.Key == "same" },
		Pick:   func(versions []store.Version) int { return versions[0].Version },
	}
	contents, err := c.LoadChosen(t.Context(), service, choice)
	if diff := cmp.Diff(map[string]string{"changed": "one", "same": "one"}, values(contents)); err != nil || diff != "" {
		t.Errorf("error %v, loaded: %s", err, diff)
	}
	c.wantCalls("list ", "get "+indexFile(app), "get changed.json")
}

func TestAHistoryShowsWhatIsMissing(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	c.put("again", "one")
	if err := c.remove("again"); err != nil {
		t.Fatal(err)
	}
	c.put("again", "two")
	for n := range 103 {
		c.put("many", fmt.Sprint(n))
	}
	c.put("new", "one")
	histories := map[string][]store.Version{}
	_, err := c.LoadChosen(t.Context(), service, store.Choice{Pick: func(versions []store.Version) int {
		histories[versions[0].ID.Key] = versions
		return 0
	}})
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]struct {
		first, versions int
		gap             bool
	}{"again": {2, 1, true}, "many": {3, 101, true}, "new": {1, 1, false}} {
		h := histories[key]
		if len(h) != want.versions || h[0].Version != want.first || h[0].Gap != want.gap {
			t.Errorf("%s: %d versions from %d on; want %d from %d on, gap %v", key, len(h), h[0].Version, want.versions, want.first, want.gap)
		}
		if slices.ContainsFunc(h[1:], func(v store.Version) bool { return v.Gap }) {
			t.Errorf("%s has a gap within", key)
		}
	}
}

func TestDeletedSecretsOfAServiceAreNamed(t *testing.T) {
	for name, o := range map[string]membucket.Options{"deleted": {}, "tombstones": {NoConditionalDelete: true}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, o)
			c := w.client(app)
			for _, key := range []string{"a", "b", "c"} {
				c.put(key, "one")
			}
			if err := c.remove("b", "c"); err != nil {
				t.Fatal(err)
			}
			c.put("c", "two")
			contents, err := w.client(app).LoadChosen(t.Context(), service, store.Choice{Newest: func(store.Secret) bool { return true }})
			if err != nil || !slices.Equal(contents.Deleted, []string{"b"}) {
				t.Errorf("deleted: %q, error %v; want b", contents.Deleted, err)
			}
		})
	}
}

// TestAChoiceHidesWhatALoadHides: secrets under a key that the caller may not use are hidden, not missing.
func TestAChoiceHidesWhatALoadHides(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("mine", "one")
	w.client(ops).put("theirs", canary)
	c := w.client(app)
	c.mem.DenyKeys(w.mem.KeyID(ops))
	contents, err := c.LoadChosen(t.Context(), service, store.Choice{Pick: func(versions []store.Version) int { return versions[0].Version }})
	if err != nil || !slices.Equal(contents.Hidden, []string{"theirs"}) || len(contents.Secrets) != 1 {
		t.Errorf("hidden %q, %d secrets, error %v", contents.Hidden, len(contents.Secrets), err)
	}
}
