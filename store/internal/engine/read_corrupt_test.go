package engine_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/buckettest"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/engine"
)

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
