package engine_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/testing/proof"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/buckettest"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/engine"
)

// wounded is a service with everything that can be mended: drift, an orphan, a ghost, an index
// of chamber's, a tombstone, an index that nothing needs.
func wounded(w *world) {
	sceneKinds["in disorder"](w)
	w.chamberIndexes(ops, map[string]string{"o": "o1", "u": canary + "-stray"})
	w.tombstone("t")
	w.plant(indexName(web), map[string]any{"latest": map[string]any{}}, w.kms(w.keyOfWeb()))
}

func mending() command {
	return command{name: "mend", run: func(ctx context.Context, c *client) ([]store.Result, error) {
		_, err := c.Repair(ctx, service)
		return nil, err
	}}
}

// unharmed: whatever became of a run of Repair, no secret is another, readers are right, and
// the next run finishes it.
func (s *scene) unharmed(err error, allowed []error) {
	s.Helper()
	s.checkError(err, allowed)
	if s.changed() {
		s.Error("a secret was changed")
	}
	s.wantSound()
	c := s.client(app)
	c.mend()
	var left []string
	for _, line := range told(c.inspect().Findings) {
		if !s.mode.NoConditionalDelete || line != "note tombstone t, mendable" {
			left = append(left, line)
		}
	}
	if len(left) > 0 {
		s.Errorf("left after the next run: %q", left)
	}
	s.wantExactIndexes()
	if s.index(web) != nil {
		s.Error("the index that nothing needs is still there")
	}
	if _, there := s.documents()["t"]; there != s.mode.NoConditionalDelete {
		s.Errorf("the tombstone is there: %v", there)
	}
}

// walkMend calls visit for each request that Repair makes, in each mode.
func walkMend(t *testing.T, visit func(t *testing.T, at request, n int, stage func() *scene)) {
	for mode, o := range modes {
		walkMendMode(t, mode, sealing{}, o, visit)
	}
	for name, s := range sealings {
		walkMendMode(t, name, s, membucket.Options{}, visit)
	}
}

func walkMendMode(t *testing.T, mode string, sealed sealing, o membucket.Options, visit func(t *testing.T, at request, n int, stage func() *scene)) {
	t.Run(mode, func(t *testing.T) {
		t.Parallel()
		stage := func() *scene {
			w := newSealedWorld(t, sealed, o)
			wounded(w)
			return &scene{world: w, mode: o, before: w.truth(), sealing: sealed}
		}
		take := sealed.sample(1)
		for n, at := range requests(mending(), stage()) {
			if take() {
				visit(t, at, n+1, stage)
			}
		}
	})
}

func TestMendUnderEachFault(t *testing.T) {
	var cases, struck atomic.Int64
	t.Cleanup(func() { t.Logf("%d cases, in %d of which the fault struck", cases.Load(), struck.Load()) })
	walkMend(t, func(t *testing.T, at request, _ int, stage func() *scene) {
		for _, f := range faults() {
			if !slices.Contains(strings.Fields(f.ops), at.op) {
				continue
			}
			for _, after := range []bool{false, true} {
				s := stage()
				cases.Add(1)
				c := s.client(app)
				r := at.meets(buckettest.Fault{Err: f.err, After: after})
				c.rules = append(c.rules, r)
				_, err := c.Repair(t.Context(), service)
				if r.seen >= r.n {
					struck.Add(1)
				}
				s.unharmed(err, f.allowed)
				if t.Failed() {
					t.Fatalf("%s, after: %v, at %+v: %v", f.name, after, at, err)
				}
			}
		}
	})
}

func TestMendDiesOrIsInterruptedAtEachRequest(t *testing.T) {
	walkMend(t, func(t *testing.T, at request, n int, stage func() *scene) {
		for _, after := range []bool{false, true} {
			s := stage()
			c := s.client(app)
			c.bucket.Reset(func(call buckettest.Call) buckettest.Fault {
				if call.N < n {
					return buckettest.Fault{}
				}
				return buckettest.Fault{Err: bucket.ErrUnavailable, After: after && call.N == n}
			})
			_, err := c.Repair(t.Context(), service)
			s.unharmed(err, []error{store.ErrUnavailable})
			if t.Failed() {
				t.Fatalf("died at %+v, after it: %v: %v", at, after, err)
			}
		}
		s := stage()
		c := s.client(app)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		c.bucket.Reset(func(call buckettest.Call) buckettest.Fault {
			if call.N == n {
				cancel()
			}
			return buckettest.Fault{}
		})
		_, err := c.Repair(ctx, service)
		s.unharmed(err, []error{context.Canceled})
		if t.Failed() {
			t.Fatalf("interrupted at %+v: %v", at, err)
		}
	})
}

// What comes in between is never lost: somebody writes, creates or deletes before each
// request of Repair.
func TestMendBesideAWriterAtEachRequest(t *testing.T) {
	deeds := map[string]func(w *world){
		"writes":         func(w *world) { w.client(app).put("u", "u3") },
		"creates":        func(w *world) { w.client(app).put("new", "n1") },
		"over the stone": func(w *world) { w.client(app).put("t", "t1") },
		"fills the left": func(w *world) { w.client(web).put("w", "w1") },
		"deletes":        func(w *world) { _ = w.client(app).remove("d") },
	}
	walkMend(t, func(t *testing.T, at request, n int, stage func() *scene) {
		for name, deed := range deeds {
			s := stage()
			c := s.client(app)
			c.bucket.Reset(func(call buckettest.Call) buckettest.Fault {
				if call.N == n {
					deed(s.world)
				}
				return buckettest.Fault{}
			})
			if _, err := c.Repair(t.Context(), service); err != nil {
				t.Errorf("mend: %v", err)
			}
			want := s.before
			switch name {
			case "writes":
				want["u"] = append(slices.Clone(want["u"]), "u3")
			case "creates":
				want["new"] = []string{"n1"}
			case "over the stone":
				want["t"] = []string{"t1"}
			case "fills the left":
				want["w"] = []string{"w1"}
			case "deletes":
				delete(want, "d")
				s.wantInNoIndex(canary + "-d1")
			}
			if diff := cmp.Diff(want, s.truth()); diff != "" {
				t.Errorf("secrets (-want +got):\n%s", diff)
			}
			if err := s.client(app).checkLoad(t.Context()); err != nil {
				t.Errorf("a reader fails: %v", err)
			}
			s.client(app).mend()
			s.client(app).wantOnlyTombstones()
			if t.Failed() {
				t.Fatalf("somebody %s before %+v", name, at)
			}
		}
	})
}

func (c *client) wantOnlyTombstones() {
	c.w.Helper()
	for _, f := range c.inspect().Findings {
		if f.Check != "tombstone" {
			c.w.Errorf("left: %+v", f)
		}
	}
}

func TestATombstoneThatWasWrittenOverStays(t *testing.T) {
	for _, test := range []struct {
		options membucket.Options
		op      string
		n       int // of those for the tombstone; the first GET is that of the inspection
	}{
		{op: "get", n: 2},
		{op: "delete", n: 1},
		{options: membucket.Options{NoConditionalDelete: true}, op: "get", n: 2},
		{options: membucket.Options{NoConditionalDelete: true}, op: "get", n: 3},
	} {
		w := newWorld(t, test.options)
		w.tombstone("a")
		c := w.client(app, func(o *engine.Options) { o.SingleWriter = true })
		c.before(test.op, "a.json", test.n, func() { w.client(app).put("a", "new") })
		mended, err := c.Repair(t.Context(), service)
		if err != nil || len(mended) > 0 {
			t.Errorf("%+v: mended %v, %v", test, told(mended), err)
		}
		w.client(app).wantLoad(map[string]string{"a": "new"})
	}
}

// The plain index has no aliases, and chamber's entries in it no versions.
func TestThePlainIndexIsMended(t *testing.T) {
	w := newWorld(t, membucket.Options{Method: "AES256"})
	w.kms = func(string) bucket.Seal { return bucket.Seal{Method: "AES256"} }
	plain := func() *client {
		return w.client("", func(o *engine.Options) { o.Vouch = nil })
	}
	for _, key := range []string{"a", "b", "c", "gone"} {
		plain().put(key, "1")
	}
	w.plant(indexName(""), map[string]any{"latest": map[string]string{"a": "1", "b": canary, "gone": canary}}, w.kms(""))
	w.erase("api/gone.json")
	w.tombstone("t")
	w.plant("api/"+appIndex, map[string]any{}, w.kms(""))
	plain().wantTold("error ghost gone, mendable", "warning orphan, mendable", "warning unverifiable __latest.json, mendable",
		"warning drift b, mendable", "note foreign", "note tombstone t, mendable")
	if got := plain().mend(); len(got) != 5 {
		t.Errorf("mended %q", got)
	}
	plain().wantTold("note foreign")
	plain().wantLoad(map[string]string{"a": "1", "b": "1", "c": "1"})
}

// TestMendUnderFaultsOnS3 is the walk through the driver.
func TestMendUnderFaultsOnS3(t *testing.T) {
	t.Parallel()
	var struck atomic.Int64
	w, server := s3World(t, s3test.Options{})
	w.now = time.Now().Add(2 * tombstoneAge)
	origin := newWorld(t, membucket.Options{})
	wounded(origin)
	seed := origin.mem.Objects()
	w.transplant(server, seed)
	take := proof.Sample(7)
	for _, at := range requests(mending(), &scene{world: w}) {
		for _, f := range s3test.Faults() {
			for _, f.After = range []bool{false, true} {
				changes := at.op == "put" || at.op == "delete"
				if f.After && !changes || f.Kind == s3test.FlipBody && at.op == "list" {
					continue // a read that is lost was not made; nothing but TLS protects a listing
				}
				if !take() {
					continue
				}
				w.transplant(server, seed)
				s := &scene{world: w, before: w.truth()}
				patience := time.Minute
				if f.Kind == s3test.Hang {
					patience = 200 * time.Millisecond
				}
				c := s.client(app)
				c.Bucket = w.over(w.driver(server, patience))
				hit := strike(server, at, f)
				_, err := c.Repair(t.Context(), service)
				server.Fault(nil)
				if hit.Load() {
					struck.Add(1)
				}
				s.unharmed(err, s3Allowed(f))
				if t.Failed() {
					t.Fatalf("%v at %+v: %v", f, at, err)
				}
			}
		}
	}
	t.Logf("the fault struck in %d cases", struck.Load())
}

const tombstoneAge = 24 * time.Hour
