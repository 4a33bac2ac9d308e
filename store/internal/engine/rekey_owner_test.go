package engine_test

import (
	"testing"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/engine"
)

func TestRekeyMovesWhatChamberWrote(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.chamberPuts(app, "k", "v")
	w.chamberIndexes(app, map[string]string{"k": "v"})
	results, err := w.client(ops).Rekey(t.Context(), service, admin.RekeyOptions{})
	if err != nil || len(results) != 1 || results[0].Outcome != store.Moved {
		t.Fatalf("results %+v, error %v", results, err)
	}
	if d := w.object("k"); d.Alias != ops || d.seal != w.kms(ops) {
		t.Errorf("it is under %q, sealed with %+v", d.Alias, d.seal)
	}
	w.wantIndex(ops, map[string]string{"k": "v"})
	if x := w.index(app); x != nil && len(x.Entries) != 0 {
		t.Errorf("the old index still holds %d", len(x.Entries))
	}
}

func TestAnAnnouncedMoveIsNoOwner(t *testing.T) {
	// A rekey dies after it has announced k in the new index; the old one does not vouch for k.
	w := newWorld(t, membucket.Options{})
	w.client(app).put("k", "v")
	w.client(app).put("l", "v")
	rekey := w.client(ops)
	rekey.fails("put", "k.json", every, bucket.ErrDenied)
	rekey.fails("put", "l.json", every, bucket.ErrDenied)
	rekey.fails("put", opsIndex, 2, bucket.ErrDenied)
	if _, err := rekey.Rekey(t.Context(), service, admin.RekeyOptions{}); err == nil {
		t.Fatal("no error")
	}
	if e, ok := w.index(ops).Verified("k", w.object("k").tag); !ok || !e.Moving {
		t.Fatalf("k is not announced: %+v", e)
	}
	w.chamberIndexes(app, map[string]string{"k": "v", "l": "v"})

	w.client(app).put("l", "w")
	if x := w.index(app); len(x.Other) != 0 || x.Entries["k"].Value.Reveal() != "v" || x.Entries["l"].Value.Reveal() != "w" {
		t.Errorf("other %v, %d entries", x.Other, len(x.Entries))
	}
	w.wantIndex(app, map[string]string{"k": "v", "l": "w"})
	c := w.client(app)
	c.mem.DenyKeys(w.mem.KeyID(ops))
	c.wantLoad(map[string]string{"k": "v", "l": "w"})
}

func TestRekeyTellsWhatWasPutBack(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("k", "v")
	w.client(app).put("l", "v")
	rekey := w.client(ops)
	rekey.before("put", opsIndex, 2, func() { // chamber, which has read the old index before
		w.chamberPuts(app, "k", "v", "w")
		w.chamberIndexes(app, map[string]string{"k": "w", "l": "v"})
	})
	results, err := rekey.Rekey(t.Context(), service, admin.RekeyOptions{})
	w.want(err, store.ErrConflict)
	if len(results) != 2 || results[0].Outcome != store.Returned || results[0].Meta.ID.Key != "k" || results[1].Outcome != store.Moved {
		t.Errorf("%+v, error %v", results, err)
	}
	w.wantIndex(app, map[string]string{"k": "w"})
	if _, err := w.client(ops).Rekey(t.Context(), service, admin.RekeyOptions{}); err != nil || w.index(app) != nil {
		t.Errorf("again: error %v", err)
	}
	w.wantIndex(ops, map[string]string{"k": "w", "l": "v"})
}

// Who may use the key of one alias only encrypts what is under it again, and is not told that the rest failed.
func TestARewriteLeavesWhatIsHiddenUnderAnotherAlias(t *testing.T) {
	for mode, o := range map[string]membucket.Options{"deleted": {}, "tombstones": {NoConditionalDelete: true}} {
		t.Run(mode, func(t *testing.T) {
			w := newWorld(t, o)
			w.client(app).put("k", "v")
			w.client(ops).put("pager", "v")
			w.client(ops).put("gone", "v")
			w.client(ops).removed("gone")
			w.client(app).put("k", "w") // whose index knows what is elsewhere
			before := w.stored()
			c := w.client(app, func(o *engine.Options) { o.KeyID = nil }) // so that each object may be under another key
			c.mem.DenyKeys(w.kms(ops).KeyID)
			for _, dry := range []bool{true, false} {
				results, err := c.Rekey(t.Context(), service, admin.RekeyOptions{Rewrite: true, DryRun: dry})
				if err != nil || len(results) != 1 || results[0].Meta.ID.Key != "k" {
					t.Fatalf("dry run %v: %+v, %v; want that of k", dry, results, err)
				}
			}
			for name, o := range w.stored() {
				if again := o.Tag != before[name].Tag; again != (name == service+"/k.json" || name == indexName(app)) {
					t.Errorf("%s was put again: %v", name, again)
				}
			}
		})
	}
}

// What may not be read, though no other alias is hidden, can be our own under an earlier key: it is told.
func TestARewriteTellsWhatItMayNotRead(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("k", "v")
	w.chamberPuts(ops, "x", "v")
	c := w.client(app)
	c.mem.DenyKeys(w.kms(ops).KeyID)
	results, err := c.Rekey(t.Context(), service, admin.RekeyOptions{Rewrite: true})
	w.want(err, store.ErrDenied)
	if len(results) != 2 || results[0].Outcome != store.Moved || results[1].Meta.ID.Key != "x" || results[1].Outcome != store.Failed {
		t.Errorf("%+v; want k moved, and the failure of x", results)
	}
}
