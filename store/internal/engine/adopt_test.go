package engine_test

import (
	"testing"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
)

// What nobody owns is written when it is adopted, also with the value that it has: else it
// would belong to nobody after all. What is ours already is left as it is.
func TestAdoptingWritesWhatIsUnchanged(t *testing.T) {
	adopt := store.WriteOptions{Adopt: true, SkipUnchanged: true}
	w := newWorld(t, membucket.Options{})
	w.chamberPuts(ops, "k", "v")
	w.chamberIndexes(app, map[string]string{"x": "v"})
	c := w.client(app)
	if r, err := c.write("k", "v", adopt); err != nil || r.Outcome != store.Updated {
		t.Errorf("adopted: %+v, %v", r, err)
	}
	if d := w.object("k"); d.Alias != app || len(d.Values) != 2 || d.seal != w.kms(app) {
		t.Errorf("adopted: %+v", d)
	}
	if r, err := c.write("k", "v", adopt); err != nil || r.Outcome != store.Unchanged || r.Meta.Version != 2 {
		t.Errorf("adopted again: %+v, %v", r, err)
	}

	// Of chamber, and the index says that it is ours: nothing is to be adopted.
	w.chamberPuts(app, "ours", "v")
	w.chamberIndexes(app, map[string]string{"x": "v", "ours": "v"})
	if r, err := c.write("ours", "v", adopt); err != nil || r.Outcome != store.Unchanged {
		t.Errorf("ours: %+v, %v", r, err)
	}
}
