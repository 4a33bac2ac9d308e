package engine_test

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
)

// scene is a service before the command, and what is known of it.
type scene struct {
	*world
	mode    membucket.Options
	sealing sealing
	before  map[string][]string // the values of each key, oldest first
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
// aliases are what they were (I5), everything is encrypted with its key (I10), and a reader
// sees the truth (I9).
func (s *scene) wantSound() {
	s.Helper()
	for name, o := range s.stored() {
		alias := app
		if strings.Contains(name, "alias_ops") || strings.HasSuffix(name, "/o.json") {
			alias = ops
		}
		if strings.Contains(name, "alias_web") {
			alias = s.keyOfWeb()
		}
		if o.Seal != s.kms(alias) {
			s.Errorf("%s is encrypted with %+v", name, o.Seal)
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
