package engine_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/buckettest"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
)

const (
	slash, underscore = "alias/team/one", "alias/team_one"
	clashIndex        = "__kms_alias_team_one__latest.json"
)

// clash is a service in which two aliases have met in one index: a by us and c by chamber under
// the one, b and d by chamber under the other; x is beside them.
func clash(w *world) {
	w.client(app).put("x", "x1")
	w.client(slash).put("a", "a1")
	w.client(slash).put("a", "a2")
	w.chamberPuts(underscore, "b", "b1", "b2")
	w.chamberPuts(slash, "c", "c1", "c2")
	w.chamberPuts(underscore, "d", "d1")
	latest := map[string]any{}
	for key, e := range map[string][2]string{"a": {"a2", slash}, "b": {"b2", underscore}, "c": {"c2", slash}, "d": {"d1", underscore}} {
		latest[key] = map[string]any{"version": 2, "value": e[0], "KMSAlias": e[1]}
	}
	latest["d"].(map[string]any)["version"] = 1
	w.plant("api/"+clashIndex, map[string]any{"latest": latest}, w.kms(underscore))
}

// parted: b and d are under web, with their histories; the index that was shared is that of the
// alias that has stayed, and sealed with its key.
func parted(w *world, before map[string][]string) {
	w.Helper()
	w.wantIndex(web, map[string]string{"b": "b2", "d": "d1"})
	w.wantIndex(slash, map[string]string{"a": "a2", "c": "c2"})
	w.wantIndex(app, map[string]string{"x": "x1"})
	if seal := w.stored()["api/"+clashIndex].Seal; seal != w.kms(slash) {
		w.Errorf("the index is encrypted with %+v", seal)
	}
	for _, key := range []string{"b", "d"} {
		if d := w.object(key); d.Alias != web || d.seal != w.kms(web) {
			w.Errorf("%s is under %s, sealed with %+v", key, d.Alias, d.seal)
		}
	}
	if diff := cmp.Diff(before, w.truth()); diff != "" {
		w.Errorf("versions (-before +after):\n%s", diff)
	}
}

func TestRekeyPartsTwoAliasesInOneIndex(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	clash(w)
	before := w.truth()
	results, err := w.client(web).Rekey(t.Context(), service, admin.RekeyOptions{From: underscore})
	if err != nil || len(results) != 2 || results[0].Outcome != store.Moved || results[1].Outcome != store.Moved {
		t.Fatalf("%+v, error %v", results, err)
	}
	parted(w, before)
	w.client(app).wantTold()
	w.client(slash).put("a", "a3")
	w.client(web).put("b", "b3")

	// The other one can give way as well, and then the index is of the first.
	w = newWorld(t, membucket.Options{})
	clash(w)
	if _, err := w.client(web).Rekey(t.Context(), service, admin.RekeyOptions{From: slash}); err != nil {
		t.Fatal(err)
	}
	w.wantIndex(web, map[string]string{"a": "a2", "c": "c2"})
	w.wantIndex(underscore, map[string]string{"b": "b2", "d": "d1"})
	if seal := w.stored()["api/"+clashIndex].Seal; seal != w.kms(underscore) {
		t.Errorf("the index is encrypted with %+v", seal)
	}

	// Or both at once.
	w = newWorld(t, membucket.Options{})
	clash(w)
	if _, err := w.client(web).Rekey(t.Context(), service, admin.RekeyOptions{}); err != nil {
		t.Fatal(err)
	}
	w.wantIndex(web, map[string]string{"a": "a2", "b": "b2", "c": "c2", "d": "d1", "x": "x1"})
	if _, left := w.stored()["api/"+clashIndex]; left {
		t.Error("the shared index is still there")
	}
}

// A secret of ours that could not enter the index of another alias is found, and moved.
func TestRekeyMovesWhatTheIndexOfAnotherAliasHasNoPlaceFor(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(slash).put("a", "a1")
	w.plant("api/b.json", map[string]any{"service": service, "key": "/api/b", "kms_alias": underscore, "values": map[string]any{
		"1": map[string]any{"version": 1, "value": "b1"},
	}}, w.kms(underscore))
	c := w.client(app)
	c.wantTold("warning orphan")
	if _, err := w.client(web).Rekey(t.Context(), service, admin.RekeyOptions{From: underscore}); err != nil {
		t.Fatal(err)
	}
	w.wantIndex(slash, map[string]string{"a": "a1"})
	w.wantIndex(web, map[string]string{"b": "b1"})
	c.wantTold()
}

// Whatever request of it fails, or is its last, nothing is lost, readers are right, and the next
// run ends it.
func TestPartingTwoAliasesDiesAtEachRequest(t *testing.T) {
	for _, options := range []membucket.Options{{}, {NoConditionalDelete: true}} {
		for n := 1; ; n++ {
			var died atomic.Bool
			for _, after := range []bool{false, true} {
				w := newWorld(t, options)
				clash(w)
				before := w.truth()
				c := w.client(web)
				c.bucket.Reset(func(call buckettest.Call) buckettest.Fault {
					if call.N < n {
						return buckettest.Fault{}
					}
					died.Store(true)
					return buckettest.Fault{Err: bucket.ErrUnavailable, After: after && call.N == n}
				})
				_, err := c.Rekey(t.Context(), service, admin.RekeyOptions{From: underscore})
				at := fmt.Sprintf("request %d, after it: %v: %v", n, after, err)
				if diff := cmp.Diff(before, w.truth()); diff != "" {
					t.Fatalf("%s: versions (-before +after):\n%s", at, diff)
				}
				w.client(app).wantLoad(map[string]string{"a": "a2", "b": "b2", "c": "c2", "d": "d1", "x": "x1"})
				if _, err := w.client(web).Rekey(t.Context(), service, admin.RekeyOptions{From: underscore}); err != nil {
					t.Fatalf("%s: again: %v", at, err)
				}
				if parted(w, before); t.Failed() {
					t.Fatal(at)
				}
			}
			if !died.Load() {
				t.Logf("%d requests", n-1)
				break
			}
		}
	}
}

// An entry of an alias whose index has another name is false: no alias can give way.
func TestAFalseAliasInAnIndexIsNoClash(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.client(app).put("a", "1")
	w.plant(indexName(app), map[string]any{"latest": map[string]any{"a": map[string]any{"version": 1, "value": "1", "KMSAlias": ops}}}, w.kms(app))
	for _, f := range w.client(app).inspect().Findings {
		if f.Check == "name-clash" || f.Repairable {
			t.Errorf("found %+v", f)
		}
	}
}

// A corrupt index of a service without secrets is deleted: there is nothing to rebuild it from.
func TestMendDeletesACorruptIndexOfNothing(t *testing.T) {
	w := newWorld(t, membucket.Options{})
	w.mem.Plant(indexName(app), []byte(`{"latest":`+canary), w.kms(app))
	c := w.client(app)
	c.wantTold("error corrupt-index " + appIndex + ", mendable")
	c.mend()
	c.wantTold()
}
