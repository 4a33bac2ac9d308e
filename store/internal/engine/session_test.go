package engine_test

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/buckettest"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/engine"
)

func doubting(o *engine.Options) { o.DeniedWhenExpired = true }

// On Ceph each request of a session that has ended is denied, in no other word than that for
// an index of somebody else. A load in whose middle it ends fails; it never passes for one
// that leaves out what the caller may not read.
func TestASessionThatEndsIsNoDeniedIndex(t *testing.T) {
	for name, restrict := range map[string]func(*client){
		"may list":            func(*client) {},
		"may list indexes":    func(c *client) { c.mem.DenyListing(service + "/__kms") },
		"may list nothing":    func(c *client) { c.mem.DenyListing() },
		"and an index is not": func(c *client) { c.mem.DenyKeys(c.mem.KeyID(web)) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, membucket.Options{})
			w.client(app).put("db_url", "1")
			w.client(ops).put("pager", "2")
			w.client(web).put("cookie", "3")
			drifted := w.client(app)
			drifted.fails("put", "app__latest.json", every, &bucket.Error{Err: bucket.ErrUnavailable})
			_, _ = drifted.write("drifted", "4", store.WriteOptions{})

			whole := w.client(app, doubting)
			restrict(whole)
			want := whole.load()
			requests := len(whole.calls())
			ended := 0
			for n := range requests {
				c := w.client(app, doubting)
				restrict(c)
				var made atomic.Int64
				c.bucket.Reset(func(buckettest.Call) buckettest.Fault {
					if made.Add(1) <= int64(n) {
						return buckettest.Fault{}
					}
					return buckettest.Fault{Err: &bucket.Error{Op: "any", Code: "AccessDenied", Status: 403, Err: bucket.ErrDenied}}
				})
				got, err := c.Load(t.Context(), service)
				switch {
				case err != nil && errors.Is(err, store.ErrConfiguration):
					ended++
				case err != nil:
					t.Errorf("ended after %d of %d requests: %v", n, requests, err)
				case len(got.Secrets) == 0 && got.Unlisted:
					// Nothing was ever allowed: exec refuses that as it is.
				case len(got.Secrets) != len(want.Secrets) || len(got.Hidden) != len(want.Hidden) || got.Unlisted != want.Unlisted:
					t.Errorf("ended after %d of %d requests: %d secrets of %d, hidden %q", n, requests, len(got.Secrets), len(want.Secrets), got.Hidden)
				}
			}
			if ended == 0 {
				t.Errorf("in none of %d requests the end of the session was noticed", requests)
			}
		})
	}
}

func TestDoubtCostsOneRequestWhereSomethingIsDenied(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("db_url", "1")
	w.client(ops).put("pager", "2")
	w.client(app).put("db_url", "3") // marks pager as another's
	c := w.client(app, doubting)
	c.wantLoad(map[string]string{"db_url": "3", "pager": "2"})
	c.wantCalls("list ", "get __kms_alias_app__latest.json", "get __kms_alias_ops__latest.json")
	c.mem.DenyKeys(c.mem.KeyID(ops))
	if got := c.wantLoad(map[string]string{"db_url": "3"}); len(got.Denied) != 1 || len(got.Hidden) != 1 {
		t.Errorf("denied %v, hidden %q; want an index and pager", got.Denied, got.Hidden)
	}
	c.wantCalls("list ", "get __kms_alias_app__latest.json", "get __kms_alias_ops__latest.json", "list ")
}

// What the second look itself meets is the error of the load.
func TestDoubtThatCannotBeSettledIsAnError(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("db_url", "1")
	w.client(ops).put("pager", "2")
	c := w.client(app, doubting)
	c.mem.DenyKeys(c.mem.KeyID(ops))
	c.fails("list", "", 2, &bucket.Error{Err: bucket.ErrUnavailable})
	_, err := c.Load(t.Context(), service)
	w.want(err, store.ErrUnavailable)
}
