package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
)

// keeping are the ways in which a bucket keeps what is deleted.
var keeping = map[string]membucket.Options{
	"marks":      {Versioned: true},
	"tombstones": {Versioned: true, NoConditionalDelete: true, ETags: membucket.MD5ETags},
}

func inEach(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	for name, o := range keeping {
		t.Run(name, func(t *testing.T) { test(t, newWorld(t, o)) })
	}
}

// removed must succeed.
func (c *client) removed(keys ...string) {
	c.w.Helper()
	if err := c.remove(keys...); err != nil {
		c.w.Fatalf("delete %v: %v", keys, err)
	}
}

func (c *client) undelete(key, at string) (store.Result, error) {
	return c.Undelete(c.w.Context(), id(key), admin.UndeleteOptions{At: at})
}

// restored must succeed.
func (c *client) restored(key, at string, version int) {
	c.w.Helper()
	r, err := c.undelete(key, at)
	if err != nil || r.Outcome != store.Restored || r.Meta.Version != version {
		c.w.Fatalf("restore %s: %+v, error %v; want version %d", key, r, err, version)
	}
}

// candidates lists, each as "key: version of versions", or with why it cannot be read.
func (c *client) candidates(keys ...string) ([]string, []admin.Candidate) {
	c.w.Helper()
	found, err := c.Deleted(c.w.Context(), service, keys...)
	if err != nil {
		c.w.Fatalf("deleted: %v", err)
	}
	var out []string
	for _, f := range found {
		text := fmt.Sprintf("%s: %d of %d", f.ID.Key, f.Version, f.Versions)
		if f.Err != nil {
			text = f.ID.Key + ": unreadable"
		}
		if f.State == "" || f.Stored.IsZero() || f.Deleted.IsZero() || f.Err == nil && (f.CreatedBy == "" || f.Created.IsZero()) {
			c.w.Errorf("candidate %+v", f)
		}
		out = append(out, text)
	}
	return out, found
}

func (c *client) wantCandidates(want ...string) []admin.Candidate {
	c.w.Helper()
	got, found := c.candidates()
	if diff := cmp.Diff(want, got); diff != "" {
		c.w.Error("candidates:", diff)
	}
	return found
}

func (w *world) wantHistory(c *client, key string, want ...string) {
	w.Helper()
	var got []string
	versions, err := c.History(w.Context(), id(key))
	for _, m := range versions {
		s, readErr := c.Read(w.Context(), id(key), m.Version)
		err = errors.Join(err, readErr)
		got = append(got, fmt.Sprintf("%d=%s", m.Version, s.Value.Reveal()))
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		w.Errorf("history of %s: error %v, %s", key, err, diff)
	}
}

func TestAnOlderStateTakesNoNumberTwice(t *testing.T) {
	inEach(t, func(t *testing.T, w *world) {
		c := w.client(app)
		for _, v := range []string{"one", "two", "three"} {
			c.put("a", v)
		}
		c.removed("a")
		found := c.wantCandidates("a: 3 of 3", "a: 2 of 2", "a: 1 of 1")
		c.restored("a", found[1].State, 4) // 3 was another value
		w.wantHistory(c, "a", "1=one", "2=two", "4=two")
		w.wantIndex(app, map[string]string{"a": "two"})
		c.removed("a")
		c.restored("a", "1", 5)
		w.wantHistory(c, "a", "1=one", "5=one")
		c.removed("a")
		_, err := c.undelete("a", "7")
		w.want(err, store.ErrNotFound)
		_, err = c.undelete("a", "no such state")
		w.want(err, store.ErrNotFound)
	})

	// An index that remembers a higher one counts too.
	w := newWorld(t, membucket.Options{Versioned: true})
	c := w.client(app)
	c.put("a", "one")
	c.put("a", "two")
	c.fails("put", appIndex, 1, bucket.ErrDenied)
	w.want(c.remove("a"), store.ErrIndexBehind)
	w.client(app).restored("a", "1", 3)
}

func TestStatesThatCannotBeRead(t *testing.T) {
	w := newWorld(t, membucket.Options{Versioned: true})
	w.client(app).put("a", "one")
	w.client(app).put("a", "two")
	if _, err := w.client(ops).Rekey(t.Context(), service, admin.RekeyOptions{}); err != nil {
		t.Fatal(err)
	}
	w.client(ops).put("o", "theirs")
	w.client(ops).put("a", canary)
	w.client(ops).removed("a")

	c := w.client(app)
	c.mem.DenyKeys(c.mem.KeyID(ops))
	found := c.wantCandidates("a: unreadable", "a: unreadable", "a: 2 of 2", "a: 1 of 1")
	if !errors.Is(found[0].Err, store.ErrDenied) {
		t.Errorf("error %v", found[0].Err)
	}
	_, err := c.undelete("a", "") // not an older one in its place
	w.want(err, store.ErrDenied)
	_, err = c.undelete("a", found[1].State)
	w.want(err, store.ErrDenied)
	// Each state that cannot be read may have had a version of its own.
	c.restored("a", found[2].State, 5)
	w.wantHistory(c, "a", "1=one", "2=two", "5=two")

	// Who may not read a tombstone is told of no deleted secret: it is hidden, as a live one is.
	w = newWorld(t, keeping["tombstones"])
	w.client(ops).put("a", canary)
	w.client(ops).removed("a")
	c = w.client(app)
	c.mem.DenyKeys(c.mem.KeyID(ops))
	c.wantCandidates()
	_, err = c.undelete("a", "")
	w.want(err, store.ErrDenied)
}

func TestForgedStatesAreRefused(t *testing.T) {
	w := newWorld(t, membucket.Options{Versioned: true})
	c := w.client(app)
	c.put("a", "one")
	w.mem.Plant("api/a.json", w.stored()["api/a.json"].Body, bucket.Seal{Method: "AES256"})
	w.erase("api/a.json")
	if found := c.wantCandidates("a: unreadable", "a: 1 of 1"); !errors.Is(found[0].Err, store.ErrCorrupt) {
		t.Errorf("error %v", found[0].Err)
	}
	_, err := c.undelete("a", "")
	w.want(err, store.ErrCorrupt)
}

func TestDeletedFindsEverySecretThatIsGone(t *testing.T) {
	inEach(t, func(t *testing.T, w *world) {
		c := w.client(app)
		for _, key := range []string{"a", "b", "live"} {
			c.put(key, "one")
		}
		w.chamberPuts(app, "drifted", "one")
		c.put("a", "two")
		c.removed("a", "b")
		c.put("b", "another life")
		c.removed("b")
		c.wantCandidates("a: 2 of 2", "a: 1 of 1", "b: 2 of 1", "b: 1 of 1")
		if got, _ := c.candidates("A", "live", "nothing"); !slices.Equal(got, []string{"a: 2 of 2", "a: 1 of 1"}) {
			t.Errorf("candidates of one: %q", got)
		}
		c.calls()
		c.candidates("a")
		for _, call := range c.calls() {
			if strings.HasPrefix(call, "put") || strings.HasPrefix(call, "delete") {
				t.Error(call)
			}
		}
	})
}

func TestATwinIsNotMade(t *testing.T) {
	inEach(t, func(t *testing.T, w *world) {
		c := w.client(app)
		c.put("a", canary)
		c.removed("a")
		w.chamberPuts(app, "A", "theirs")
		_, err := c.undelete("a", "")
		w.want(err, store.ErrConflict)

		// Nor is it purged in the place of the other.
		c = w.client(app)
		results, _, err := c.Purge(t.Context(), service, "a")
		if err != nil || results[0].Outcome != store.Purged {
			t.Errorf("results %+v, error %v", results, err)
		}
		w.wantNoVersionTells(canary)
		c.wantLoad(map[string]string{"A": "theirs"})
		_, _, err = c.Purge(t.Context(), service, "A", "a")
		w.want(err, store.ErrInvalid)
	})
}

func TestABucketWithoutVersionsKeepsNothing(t *testing.T) {
	for name, o := range map[string]membucket.Options{"delete": {}, "tombstone": {NoConditionalDelete: true}} {
		w := newWorld(t, o)
		c := w.client(app)
		c.put("a", canary)
		c.put("a", canary)
		if kept, err := c.Residue(t.Context(), service); err != nil || len(kept) != 1 || kept[0].Old+kept[0].Marks != 0 || !kept[0].Live {
			t.Errorf("%s: residue %+v, error %v", name, kept, err)
		}
		if removed := c.purge("a"); len(removed) > 0 {
			t.Errorf("%s: removed %v", name, removed)
		}
		w.wantNowhere(canary)
		c.wantCandidates()
		_, err := c.undelete("a", "")
		w.want(err, store.ErrNotFound)
	}
}

func TestAStorageWithoutVersionsSaysSo(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	c.put("a", canary)
	c.Bucket = struct{ bucket.Bucket }{c.Bucket}
	_, err := c.undelete("a", "")
	w.want(err, store.ErrUnsupported)
	_, err = c.Deleted(t.Context(), service)
	w.want(err, store.ErrUnsupported)
	_, err = c.Residue(t.Context(), service)
	w.want(err, store.ErrUnsupported)
	_, _, err = c.Purge(t.Context(), service, "a")
	w.want(err, store.ErrUnsupported)
	c.wantLoad(map[string]string{"a": canary})
	_, err = c.Deleted(t.Context(), "no/../service")
	w.want(err, store.ErrInvalid)
}

func TestVersionsOfThePlainIndex(t *testing.T) {
	w := newWorld(t, membucket.Options{Versioned: true})
	c := w.client("")
	c.put("a", canary)
	c.put("a", "two")
	c.removed("a")
	c.restored("a", "", 2)
	w.wantHistory(c, "a", "1="+canary, "2=two")
	c.purge("a")
	w.wantNoVersionTells(canary)
}

func TestNoVersionNumberIsLeftToRestore(t *testing.T) {
	w := newWorld(t, membucket.Options{Versioned: true})
	c := w.client(app)
	c.put("a", "one")
	top := map[string]any{"9223372036854775807": map[string]any{"created": w.Now(), "created_by": "x", "version": 1, "value": "last"}}
	w.plant(service+"/a.json", map[string]any{"service": service, "key": "/api/a", "kms_alias": app, "values": top}, w.kms(app))
	w.erase(service + "/a.json")
	_, err := c.undelete("a", "1")
	w.want(err, store.ErrCorrupt)
}
