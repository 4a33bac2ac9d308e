package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
)

func TestInspectAsksOnceAndOpensOnlyWhatNobodyVouchesFor(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("a", "1")
	w.client(app).put("b", "1")
	w.client(ops).put("o", "1")
	c := w.client(app)
	in := c.inspect()
	c.wantCalls("list ", "get "+appIndex, "get "+opsIndex, "head a.json", "head b.json", "head o.json", "head "+appIndex, "head "+opsIndex)
	var secrets []string
	for _, s := range in.Secrets {
		secrets = append(secrets, fmt.Sprintf("%s %d %s %s %s", s.ID.Key, s.Version, s.KeyAlias, s.Sealed, s.KeyID))
		if s.Created.IsZero() || s.CreatedBy != author {
			t.Errorf("%s was made %v by %q", s.ID.Key, s.Created, s.CreatedBy)
		}
	}
	sealed := func(alias string) string { return alias + " aws:kms " + w.mem.KeyID(alias) }
	if diff := cmp.Diff([]string{"a 1 " + sealed(app), "b 1 " + sealed(app), "o 1 " + sealed(ops)}, secrets); diff != "" {
		t.Error("secrets:", diff)
	}
	want := []admin.InspectedIndex{
		{Object: indexName(app), KeyAlias: app, Sealed: "aws:kms", KeyID: w.mem.KeyID(app), Entries: 2},
		{Object: indexName(ops), KeyAlias: ops, Sealed: "aws:kms", KeyID: w.mem.KeyID(ops), Entries: 1},
	}
	if diff := cmp.Diff(want, in.Indexes); diff != "" {
		t.Error("indexes:", diff)
	}
}

func TestInspectAlarmsNobodyWhereAnIndexIsDenied(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("a", "1")
	w.client(ops).put("o", "1")
	c := w.client(app)
	c.mem.DenyKeys(w.mem.KeyID(ops))
	in := c.inspect()
	for _, call := range c.calls() {
		if call == "get o.json" {
			t.Error("it asked for what it may not open")
		}
	}
	if o := in.Secrets[1]; !o.Hidden || o.KeyAlias != ops || o.KeyID != w.mem.KeyID(ops) || o.Version != 0 {
		t.Errorf("the hidden secret is %+v", o)
	}
	if x := in.Indexes[1]; !errors.Is(x.Err, store.ErrDenied) || x.KeyID != w.mem.KeyID(ops) {
		t.Errorf("the denied index is %+v", x)
	}
}

func TestInspectLooksAgainWhereSomebodyWrites(t *testing.T) {
	for _, op := range []string{"get", "head"} {
		w := newWorld(t, membucket.Options{})
		w.client(app).put("a", "1")
		w.client(app).put("b", "1")
		c := w.client(app)
		c.before("head", "a.json", 1, func() { w.client(app).put("a", "2") })
		c.before(op, appIndex, 1, func() { w.client(app).put("b", "2") })
		if _, err := c.Inspect(t.Context(), service); err != nil {
			t.Fatal(err)
		}
		c.wantTold()

		// Deleted, and made anew, between its index and itself: that is no rollback.
		c = w.client(app)
		c.before("head", "a.json", 1, func() {
			if err := w.client(app).remove("a"); err != nil {
				t.Error(err)
			}
			w.client(app).put("a", "new")
		})
		in, err := c.Inspect(t.Context(), service)
		if err != nil || len(in.Findings) > 0 {
			t.Errorf("findings %v, %v", told(in.Findings), err)
		}
	}
}

func TestWhoMayNotListIsTold(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("a", "1")
	c := w.client(app)
	c.mem.DenyListing()
	_, err := c.Inspect(t.Context(), service)
	w.want(err, store.ErrDenied)
	_, err = c.Repair(t.Context(), service)
	w.want(err, store.ErrDenied)
	_, err = c.Occupied(t.Context(), "")
	w.want(err, store.ErrDenied)
	_, err = c.Inspect(t.Context(), "no service")
	w.want(err, store.ErrInvalid)
}

func TestOccupiedNamesServicesWithoutSecretsToo(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("a", "1")
	w.chamberIndexes(app, nil)
	w.plant("left/"+appIndex, map[string]any{}, w.kms(app))
	w.plant("left/worker/x.json", map[string]any{}, w.kms(app))
	w.plant("notes/readme.txt", "", bucket.Seal{})
	w.plant("__share/api/1-2", "", bucket.Seal{})
	w.plant("api/__probe/x.json", "", bucket.Seal{})
	for prefix, want := range map[string][]string{"": {"api", "left", "left/worker"}, "le": {"left", "left/worker"}, "x": nil} {
		got, err := w.client(app).Occupied(t.Context(), prefix)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v; want %v", prefix, got, err, want)
		}
	}
}
