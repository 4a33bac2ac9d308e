package engine_test

import (
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
)

// What init has tried leaves neither a tombstone nor an index, but for the secrets of others.
func TestDeleteFromTheScratchServiceLeavesNothing(t *testing.T) {
	for mode, o := range map[string]membucket.Options{"delete": {}, "no conditional delete": {NoConditionalDelete: true, ETags: membucket.MD5ETags}} {
		t.Run(mode, func(t *testing.T) {
			w := newWorld(t, o)
			c := w.client(app)
			write := func(c *client, key string) {
				if _, err := c.Write(t.Context(), store.ID{Service: store.Scratch, Key: key}, store.NewValue(canary), store.WriteOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			remove := func(keys ...string) {
				if _, err := c.Delete(t.Context(), store.Scratch, keys...); err != nil {
					t.Fatal(err)
				}
			}
			write(c, "a")
			write(c, "b")
			remove("a")
			if got, err := c.Load(t.Context(), store.Scratch); err != nil || strings.Join(got.Keys(), " ") != "b" || len(w.stored()) != 2 {
				t.Errorf("left: %v, %v in %d objects", got.Keys(), err, len(w.stored()))
			}
			remove("b")
			for name := range w.stored() {
				t.Errorf("%s is left", name)
			}

			if o.NoConditionalDelete {
				return // an entry that comes between may be lost, as at the end of a rekey
			}
			// Somebody's entry that comes before the index goes keeps it.
			write(c, "c")
			file := index.FileName(app)
			c.before("delete", file, 1, func() { write(w.client(app), "d") })
			remove("c")
			stored, ok := w.stored()[store.Scratch+"/"+file]
			if !ok {
				t.Fatal("the index was deleted with the entry of somebody else")
			}
			if x, err := index.Parse(app, stored.Body); err != nil || len(x.Entries) != 1 || x.Entries["d"].Version != 1 {
				t.Errorf("the index: %v, %v", x, err)
			}
		})
	}
}
