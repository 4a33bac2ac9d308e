package engine_test

import (
	"maps"
	"testing"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
)

func TestRevisionsAreOneListing(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("a", "one")
	w.client(ops).put("hidden", canary)
	c := w.client(app)
	c.mem.DenyKeys(w.mem.KeyID(ops))
	loaded := c.load()
	c.calls()
	now, err := c.Revisions(t.Context(), service)
	if err != nil || len(now) != 2 || now["hidden"] == "" || !maps.Equal(now, loaded.Revisions) {
		t.Errorf("revisions %v, of the load %v, error %v", now, loaded.Revisions, err)
	}
	c.wantCalls("list ")
	c.fails("list", "", 1, bucket.ErrUnavailable)
	_, err = c.Revisions(t.Context(), service)
	w.want(err, store.ErrUnavailable)
}

// TestRevisionsOfALoadAreThoseOfItsListing: a change during the load must be noticed behind it.
func TestRevisionsOfALoadAreThoseOfItsListing(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("a", "one")
	w.chamberPuts(app, "a", "one", "two") // the index doesn't vouch for it: the object is read
	c := w.client(app)
	c.before("get", "a.json", 1, func() { w.client(app).put("a", "three") })
	loaded := c.wantLoad(map[string]string{"a": "three"})
	now, err := c.Revisions(t.Context(), service)
	if err != nil || now["a"] == loaded.Revisions["a"] || now["a"] != loaded.Secrets[0].Revision {
		t.Errorf("revisions %v, of the load %v, of the secret %q, error %v", now, loaded.Revisions, loaded.Secrets[0].Revision, err)
	}
}

func TestAnUnlistedServiceHasNoRevisions(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("a", "one")
	for _, except := range [][]string{nil, {"api/__kms"}} {
		c := w.client(app)
		c.mem.DenyListing(except...)
		if loaded := c.wantLoad(map[string]string{"a": "one"}); loaded.Revisions != nil {
			t.Errorf("revisions of the load: %v", loaded.Revisions)
		}
		_, err := c.Revisions(t.Context(), service)
		w.want(err, store.ErrDenied)
	}
}
