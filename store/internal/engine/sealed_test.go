package engine_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
)

// eachSealing runs a test on a service with two secrets, under each sealer.
func eachSealing(t *testing.T, test func(w *world, c *client)) {
	for name, s := range sealings {
		t.Run(name, func(t *testing.T) {
			w := newSealedWorld(t, s, membucket.Options{})
			c := w.client(app)
			c.put("a", canary+"-a")
			c.put("b", "b1")
			w.client(ops).put("o", "o1")
			test(w, w.client(app))
		})
	}
}

// Who can write to the bucket can copy an object over another one. It doesn't open there, and the doctor
// says what it is.
func TestASealedObjectOpensUnderItsOwnNameAlone(t *testing.T) {
	for over, finding := range map[string]string{
		"api/b.json":   "error copied b",
		"api/o.json":   "error copied o",
		indexName(app): "error copied __kms_alias_app",
		indexName(ops): "error copied __kms_alias_ops",
	} {
		t.Run(over, func(t *testing.T) {
			eachSealing(t, func(w *world, c *client) {
				w.mem.Plant(over, w.mem.Objects()["api/a.json"].Body, bucket.Seal{})
				_, err := c.Load(t.Context(), service)
				w.want(err, store.ErrCorrupt)
				if !strings.Contains(err.Error(), `it is a copy of "api/a.json"`) {
					t.Errorf("error %v", err)
				}
				c.wantFound(finding)
			})
		})
	}
}

// A secret or an index in clear is not believed, whoever put it there.
func TestAnObjectThatIsNotSealedIsNotBelieved(t *testing.T) {
	eachSealing(t, func(w *world, c *client) {
		w.mem.Plant("api/b.json", []byte(`{"service":"api","key":"/api/b","kms_alias":"`+app+`","values":{"1":{"version":1,"value":"forged"}}}`), bucket.Seal{Method: "AES256"})
		_, err := c.Load(t.Context(), service)
		w.want(err, store.ErrCorrupt)
		_, err = c.Read(t.Context(), id("b"), store.Latest)
		w.want(err, store.ErrCorrupt)
		_, err = c.write("b", "b2", store.WriteOptions{})
		w.want(err, store.ErrCorrupt)
		c.wantFound("error unsealed b")
	})
}

// wantFound checks that an inspection has a finding among others.
func (c *client) wantFound(want string) {
	c.w.Helper()
	for _, line := range told(c.inspect().Findings) {
		if strings.HasPrefix(line, want) {
			return
		}
	}
	c.w.Errorf("found %q; want %q", told(c.inspect().Findings), want)
}

// Two puts of equal bytes are two states of a sealed object: nothing that was read before is believed
// again, and a number isn't used twice.
func TestTheSameValueSealedAgainIsAnotherState(t *testing.T) {
	eachSealing(t, func(w *world, c *client) {
		before := w.mem.Objects()["api/b.json"]
		c.put("b", "b2")
		c.put("b", "b1")
		after := w.mem.Objects()["api/b.json"]
		if before.Tag == after.Tag || string(before.Body) == string(after.Body) {
			t.Error("it is the same state")
		}
		// The old bytes again, under a new tag: an older version that was put back.
		w.mem.Plant("api/b.json", before.Body, bucket.Seal{})
		_, err := c.Load(t.Context(), service)
		var rollback *store.RollbackError
		if !errors.As(err, &rollback) {
			t.Errorf("error %v, want a rollback", err)
		}
	})
}
