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
	"github.com/coffer-secrets/coffer/store/internal/engine"
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
	want := []store.DeniedIndex{{Object: "api/" + opsIndex, KeyAlias: "alias_ops"}}
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

func TestAMissingIndexIsNoDeniedIndex(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(ops).put("b", "two")
	c := w.client(app)
	c.fails("get", appIndex, 1, bucket.ErrDenied) // 403 for what is missing; the listing knows better
	if contents := c.wantLoad(map[string]string{"b": "two"}); len(contents.Denied) != 0 {
		t.Errorf("denied %+v", contents.Denied)
	}
}

func TestAFaultOfTheKeyIsNeverSkipped(t *testing.T) {
	for name, key := range map[string]string{"own": app, "another": ops} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, membucket.Options{})
			w.client(app).put("a", "one")
			w.client(ops).put("b", "two")
			w.mem.DisableKeys(w.mem.KeyID(key))
			_, err := w.client(app).Load(t.Context(), service)
			w.want(err, store.ErrUnavailable)
			var storage *store.StorageError
			if !errors.As(err, &storage) || storage.Code != "KMS.DisabledException" || storage.Object != "api/"+index2(key) {
				t.Errorf("error %v does not say which object and why", err)
			}
		})
	}
}

func TestAnObjectThatCannotBeReadFailsTheLoad(t *testing.T) {
	for fault, want := range map[error]error{
		bucket.ErrUnavailable: store.ErrUnavailable, bucket.ErrKey: store.ErrConfiguration, bucket.ErrCredentials: store.ErrConfiguration,
		bucket.ErrTorn: store.ErrCorrupt, bucket.ErrNoBucket: store.ErrConfiguration, bucket.ErrUnsupported: store.ErrUnsupported, bucket.ErrRefused: bucket.ErrRefused,
	} {
		w := newWorld(t, membucket.Options{})
		w.client(app).put("a", "one")
		w.chamberPuts(app, "a", "one", "two")
		c := w.client(app)
		c.fails("get", "a.json", 1, fault)
		_, err := c.Load(t.Context(), service)
		w.want(err, want)
		var typed *store.Error
		if errors.As(err, &typed) && typed.ID != id("a") {
			t.Errorf("error %v does not name the secret", err)
		}
	}
}

func TestACorruptIndexIsDoneWithout(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	c.put("a", "one")
	c.put("b", "two")
	for name, body := range map[string]string{
		"not JSON": "<html>" + canary, "duplicate": `{"latest":{"a":{"version":1,"value":"` + canary + `"},"a":{}}}`, "empty": "",
	} {
		w.mem.Plant(indexName(app), []byte(body), w.kms(app))
		contents := c.wantLoad(map[string]string{"a": "one", "b": "two"})
		if len(contents.Notices) != 1 || !strings.Contains(contents.Notices[0], indexName(app)) || strings.Contains(contents.Notices[0], canary) {
			t.Errorf("%s: notices %q", name, contents.Notices)
		}
	}
	// What exists and cannot be read is never overwritten.
	_, err := c.write("a", "three", store.WriteOptions{})
	w.want(err, store.ErrCorrupt)
	w.want(c.remove("a"), store.ErrCorrupt)
	if d := w.object("a"); d == nil || len(d.Values) != 1 {
		t.Errorf("a is now %+v", d)
	}
}

func TestACorruptObjectIsNamedWithItsByte(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	c.put("a", "one")
	w.mem.Plant("api/a.json", []byte(`{"service":"api","key":"/api/a","values":{"1":"`+canary+`"}}`), w.kms(app))
	for name, try := range map[string]func() error{
		"load":    func() error { _, err := c.Load(t.Context(), service); return err },
		"read":    func() error { _, err := c.Read(t.Context(), id("a"), 0); return err },
		"history": func() error { _, err := c.History(t.Context(), id("a")); return err },
		"write":   func() error { _, err := c.write("a", "two", store.WriteOptions{}); return err },
		"delete":  func() error { return c.remove("a") },
	} {
		err := try()
		w.want(err, store.ErrCorrupt)
		var corrupt *store.CorruptError
		if !errors.As(err, &corrupt) || corrupt.Object != "api/a.json" || corrupt.Offset != 46 {
			t.Errorf("%s: error %v does not name object and byte", name, err)
		}
	}
	if !strings.Contains(string(w.mem.Objects()["api/a.json"].Body), canary) {
		t.Error("it was overwritten")
	}
}

func TestObjectsMustNameThemselves(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	c.put("a", "one")
	c.put("b", "two")
	b := w.mem.Objects()["api/b.json"]
	w.mem.Plant("api/a.json", b.Body, b.Seal) // b's value under a's name
	_, err := c.Load(t.Context(), service)
	w.want(err, store.ErrCorrupt)
	_, err = c.Read(t.Context(), id("a"), 0)
	w.want(err, store.ErrCorrupt)
	// Neither may it come into the index.
	_, err = c.write("b", "three", store.WriteOptions{})
	w.want(err, store.ErrIndexBehind, store.ErrCorrupt)
	if d := w.object("b"); d == nil || len(d.Values) != 2 {
		t.Errorf("b: %+v", d)
	}
}

func TestForgedSealsAreRefused(t *testing.T) {
	forged := bucket.Seal{Method: "AES256"}
	for _, object := range []string{"api/a.json", indexName(app), indexName(ops)} {
		t.Run(object, func(t *testing.T) {
			w := newWorld(t, membucket.Options{})
			c := w.client(app)
			c.put("a", "one")
			w.client(ops).put("b", "two")
			o := w.mem.Objects()[object]
			w.mem.Plant(object, o.Body, forged)
			_, err := c.Load(t.Context(), service)
			w.want(err, store.ErrCorrupt)
			var seal *store.SealError
			if !errors.As(err, &seal) || seal.Object != object || seal.Method != "AES256" {
				t.Errorf("error %v", err)
			}
			if object == indexName(ops) {
				return // not ours to look at
			}
			_, err = c.write("a", "two", store.WriteOptions{})
			w.want(err, store.ErrCorrupt)
			w.want(c.remove("a"), store.ErrCorrupt)
		})
	}
}

func TestRollbackIsAnError(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	c.put("a", "one")
	old := w.mem.Objects()["api/a.json"]
	c.put("a", "two")
	w.mem.Plant("api/a.json", old.Body, old.Seal)

	_, err := c.Load(t.Context(), service)
	w.want(err, store.ErrCorrupt)
	var rollback *store.RollbackError
	if !errors.As(err, &rollback) || rollback.Object != "api/a.json" || rollback.Have != 1 || rollback.Newest != 2 {
		t.Errorf("error %v", err)
	}
	careless := w.client(app, func(o *engine.Options) { o.AllowRollback = true })
	careless.wantLoad(map[string]string{"a": "one"})

	// The number of the version that was lost is not used again.
	if r := c.put("a", "three"); r.Meta.Version != 3 {
		t.Errorf("version %d", r.Meta.Version)
	}
	c.wantLoad(map[string]string{"a": "three"})
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

func TestListingFaults(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	c := w.client(app)
	c.put("a", "one")
	for _, after := range []bool{false, true} { // half a listing is no listing
		c.bucket.Reset(buckettest.Nth(2, buckettest.Fault{Err: bucket.ErrUnavailable, After: after}))
		if _, err := c.Load(t.Context(), service); err == nil {
			c.bucket.Reset(buckettest.Nth(1, buckettest.Fault{Err: bucket.ErrUnavailable, After: after}))
			_, err = c.Load(t.Context(), service)
			w.want(err, store.ErrUnavailable)
		}
	}
	c.bucket.Reset(c.apply)
	c.fails("walk", "", 1, bucket.ErrNoBucket)
	_, err := c.Services(t.Context(), "")
	w.want(err, store.ErrConfiguration)
	if got, err := c.Services(t.Context(), ""); err != nil || !slices.Equal(got, []string{service}) {
		t.Errorf("services %q, error %v", got, err)
	}
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
