package schedule

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/engine"
)

// commit is a change of a secret object.
type commit struct {
	client int
	key    string
	state  *secret // nil: deleted
}

func (w *world) breaks(format string, args ...any) {
	w.broken = append(w.broken, fmt.Sprintf(format, args...))
}

// committed notes a change that was made, and holds it against what stood there before.
func (w *world) committed(c *client, name string) {
	key, ok := keyOf(name)
	if !ok || w.s.promise != nil {
		return
	}
	before := w.last(key)
	now := commit{client: c.n, key: key}
	if o, ok := w.mem.Objects()[name]; ok {
		now.state = parseSecret(o)
	}
	w.log = append(w.log, now)
	if now.state == nil || c.task.op == "chamber" || w.s.chamber() {
		return
	}
	if n := now.state; n.alias != n.claims {
		w.breaks("%s says that it is under %s, and is under %s", key, n.claims, n.alias)
	}
	if before == nil {
		return
	}
	switch moves := c.task.op == "rekey" || c.task.op == "rewrite"; {
	case moves && (now.state.alias != c.task.alias || !maps.Equal(before.versions, now.state.versions)):
		w.breaks("client %d moved %s to %s with another history", c.n, key, now.state.alias)
	case before.alias != now.state.alias && !moves:
		w.breaks("I5: client %d moved %s from %s to %s", c.n, key, before.alias, now.state.alias)
	}
	for n, v := range before.versions {
		if now.state.versions[n] != v && (v != c.task.value || !now.state.holds(v)) { // else its number was taken, and nobody was told it
			w.breaks("I1: client %d lost version %d of %s", c.n, n, key)
		}
	}
	values := slices.Sorted(maps.Values(now.state.versions))
	if len(slices.Compact(values)) != len(now.state.versions) {
		w.breaks("client %d wrote a value of %s twice", c.n, key)
	}
}

// last is the newest state of a secret.
func (w *world) last(key string) *secret { return w.at(key, len(w.log)) }

// at is the state of a secret after the first n changes.
func (w *world) at(key string, n int) *secret {
	for _, c := range slices.Backward(w.log[:n]) {
		if c.key == key {
			return c.state
		}
	}
	return w.s.truth[key]
}

// outcome is what a task has reported.
type outcome struct {
	err      error
	version  int // that a write was told
	contents store.Contents
}

// violations returns the promises that do not hold where a run stands now, whoever is still
// under way: they hold at every instant.
func (w *world) violations() []string {
	for _, c := range w.clients {
		if !c.done || c.dead {
			continue
		}
		switch c.task.op {
		case "write", "renew":
			w.checkWrite(c)
		case "delete":
			w.checkDelete(c)
		case "load":
			w.checkLoad(c)
		case "rekey", "rewrite":
			w.checkRekey(c)
		}
	}
	w.checkVisible()
	w.checkNumbers()
	return w.broken
}

// checkWrite holds what a write has reported against the object: I1.
func (w *world) checkWrite(c *client) {
	key, value := c.task.key, c.task.value
	committed, deleted := false, false
	for _, change := range w.log {
		if change.key != key {
			continue
		}
		switch {
		case change.state.holds(value):
			committed, deleted = true, false
		case change.state == nil && committed:
			deleted = true
		}
	}
	err := c.outcome.err
	switch {
	case err == nil && !committed:
		w.breaks("I1: the write of client %d was acknowledged and never made", c.n)
	case err == nil && !deleted && !w.last(key).holds(value) && !w.s.chamber():
		w.breaks("I1: the write of client %d was acknowledged and is lost", c.n)
	case err != nil && committed && !errors.Is(err, store.ErrUnknown) && !errors.Is(err, store.ErrIndexBehind) && !w.s.chamber():
		w.breaks("the write of client %d was made and reported as %v", c.n, err)
	case err != nil && !errors.Is(err, store.ErrConflict) && !w.s.refuses(err):
		w.breaks("the write of client %d failed: %v", c.n, err)
	}
}

// checkDelete looks for what a finished delete must have taken away: I7.
func (w *world) checkDelete(c *client) {
	key := c.task.key
	mine, others := 0, 0
	for _, change := range w.log {
		if change.key == key && change.state == nil {
			if change.client == c.n {
				mine++
			} else {
				others++
			}
		}
	}
	switch err := c.outcome.err; {
	case err == nil && mine+others == 0:
		w.breaks("the delete of client %d was acknowledged and never made", c.n)
	case err != nil && !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrNotFound) && !w.s.refuses(err):
		w.breaks("the delete of client %d failed: %v", c.n, err)
	case err != nil && mine > 0 && !errors.Is(err, store.ErrUnknown):
		w.breaks("the delete of client %d was made and reported as %v", c.n, err)
	case err != nil || others > 0 || w.s.chamber() || w.last(key) != nil || w.rekeying():
		return
	}
	for alias, x := range indexes(w.mem) {
		if _, ok := x.Entries[key]; ok {
			w.breaks("I7: %s was deleted, and the index of %s holds it", key, alias)
		}
	}
}

// checkLoad holds what a reader returned against what stood there since its listing: I2.
func (w *world) checkLoad(c *client) {
	if err := c.outcome.err; err != nil {
		if w.s.saysRollback(err) {
			return
		}
		w.breaks("I9: the load of client %d failed: %v", c.n, err)
		return
	}
	for _, key := range c.outcome.contents.Hidden {
		if !w.mayHide(c, key) {
			w.breaks("I9: the load of client %d hides %s", c.n, key)
		}
	}
	got := map[string]string{}
	for _, s := range c.outcome.contents.Secrets {
		got[s.ID.Key] = fmt.Sprint(s.Version, s.Value.Reveal())
	}
	for _, key := range w.s.keys() {
		allowed := got[key] == "" && slices.Contains(c.outcome.contents.Hidden, key)
		for n := c.listed; n <= len(w.log); n++ {
			want := ""
			if version, value := w.at(key, n).newest(); version > 0 {
				want = fmt.Sprint(version, value)
			}
			allowed = allowed || got[key] == want
		}
		if !allowed {
			w.breaks("I2: the load of client %d has %q for %s, which was never current since its listing", c.n, got[key], key)
		}
	}
}

// checkEnd looks at the indexes when all clients have ended: they say what the objects say.
func (w *world) checkEnd() []string {
	if slices.ContainsFunc(w.clients, func(c *client) bool { return c.dead }) || w.s.chamber() {
		return nil
	}
	out := inexact(w.mem, aliasA, aliasB)
	if w.s.putBack != "" {
		out = nil // its entry is the evidence, as checkCrash looks
	}
	out = append(out, w.checkMoved()...)
	if w.s.end != nil {
		if err := w.s.end(w); err != nil {
			out = append(out, err.Error())
		}
	}
	return out
}

// inexact tells how the indexes of some aliases differ from the objects.
func inexact(b *membucket.Bucket, aliases ...string) []string {
	var out []string
	all := indexes(b)
	for _, alias := range aliases {
		entries := map[string]index.Entry{}
		if x := all[alias]; x != nil {
			entries = x.Entries
		}
		for key, s := range secrets(b) {
			entry, ok := entries[key]
			version, value := s.newest()
			switch {
			case s.alias != alias && ok && entry.Moving && entry.Tag == s.tag && entry.Version == version && entry.Value.Reveal() == value:
				// a rekey died before it moved this secret
			case s.alias != alias && ok:
				out = append(out, fmt.Sprintf("the index of %s holds %s, which is under %s", alias, key, s.alias))
			case s.alias != alias:
			case !ok:
				out = append(out, fmt.Sprintf("the index of %s lacks %s", alias, key))
			case entry.Tag != s.tag || entry.Version != version || entry.Value.Reveal() != value:
				out = append(out, fmt.Sprintf("the index of %s has an old entry for %s", alias, key))
			}
		}
		for key := range entries {
			if secrets(b)[key] == nil {
				out = append(out, fmt.Sprintf("the index of %s holds %s, which is deleted", alias, key))
			}
		}
	}
	slices.Sort(out)
	return out
}

// checkCrash takes the bucket as a crash of all clients would leave it. Whoever reads now
// reads the truth (I2, I9), and whoever writes next repairs the indexes (I4).
func (w *world) checkCrash(ctx context.Context, b *membucket.Bucket) []string {
	var out []string
	for _, denied := range []string{"", aliasA, aliasB} {
		out = append(out, w.s.soloReader(ctx, b.Client(), denied)...)
	}
	if w.s.chamber() {
		return out
	}
	if w.s.has("rekey") {
		out = append(out, w.s.again(ctx, w.s.clone(b))...)
	}
	for _, alias := range []string{aliasA, aliasB} {
		e := w.s.plainEngine(b.Client(), alias)
		if _, err := e.Write(ctx, store.ID{Service: service, Key: "next-" + alias[len(alias)-1:]}, store.NewValue("next"), store.WriteOptions{}); err != nil {
			out = append(out, fmt.Sprintf("I4: the next writer of %s fails: %v", alias, err))
		}
		for _, wrong := range inexact(b, alias) {
			if s := w.s.putBack; s != "" && strings.Contains(wrong, "old entry for "+s) {
				continue // the evidence
			}
			out = append(out, "I4: after the next writer "+wrong)
		}
	}
	return append(out, w.s.soloReader(ctx, b.Client(), "")...) // what was evidence before is so after them
}

// soloReader reads the service alone, without one of the keys.
func (s *scenario) soloReader(ctx context.Context, b *membucket.Bucket, denied string) []string {
	alias := aliasA
	if denied != "" {
		b.DenyKeys(membucket.KeyID(denied))
		if denied == aliasA {
			alias = aliasB
		}
	}
	c, err := s.engineOf(s.over(b, denied), alias).Load(ctx, service)
	if wrong, settled := s.checkEvidence(b, denied, err); settled {
		return wrong
	}
	if s.saysRollback(err) {
		return nil
	}
	if err != nil {
		return []string{fmt.Sprintf("a reader without %q fails: %v", denied, err)}
	}
	got := map[string]string{}
	for _, found := range c.Secrets {
		got[found.ID.Key] = fmt.Sprintf("%s version %d", found.Value.Reveal(), found.Version)
	}
	for _, key := range c.Hidden {
		got[key] += "hidden"
	}
	want := map[string]string{}
	for key, truth := range secrets(b) {
		version, value := truth.newest()
		want[key] = fmt.Sprintf("%s version %d", value, version)
		if truth.alias == denied && (got[key] != want[key] || !s.has("rekey")) { // which shows it ahead
			want[key] = "hidden"
		}
	}
	if !maps.Equal(got, want) {
		return []string{fmt.Sprintf("I2: a reader without %q has %v, and the objects have %v", denied, got, want)}
	}
	return nil
}

// saysRollback reports whether a reader refuses because an object is older than an index
// says: it was put back, or chamber has overwritten what it has not seen.
func (s *scenario) saysRollback(err error) bool {
	var rollback *store.RollbackError
	return (s.chamber() || s.putBack != "") && errors.As(err, &rollback)
}

// plainEngine is an engine that nobody schedules.
func (s *scenario) plainEngine(b *membucket.Bucket, alias string) *engine.Engine {
	return s.engineOf(s.over(b, ""), alias)
}

func (s *scenario) engineOf(b bucket.Bucket, alias string) *engine.Engine {
	c := &client{n: 99, w: &world{s: *s}}
	return c.engine(b, alias)
}
