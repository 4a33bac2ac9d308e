package engine_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/proof"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/buckettest"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
)

// The walk of testing.md, section 2, on the bucket port: each command meets each fault at
// each of its requests, before and after the request is applied. Afterwards what is stored
// is read directly and held against the invariants of the protocol.

// scene is a service before the command, and what is known of it.
type scene struct {
	*world
	mode   membucket.Options
	before map[string][]string // the values of each key, oldest first
}

var sceneKinds = map[string]func(*world){
	"in order": func(w *world) {
		c := w.client(app)
		c.put("u", "u1")
		c.put("u", "u2")
		c.put("d", canary+"-d1")
		c.put("keep", "k1")
		w.client(ops).put("o", "o1")
	},
	// Three writers and a delete have died half way, and chamber has written.
	"in disorder": func(w *world) {
		c := w.client(app)
		c.put("u", "u1")
		c.put("d", canary+"-d1")
		c.put("ghost", "g1")
		w.client(ops).put("o", "o1")
		c.fails("put", appIndex, 1, bucket.ErrDenied)
		if _, err := c.write("u", "u2", store.WriteOptions{}); !errors.Is(err, store.ErrIndexBehind) {
			w.Fatalf("write: %v", err)
		}
		c.rules = nil
		c.fails("put", appIndex, 1, bucket.ErrDenied)
		if _, err := c.write("keep", "k1", store.WriteOptions{}); !errors.Is(err, store.ErrIndexBehind) {
			w.Fatalf("write: %v", err)
		}
		w.erase("api/ghost.json")
	},
}

// withDeleted adds, where versions are kept, a secret that is deleted.
func withDeleted(w *world) {
	c := w.client(app)
	c.put("x", canary+"-x")
	if err := c.remove("x"); err != nil {
		w.Fatal(err)
	}
}

// command is something to be walked through. After err, check holds the store against what
// the command said.
type command struct {
	name  string
	run   func(ctx context.Context, c *client) ([]store.Result, error)
	wants map[string]string // the values it writes; "" deletes
}

func commands(o membucket.Options) []command {
	write := func(name, key string) command {
		value := canary + "-" + key
		return command{name: name, wants: map[string]string{key: value}, run: func(ctx context.Context, c *client) ([]store.Result, error) {
			r, err := c.Write(ctx, id(key), store.NewValue(value), store.WriteOptions{})
			return []store.Result{r}, err
		}}
	}
	many := map[string]store.Value{}
	wants := map[string]string{}
	for _, key := range []string{"m1", "m2", "m3", "u", "keep"} {
		wants[key] = canary + "-" + key
		many[key] = store.NewValue(wants[key])
	}
	if o.Versioned {
		return versionCommands()
	}
	return []command{
		write("write new", "n"),
		write("write update", "u"),
		{name: "delete", wants: map[string]string{"d": ""}, run: func(ctx context.Context, c *client) ([]store.Result, error) {
			return c.Delete(ctx, service, "d")
		}},
		{name: "import 5", wants: wants, run: func(ctx context.Context, c *client) ([]store.Result, error) {
			return c.WriteAll(ctx, service, many, store.WriteOptions{SkipUnchanged: true})
		}},
		{name: "load", run: func(ctx context.Context, c *client) ([]store.Result, error) { return nil, c.checkLoad(ctx) }},
		{name: "history", run: func(ctx context.Context, c *client) ([]store.Result, error) {
			versions, err := c.History(ctx, id("u"))
			if err == nil && len(versions) != 2 {
				c.w.Errorf("history has %d versions; want 2", len(versions))
			}
			return nil, err
		}},
		{name: "read", run: func(ctx context.Context, c *client) ([]store.Result, error) {
			s, err := c.Read(ctx, id("u"), store.Latest)
			if err == nil && s.Value.Reveal() != "u2" {
				c.w.Errorf("read version %d, which is not the newest", s.Version)
			}
			return nil, err
		}},
	}
}

// versionCommands are those that work with what a bucket keeps.
func versionCommands() []command {
	return []command{
		{name: "delete --purge", wants: map[string]string{"d": ""}, run: func(ctx context.Context, c *client) ([]store.Result, error) {
			results, _, err := c.Purge(ctx, service, "d")
			if err == nil {
				c.w.wantNoVersionTells(canary + "-d1")
			}
			return results, err
		}},
		{name: "restore --deleted", wants: map[string]string{"x": canary + "-x"}, run: func(ctx context.Context, c *client) ([]store.Result, error) {
			r, err := c.Undelete(ctx, id("x"), admin.UndeleteOptions{})
			return []store.Result{r}, err
		}},
		{name: "delete --purge of a deleted one", run: func(ctx context.Context, c *client) ([]store.Result, error) {
			results, _, err := c.Purge(ctx, service, "x")
			if err == nil || errors.Is(err, store.ErrNotFound) { // the second: a run before has finished it
				c.w.wantNoVersionTells(canary + "-x")
				err = nil
			}
			return results[:0], err
		}},
		{name: "list the deleted", run: func(ctx context.Context, c *client) ([]store.Result, error) {
			found, err := c.Deleted(ctx, service)
			if gone := c.w.truth()["x"] == nil; err == nil && gone && !slices.ContainsFunc(found, func(f admin.Candidate) bool { return f.ID == id("x") }) {
				c.w.Errorf("x is not among the %d found", len(found))
			}
			return nil, err
		}},
	}
}

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

// walk calls visit for each mode, scene and command.
func walk(t *testing.T, visit func(t *testing.T, cmd command, stage func(t *testing.T) *scene)) {
	for mode, o := range modes {
		for kind, prepare := range sceneKinds {
			for _, cmd := range commands(o) {
				t.Run(fmt.Sprintf("%s/%s/%s", mode, kind, cmd.name), func(t *testing.T) {
					t.Parallel()
					visit(t, cmd, func(t *testing.T) *scene {
						w := newWorld(t, o)
						prepare(w)
						if o.Versioned {
							withDeleted(w)
						}
						return &scene{world: w, mode: o, before: w.truth()}
					})
				})
			}
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
		take := proof.Sample(3)
		for _, at := range requests(cmd, stage(t)) {
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
		if mode := stage(t).mode; cmd.wants == nil || cmd.name == "import 5" || mode.ETags == membucket.MD5ETags && !mode.NoConditionalDelete {
			return // one mode with MD5 ETags is enough
		}
		all, take := requests(cmd, stage(t)), proof.Sample(7)
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
		for n := 1; n <= len(requests(cmd, stage(t))); n++ {
			for _, after := range []bool{false, true} {
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
		for n := 1; n <= len(requests(cmd, stage(t))); n++ {
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

// changed reports whether any secret is not what it was.
func (s *scene) changed() bool { return !maps.EqualFunc(s.before, s.truth(), slices.Equal[[]string]) }

// check holds the store against what the command said. lied: the fault has denied a change
// that was made.
func (s *scene) check(cmd command, results []store.Result, err error, allowed []error, lied bool) {
	s.Helper()
	s.checkError(err, allowed)
	after := s.truth()
	said := map[string]store.Result{}
	for _, r := range results {
		said[r.Meta.ID.Key] = r
		if r.Err != nil {
			s.checkError(r.Err, allowed)
		}
	}
	for key, versions := range s.before {
		if _, touched := cmd.wants[key]; !touched && !slices.Equal(after[key], versions) {
			s.Errorf("%s had %d versions and has %d, which nobody asked for", key, len(versions), len(after[key]))
		}
	}
	for key := range after {
		if _, touched := cmd.wants[key]; !touched && s.before[key] == nil {
			s.Errorf("%s came into being, which nobody asked for", key)
		}
	}
	for key, value := range cmd.wants {
		before, now := s.before[key], after[key]
		want := append(slices.Clone(before), value)
		if value == "" {
			want = nil
		}
		made, untouched := slices.Equal(now, want), slices.Equal(now, before)
		r, told := said[key]
		done := told && r.Err == nil && r.Outcome != ""
		switch {
		case !made && !untouched:
			s.Errorf("%s: it had %d versions, and has %d: neither what was nor what was to be", key, len(before), len(now))
		case done && !made:
			s.Errorf("%s: said to be %s, and is not", key, r.Outcome)
		case made && !untouched && !done && !lied && !errors.Is(cmp.Or(r.Err, err), store.ErrUnknown):
			s.Errorf("%s: it was changed, and the error does not say so: %v", key, err)
		}
		if err == nil && !made {
			s.Errorf("%s: no error, and nothing done", key)
		}
		if value == "" && err == nil {
			s.wantInNoIndex(before[len(before)-1])
		}
	}
	s.wantSound()
}

func (s *scene) checkError(err error, allowed []error) {
	s.Helper()
	if err == nil {
		return
	}
	s.want(err)
	if !slices.ContainsFunc(allowed, func(kind error) bool { return errors.Is(err, kind) }) {
		s.Errorf("error is %v; allowed: %v", err, allowed)
	}
}

func (s *scene) wantInNoIndex(value string) {
	s.Helper()
	for name, o := range s.stored() {
		if strings.Contains(name, "/__") && strings.Contains(string(o.Body), value) {
			s.Errorf("%s still holds the deleted value", name)
		}
	}
}

// wantSound holds what is true at every instant: entries with current tags are right (I2),
// aliases are what they were (I5), everything is sealed with its key (I10), and a reader
// sees the truth (I9).
func (s *scene) wantSound() {
	s.Helper()
	for name, o := range s.stored() {
		alias := app
		if strings.Contains(name, "alias_ops") || strings.HasSuffix(name, "/o.json") {
			alias = ops
		}
		if o.Seal != s.kms(alias) {
			s.Errorf("%s is sealed with %+v", name, o.Seal)
		}
	}
	documents := s.documents()
	for _, alias := range []string{app, ops} {
		x := s.index(alias)
		if x == nil {
			s.Errorf("the index of %s is gone", alias)
			continue
		}
		for key, e := range x.Entries {
			d := documents[key]
			if d == nil || e.Tag != d.tag {
				continue
			}
			if version, value := d.newest(); d.Deleted || e.Version != version || e.Value.Reveal() != value || d.Alias != alias {
				s.Errorf("index of %s: the entry of %s has the tag of its object and another content", alias, key)
			}
		}
	}
	reader := s.client(ops)
	if err := reader.checkLoad(s.Context()); err != nil {
		s.Errorf("a reader fails: %v", err)
	}
	if c := reader.load(); len(c.Hidden) != 0 || c.Listed != len(s.truth()) {
		s.Errorf("a reader sees %d listed, hidden %q; there are %d", c.Listed, c.Hidden, len(s.truth()))
	}
}

// wantExactIndexes checks that the indexes hold what the objects say, and nothing else.
func (s *scene) wantExactIndexes() {
	s.Helper()
	want, documents := map[string]string{}, s.documents()
	for key, versions := range s.truth() {
		if documents[key].Alias == app {
			want[key] = versions[len(versions)-1]
		}
	}
	s.wantIndex(app, want)
	s.wantIndex(ops, map[string]string{"o": "o1"})
}

// converges: the next writer of another key leaves the index exact (I4), and the command,
// run again, does what it was to do.
func (s *scene) converges(cmd command) {
	s.Helper()
	gone := s.before["d"] != nil && s.truth()["d"] == nil
	s.client(app).put("next", "n1")
	s.wantExactIndexes()
	if gone {
		s.wantInNoIndex(s.before["d"][0])
		if s.truth()["d"] != nil {
			s.Error("d is back")
		}
	}
	_, err := cmd.run(s.Context(), s.client(app))
	if err != nil && (!strings.HasPrefix(cmd.name, "delete") || !gone || !errors.Is(err, store.ErrNotFound)) && cmd.name != "history" {
		s.Errorf("run again: %v", err)
	}
	truth := s.truth()
	for key, value := range cmd.wants {
		if now := truth[key]; value == "" && now != nil || value != "" && (len(now) == 0 || now[len(now)-1] != value) {
			s.Errorf("run again: %s is not what it was to be", key)
		}
	}
	s.wantExactIndexes()
	s.wantSound()
}
