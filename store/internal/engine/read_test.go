package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/buckettest"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
)

const (
	appIndex = "__kms_alias_app__latest.json"
	opsIndex = "__kms_alias_ops__latest.json"
)

func TestLoadCostsOneListingAndOneGetForEachIndex(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	a := w.client(app)
	for i := range 20 {
		a.put(fmt.Sprintf("k%d", i), "v")
	}
	reader := w.client(app)
	if c := reader.load(); len(c.Secrets) != 20 || c.Listed != 20 || len(c.Notices) != 0 {
		t.Errorf("%d secrets, %d listed, notices %q", len(c.Secrets), c.Listed, c.Notices)
	}
	reader.wantCalls("list ", "get "+appIndex)

	w.client(ops).put("k20", "v")
	if c := reader.load(); len(c.Secrets) != 21 {
		t.Errorf("%d secrets", len(c.Secrets))
	}
	reader.wantCalls("list ", "get "+appIndex, "get "+opsIndex)
}

func TestLoadTellsEverythingOfASecret(t *testing.T) {
	for _, alias := range []string{app, ""} {
		w := newWorld(t, membucket.Options{})
		c := w.client(alias)
		r := c.put("b", "two")
		c.put("a", "one")
		want := []string{"a", "b"}
		contents := c.load()
		if got := contents.Keys(); !slices.Equal(got, want) || contents.Service != service {
			t.Errorf("service %s, keys %q; want %q", contents.Service, got, want)
		}
		r.Meta.Revision = contents.Revisions["b"]
		if got := contents.Secrets[1]; got.Meta != r.Meta || got.KeyAlias != alias || got.CreatedBy != author || got.Created.IsZero() {
			t.Errorf("loaded %+v; written %+v", got.Meta, r.Meta)
		}
	}
}

func TestReadIsOneRequest(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	c.put("db_url", "one")
	c.put("db_url", "two")
	c.calls()
	s, err := c.Read(t.Context(), id("db_url"), store.Latest)
	if err != nil || s.Value.Reveal() != "two" || s.Version != 2 || s.KeyAlias != app {
		t.Errorf("read %+v, error %v", s.Meta, err)
	}
	c.wantCalls("get db_url.json")
	if s, err := c.Read(t.Context(), id("db_url"), 1); err != nil || s.Value.Reveal() != "one" {
		t.Errorf("version 1: %+v, error %v", s.Meta, err)
	}
	_, err = c.Read(t.Context(), id("db_url"), 3)
	w.want(err, store.ErrNotFound)
}

func TestReadFindsTheNameInAnotherCase(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	if _, err := c.write("DB_Host", "v", store.WriteOptions{PreserveCase: true}); err != nil {
		t.Fatal(err)
	}
	c.calls()
	s, err := c.Read(t.Context(), id("db_host"), store.Latest)
	if err != nil || s.ID != id("DB_Host") {
		t.Errorf("read %+v, error %v", s.Meta, err)
	}
	c.wantCalls("get db_host.json", "list ", "get DB_Host.json")
	if h, err := c.History(t.Context(), id("DB_HOST")); err != nil || len(h) != 1 || h[0].ID != id("DB_Host") {
		t.Errorf("history %+v, error %v", h, err)
	}

	_, err = c.Read(t.Context(), id("db_hist"), store.Latest)
	var missing *store.NotFoundError
	if w.want(err, store.ErrNotFound); !errors.As(err, &missing) || missing.Nearest != "DB_Host" {
		t.Errorf("error %v does not name the nearest", err)
	}
	w.chamberPuts(app, "db_host", "w")
	_, err = c.Read(t.Context(), id("db_HOST"), store.Latest)
	w.want(err, store.ErrAmbiguousName)
}

func TestReadOfWhatIsGone(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	_, err := c.Read(t.Context(), id("db_url"), store.Latest)
	w.want(err, store.ErrNotFound)
	_, err = c.History(t.Context(), id("db_url"))
	w.want(err, store.ErrNotFound)
	_, err = c.Read(t.Context(), store.ID{Service: service, Key: "__x"}, store.Latest)
	w.want(err, store.ErrInvalid)
	_, err = c.Load(t.Context(), "a//b")
	w.want(err, store.ErrInvalid)

	// Listed, and deleted before it is read.
	c.put("DB_URL", "v")
	c.before("get", "db_url.json", 1, func() { w.erase("api/db_url.json") })
	_, err = c.Read(t.Context(), id("DB_Url"), store.Latest)
	w.want(err, store.ErrNotFound)

	c.fails("list", "", 1, bucket.ErrUnavailable)
	_, err = c.Read(t.Context(), id("nothing"), store.Latest)
	w.want(err, store.ErrUnavailable)
}

func TestReadWithoutListingIsExact(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("db_url", "v")
	c := w.client(app)
	c.mem.DenyListing()
	if s, err := c.Read(t.Context(), id("db_url"), store.Latest); err != nil || s.Value.Reveal() != "v" {
		t.Errorf("read %+v, error %v", s.Meta, err)
	}
	_, err := c.Read(t.Context(), id("nothing"), store.Latest)
	w.want(err, store.ErrDenied) // S3 does not tell that it is missing

	// Other servers do.
	c.fails("get", "nothing.json", 1, bucket.ErrNotFound)
	_, err = c.Read(t.Context(), id("nothing"), store.Latest)
	w.want(err, store.ErrNotFound)
}

func TestDriftHealsOnReading(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	c.put("a", "one")
	c.put("b", "one")
	w.chamberPuts(app, "a", "one", "two")
	c.calls()
	contents := c.wantLoad(map[string]string{"a": "two", "b": "one"})
	if s := contents.Secrets[0]; s.Version != 2 || s.KeyAlias != app {
		t.Errorf("a: %+v", s.Meta)
	}
	c.wantCalls("list ", "get "+appIndex, "get a.json")
	if len(contents.Notices) != 0 {
		t.Errorf("notices: %q", contents.Notices)
	}
}

func TestGhostsAreNotRead(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	c.put("a", "one")
	c.put("b", "one")
	w.erase("api/a.json")
	c.calls()
	if contents := c.wantLoad(map[string]string{"b": "one"}); contents.Listed != 1 {
		t.Errorf("%d listed", contents.Listed)
	}
	c.wantCalls("list ", "get "+appIndex)
}

func TestChamberBucketIsReadAsItIs(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.plantFixture("s3-kms/api", func(file string) string {
		if strings.Contains(file, "ops") || strings.Contains(file, "admin") {
			return ops
		}
		return app
	})
	c := w.client(app)
	contents := c.load()
	want := map[string]string{
		"admin_token": "ops-only-token", "dash-key": "dashed", "db_password": "p@$$ `w0rd` \"q\" \\ <&>",
		"db_url": "postgres://u:p@db:5432/app?sslmode=require", "dot.key": "dotted", "empty": "", "pem": "line1\nline2\n", "unicode": "héllo ✓ 日本 😀",
	}
	if diff := cmp.Diff(want, values(contents)); diff != "" {
		t.Error("loaded:", diff)
	}
	for _, s := range contents.Secrets {
		if alias := map[bool]string{true: ops, false: app}[s.ID.Key == "admin_token"]; s.KeyAlias != alias || s.Created.IsZero() {
			t.Errorf("%s: alias %q, created %v", s.ID, s.KeyAlias, s.Created)
		}
	}
	// Its indexes cannot be verified: every object is read, and a person is told.
	if calls := c.calls(); len(calls) != 1+2+8 {
		t.Errorf("%d requests: %q", len(calls), calls)
	}
	if len(contents.Notices) != 1 || !strings.Contains(contents.Notices[0], "api/"+appIndex) || !strings.Contains(contents.Notices[0], "7 secrets") {
		t.Errorf("notices: %q", contents.Notices)
	}
	// One write makes it verifiable.
	c.put("db_url", "new")
	c.calls()
	want["db_url"] = "new"
	c.wantLoad(want)
	c.wantCalls("list ", "get "+appIndex, "get "+opsIndex, "get admin_token.json")
}

func TestPlainChamberBucketIsReadAsItIs(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.plantFixture("s3/api", func(string) string { return "" })
	c := w.client("")
	c.wantLoad(map[string]string{"db_url": "postgres://plain-s3", "token": "t2"})
	if r := c.put("token", "t3"); r.Meta.Version != 3 {
		t.Errorf("version %d", r.Meta.Version)
	}
	c.calls()
	c.wantLoad(map[string]string{"db_url": "postgres://plain-s3", "token": "t3"})
	c.wantCalls("list ", "get __latest.json")
}

func TestAnIndexMadeBetweenListingAndGetIsRead(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	c.fails("get", appIndex, 1, bucket.ErrNotFound) // answered before the index was made
	w.client(app).put("a", "one")
	c.wantLoad(map[string]string{"a": "one"})
	c.wantCalls("list ", "get "+appIndex, "get "+appIndex)

	c.rules = nil
	c.fails("get", appIndex, 1, bucket.ErrNotFound)
	c.fails("get", appIndex, 2, bucket.ErrUnavailable)
	_, err := c.Load(t.Context(), service)
	w.want(err, store.ErrUnavailable)

	// The other way round: listed, and deleted before it is read.
	c.rules = nil
	w.client(ops).put("b", "two")
	c.fails("get", opsIndex, 1, bucket.ErrNotFound)
	c.wantLoad(map[string]string{"a": "one", "b": "two"})
}

func TestADeleteAndANewWriteDuringALoadAreNoRollback(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	c.put("a", "one")
	c.put("a", "two")
	reader := w.client(app)
	// The index is read, then a is deleted and made again by one who sees no index of before.
	reader.bucket.Reset(func(call buckettest.Call) buckettest.Fault {
		if call.Op == "get" && strings.HasSuffix(call.Name, "a.json") {
			w.erase("api/a.json")
			w.erase(indexName(app))
			other := w.client(app)
			other.put("a", "again")
			reader.bucket.Reset(reader.apply)
		}
		return buckettest.Fault{}
	})
	w.chamberPuts(app, "a", "one", "two") // so that the object must be read
	reader.wantLoad(map[string]string{"a": "again"})
}

func TestDeletedDuringALoadIsAbsent(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("a", "one")
	w.client(app).put("b", "two")
	w.chamberPuts(app, "a", "one", "two")
	c := w.client(app)
	c.before("get", "a.json", 1, func() { w.erase("api/a.json") })
	if contents := c.wantLoad(map[string]string{"b": "two"}); contents.Listed != 1 {
		t.Errorf("%d listed", contents.Listed)
	}
}

func TestTombstonesAreAbsent(t *testing.T) {
	w := newWorld(t, membucket.Options{NoConditionalDelete: true})
	c := w.client(app)
	c.put("a", "one")
	c.put("b", "two")
	if err := c.remove("a"); err != nil {
		t.Fatal(err)
	}
	if d := w.object("a"); d == nil || !d.Deleted || len(d.Values) != 0 || d.Nonce == "" {
		t.Fatalf("the tombstone is %+v", d)
	}
	c.calls()
	if contents := c.wantLoad(map[string]string{"b": "two"}); contents.Listed != 1 || len(contents.Hidden) != 0 {
		t.Errorf("%d listed, hidden %q", contents.Listed, contents.Hidden)
	}
	c.wantCalls("list ", "get "+appIndex) // the index knows it for a tombstone
	_, err := c.Read(t.Context(), id("a"), store.Latest)
	w.want(err, store.ErrNotFound)

	// Without the index it is read, and absent.
	w.erase(indexName(app))
	if contents := c.wantLoad(map[string]string{"b": "two"}); contents.Listed != 1 {
		t.Errorf("%d listed", contents.Listed)
	}
	// Another alias may take the name; the tombstone is nobody's.
	if r := w.client(ops).put("a", "again"); r.Outcome != store.Created {
		t.Errorf("outcome %s", r.Outcome)
	}
	c.wantLoad(map[string]string{"a": "again", "b": "two"})
}

func TestWhatIsNotOursIsLeftOut(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	c.put("a", "one")
	for _, name := range []string{"api/readme.txt", "api/.json", "api/__probe.json", "api/sp ace.json", "api/nested/b.json", "apis.json", "top.json"} {
		w.mem.Plant(name, []byte("{}"), w.kms(app))
	}
	c.wantLoad(map[string]string{"a": "one"})
	if got, err := c.Services(t.Context(), "api"); err != nil || !slices.Equal(got, []string{"api", "api/nested"}) {
		t.Errorf("services %q, error %v", got, err)
	}
}
