package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/buckettest"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
)

// The walk of testing.md, section 2, on the bucket port: each command meets each fault at
// each of its requests, before and after the request is applied. Afterwards what is stored
// is read directly and held against the invariants of the protocol.

// wantNoVersionTells checks that no state of any object holds a value.
func (w *world) wantNoVersionTells(value string) {
	w.Helper()
	for name, states := range w.kept() {
		for i, o := range states {
			if strings.Contains(string(o.Body), value) {
				w.Errorf("state %d of %d of %s holds a value that was purged", i, len(states), name)
			}
		}
	}
}

// checkLoad loads. What it returns must be true, and what it leaves out told.
func (c *client) checkLoad(ctx context.Context) error {
	contents, err := c.Load(ctx, service)
	if err != nil {
		return err
	}
	truth := c.w.truth()
	for key, value := range values(contents) {
		if want := truth[key]; len(want) == 0 || want[len(want)-1] != value {
			c.w.Errorf("load: %s has a value that is not the newest of %d", key, len(want))
		}
	}
	for key, versions := range truth {
		if len(versions) > 0 && !slices.Contains(contents.Keys(), key) && len(contents.Notices) == 0 {
			c.w.Errorf("load: %s is left out and not told", key)
		}
	}
	return nil
}

// truth returns the values of each key, oldest first, as the objects have them.
func (w *world) truth() map[string][]string {
	all := map[string][]string{}
	for key, d := range w.documents() {
		if d.Deleted {
			continue
		}
		newest, _ := d.newest()
		for n := 1; n <= newest; n++ {
			if v, ok := d.Values[strconv.Itoa(n)]; ok {
				all[key] = append(all[key], v.Value)
			}
		}
	}
	return all
}

// fault is one way in which one request goes wrong.
type fault struct {
	name    string
	err     error
	ops     string  // in which requests it makes sense
	allowed []error // the kinds of error that may come of it; nil is always allowed
	final   bool    // it says that the request was not applied: after it was, that is a lie
}

func faults() []fault {
	return []fault{
		{"unavailable", bucket.ErrUnavailable, "get head put delete list versions get-version delete-version", []error{store.ErrUnavailable, store.ErrUnknown}, false},
		{"busy", bucket.ErrBusy, "put delete", []error{store.ErrUnavailable}, false},
		{"changed", bucket.ErrChanged, "put delete", []error{store.ErrConflict, store.ErrUnknown}, false},
		{"not found", bucket.ErrNotFound, "put delete", []error{store.ErrConflict, store.ErrNotFound, store.ErrUnknown, store.ErrUnavailable}, false},
		{"denied", bucket.ErrDenied, "get head put delete list versions get-version delete-version", []error{store.ErrDenied}, true},
		{"key", bucket.ErrKey, "get put list get-version", []error{store.ErrConfiguration}, true},
		{"credentials", bucket.ErrCredentials, "get head put delete list versions get-version delete-version", []error{store.ErrConfiguration}, true},
		{"torn", bucket.ErrTorn, "get put delete list versions get-version delete-version", []error{store.ErrCorrupt, store.ErrUnknown}, false},
	}
}

var modes = map[string]membucket.Options{
	"unique ETags":          {},
	"MD5 ETags":             {ETags: membucket.MD5ETags},
	"no conditional delete": {ETags: membucket.MD5ETags, NoConditionalDelete: true},

	"versions":                           {Versioned: true},
	"versions and no conditional delete": {Versioned: true, ETags: membucket.MD5ETags, NoConditionalDelete: true},
}

// walk calls visit for each mode, scene and command, and then under each sealing.
func walk(t *testing.T, visit func(t *testing.T, cmd command, stage func(t *testing.T) *scene)) {
	for mode, o := range modes {
		walkMode(t, mode, sealing{}, o, visit)
	}
	for name, s := range sealings {
		walkMode(t, name, s, membucket.Options{}, visit)
		walkMode(t, name+" and versions", s, membucket.Options{Versioned: true}, visit)
	}
}

func walkMode(t *testing.T, mode string, sealed sealing, o membucket.Options, visit func(t *testing.T, cmd command, stage func(t *testing.T) *scene)) {
	for kind, prepare := range sceneKinds {
		for _, cmd := range commands(o) {
			t.Run(fmt.Sprintf("%s/%s/%s", mode, kind, cmd.name), func(t *testing.T) {
				t.Parallel()
				visit(t, cmd, func(t *testing.T) *scene {
					w := newSealedWorld(t, sealed, o)
					prepare(w)
					if o.Versioned {
						withDeleted(w)
					}
					return &scene{world: w, mode: o, before: w.truth(), sealing: sealed}
				})
			})
		}
	}
}

// requests returns the requests that a command makes when nothing goes wrong, each with its
// number among its like.
func requests(cmd command, s *scene) []request {
	s.Helper()
	c := s.client(app)
	if _, err := cmd.run(s.Context(), c); err != nil {
		s.Fatalf("%s without a fault: %v", cmd.name, err)
	}
	seen := map[request]int{}
	var all []request
	for _, call := range c.bucket.Calls() {
		r := request{op: call.Op, object: call.Name}
		seen[r]++
		all = append(all, request{r.op, r.object, seen[r]})
	}
	return all
}

// repeated adds to requests those that a repetition can make.
func repeated(all []request) []request {
	more := slices.Clone(all)
	for _, r := range all {
		if r.n++; !slices.Contains(more, r) {
			more = append(more, r)
		}
	}
	return more
}

// request is the n-th of its like, from 1.
type request struct {
	op, object string
	n          int
}

func (r request) meets(f buckettest.Fault) *rule {
	return &rule{op: r.op, object: r.object, n: r.n, fault: f}
}

func TestFaultWalk(t *testing.T) {
	var cases, struck atomic.Int64
	t.Cleanup(func() { t.Logf("%d cases, in %d of which the fault struck", cases.Load(), struck.Load()) })
	walk(t, func(t *testing.T, cmd command, stage func(*testing.T) *scene) {
		first := stage(t)
		take := first.sealing.sample(3)
		for _, at := range requests(cmd, first) {
			for _, f := range faults() {
				if !slices.Contains(strings.Fields(f.ops), at.op) {
					continue
				}
				for _, after := range []bool{false, true} {
					if !take() {
						continue
					}
					s := stage(t)
					cases.Add(1)
					c := s.client(app)
					r := at.meets(buckettest.Fault{Err: f.err, After: after})
					c.rules = append(c.rules, r)
					results, err := cmd.run(t.Context(), c)
					if r.seen >= r.n {
						struck.Add(1)
					}
					s.check(cmd, results, err, f.allowed, after && f.final)
					s.converges(cmd)
					if t.Failed() {
						t.Fatalf("%s, after: %v, at %s %s #%d: %v", f.name, after, at.op, at.object, at.n, err)
					}
				}
			}
		}
	})
}

// TestTwoFaults walks through pairs of those faults that lead to repetitions.
func TestTwoFaults(t *testing.T) {
	var cases atomic.Int64
	t.Cleanup(func() { t.Logf("%d cases", cases.Load()) })
	kinds := []buckettest.Fault{
		{Err: bucket.ErrUnavailable}, {Err: bucket.ErrUnavailable, After: true}, {Err: bucket.ErrChanged, After: true}, {Err: bucket.ErrChanged},
	}
	allowed := []error{store.ErrUnavailable, store.ErrConflict, store.ErrUnknown}
	mutating := func(r request) bool { return r.op == "put" || r.op == "delete" }
	walk(t, func(t *testing.T, cmd command, stage func(*testing.T) *scene) {
		s := stage(t)
		if cmd.wants == nil || cmd.name == "import 5" || s.mode.ETags == membucket.MD5ETags && !s.mode.NoConditionalDelete {
			return // one mode with MD5 ETags is enough
		}
		pairs := s.sealing
		pairs.inWalk *= 5 // there are many, and each fault was met alone
		all, take := requests(cmd, s), pairs.sample(7)
		for _, first := range all {
			for _, second := range repeated(all) {
				if !mutating(first) {
					continue
				}
				for i, one := range kinds {
					for j, two := range kinds {
						if !mutating(second) && errors.Is(two.Err, bucket.ErrChanged) {
							continue
						}
						if !take() {
							continue
						}
						cases.Add(1)
						s := stage(t)
						c := s.client(app)
						c.rules = append(c.rules, first.meets(one), second.meets(two))
						results, err := cmd.run(t.Context(), c)
						s.check(cmd, results, err, allowed, false)
						s.converges(cmd)
						if t.Failed() {
							t.Fatalf("fault %d at %+v, fault %d at %+v: %v", i, first, j, second, err)
						}
					}
				}
			}
		}
	})
}

// TestCrashAtEachRequest: from the n-th request on nothing is applied any more.
func TestCrashAtEachRequest(t *testing.T) {
	var cases atomic.Int64
	t.Cleanup(func() { t.Logf("%d cases", cases.Load()) })
	walk(t, func(t *testing.T, cmd command, stage func(*testing.T) *scene) {
		first := stage(t)
		take, last := first.sealing.sample(1), len(requests(cmd, first))
		for n := 1; n <= last; n++ {
			for _, after := range []bool{false, true} {
				if !take() {
					continue
				}
				cases.Add(1)
				s := stage(t)
				c := s.client(app)
				c.bucket.Reset(func(call buckettest.Call) buckettest.Fault {
					if call.N < n {
						return buckettest.Fault{}
					}
					return buckettest.Fault{Err: bucket.ErrUnavailable, After: after && call.N == n}
				})
				results, err := cmd.run(t.Context(), c)
				s.check(cmd, results, err, []error{store.ErrUnavailable, store.ErrUnknown}, false)
				s.converges(cmd)
				if t.Failed() {
					t.Fatalf("crash at request %d, after it: %v: %v", n, after, err)
				}
			}
		}
	})
}

// TestInterruptAtEachRequest: what is stored by then reaches the index.
func TestInterruptAtEachRequest(t *testing.T) {
	walk(t, func(t *testing.T, cmd command, stage func(*testing.T) *scene) {
		first := stage(t)
		take, last := first.sealing.sample(1), len(requests(cmd, first))
		for n := 1; n <= last; n++ {
			if !take() {
				continue
			}
			s := stage(t)
			c := s.client(app)
			ctx, cancel := context.WithCancel(t.Context())
			c.bucket.Reset(func(call buckettest.Call) buckettest.Fault {
				if call.N == n {
					cancel()
				}
				return buckettest.Fault{}
			})
			results, err := cmd.run(ctx, c)
			cancel()
			s.check(cmd, results, err, []error{context.Canceled, store.ErrUnknown}, false)
			if errors.Is(err, store.ErrIndexBehind) {
				t.Error("the index was left behind")
			}
			if changed := s.changed(); changed {
				s.wantExactIndexes()
			}
			s.converges(cmd)
			if t.Failed() {
				t.Fatalf("interrupted at request %d: %v", n, err)
			}
		}
	})
}
