package schedule

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/engine"
)

// worker does one thing after another.
type worker struct {
	h    *history
	n    int
	acts int
	b    *farBucket
	e    *engine.Engine
	rand *rand.Rand

	behind bool // a change was stored, and the index could not be put
}

func (w *worker) act(t *testing.T, keys int) {
	w.acts++
	c := call{key: "key" + strconv.Itoa(w.rand.IntN(keys)), ifVersion: -1}
	switch n := w.rand.IntN(10); {
	case n < 4:
		c.op, c.value = "write", fmt.Sprintf("value %d of %d", w.acts, w.n)
		w.write(t, c)
	case n < 6:
		c.op, c.value = "write", fmt.Sprintf("value %d of %d", w.acts, w.n)
		if s, err := w.e.Read(t.Context(), store.ID{Service: service, Key: c.key}, store.Latest); err == nil {
			c.ifVersion = s.Version
		} else {
			c.ifVersion = 0
		}
		w.write(t, c)
	case n < 7:
		c.op = "delete"
		w.remove(t, c)
	case n < 8:
		c.op = "read"
		w.read(t, c)
	default:
		w.load(t, keys)
	}
}

func (w *worker) write(t *testing.T, c call) {
	began := w.h.clock.Add(1)
	o := store.WriteOptions{}
	if c.ifVersion >= 0 {
		o.IfVersion = &c.ifVersion
	}
	w.b.lost = nil
	r, err := w.e.Write(t.Context(), store.ID{Service: service, Key: c.key}, store.NewValue(c.value), o)
	for _, name := range w.b.lost {
		// A put that was made and not answered, and that a delete took away before the writer
		// looked, can be made again: the value is there twice, before and after the delete.
		if name == service+"/"+c.key+".json" {
			w.h.add(w.n, c, began, answer{unknown: true})
		}
	}
	var conflict *store.VersionError
	switch {
	case err == nil:
		w.h.add(w.n, c, began, answer{version: r.Meta.Version})
	case errors.Is(err, store.ErrIndexBehind) && r.Err == nil: // stored, and the answers to several puts of the index were lost
		w.behind = true
		w.h.add(w.n, c, began, answer{version: r.Meta.Version})
	case errors.Is(err, store.ErrUnknown):
		w.h.add(w.n, c, began, answer{unknown: true})
	case errors.As(err, &conflict):
		w.h.add(w.n, c, began, answer{conflict: true, version: conflict.Have})
	default:
		t.Errorf("write: %v", err)
	}
}

func (w *worker) remove(t *testing.T, c call) {
	began := w.h.clock.Add(1)
	results, err := w.e.Delete(t.Context(), service, c.key)
	switch {
	case err == nil:
		w.h.add(w.n, c, began, answer{version: results[0].Meta.Version})
	case errors.Is(err, store.ErrIndexBehind) && results[0].Err == nil:
		w.behind = true
		w.h.add(w.n, c, began, answer{version: results[0].Meta.Version})
	case errors.Is(err, store.ErrIndexBehind): // it may be in the index still, so that it is not told whether it was there
		w.behind = true
		w.h.add(w.n, c, began, answer{refused: true})
	case errors.Is(err, store.ErrNotFound):
		w.h.add(w.n, c, began, answer{})
	case errors.Is(err, store.ErrUnknown):
		w.h.add(w.n, c, began, answer{unknown: true})
	case errors.Is(err, store.ErrConflict):
		w.h.add(w.n, c, began, answer{refused: true})
	default:
		t.Errorf("delete: %v", err)
	}
}

func (w *worker) read(t *testing.T, c call) {
	began := w.h.clock.Add(1)
	s, err := w.e.Read(t.Context(), store.ID{Service: service, Key: c.key}, store.Latest)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Errorf("read: %v", err)
		return
	}
	w.h.add(w.n, c, began, answer{version: s.Version, value: s.Value.Reveal()})
}

// load reads all keys at once: one read of each, for it promises no more.
func (w *worker) load(t *testing.T, keys int) {
	began := w.h.clock.Add(1)
	contents, err := w.e.Load(t.Context(), service)
	if err != nil {
		t.Errorf("load: %v", err)
		return
	}
	found := map[string]answer{}
	for _, s := range contents.Secrets {
		found[s.ID.Key] = answer{version: s.Version, value: s.Value.Reveal()}
	}
	for i := range keys {
		key := "key" + strconv.Itoa(i)
		w.h.add(w.n, call{op: "read", key: key}, began, found[key])
	}
}
