package schedule

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
)

// rekeys are the scenarios of section 12 of the protocol in which secrets are moved from A to B.
func rekeys() []scenario {
	one := map[string]string{"k1": aliasA} // two secrets move in the first scenario, one in most: so all orders can be gone through
	return []scenario{
		{name: "rekey", tasks: []task{rekey()}, lost: 1, crashes: 1, end: allSucceed},
		{name: "rekey to an alias with secrets", tasks: []task{rekey()}, seeds: map[string]string{"k1": aliasA, "k2": aliasB}, lost: 1, crashes: 1, end: allSucceed},
		{name: "rewrite", tasks: []task{rewrite()}, lost: 1, crashes: 1, end: allSucceed},
		{name: "rewrite and write", tasks: []task{rewrite(), write("k1", "v1")}, seeds: one, lost: 1, end: allSucceed},
		{name: "rekey and write", tasks: []task{rekey(), write("k1", "v1")}, seeds: one, lost: 1},
		{name: "rekey and write without B", tasks: []task{rekey(), write("k1", "v1").but(aliasB)}, seeds: one, lost: 1},
		{name: "rekey and write under B", tasks: []task{rekey(), writeB("k2", "v1")}, seeds: map[string]string{"k1": aliasA, "k2": aliasB}, lost: 1, end: allSucceed},
		{name: "rekey and create", tasks: []task{rekey(), write("k2", "x1")}, seeds: one, lost: 1},
		{name: "rekey and first write", tasks: []task{rekey(), write("k1", "x1")}, seeds: map[string]string{}, lost: 1},
		{name: "rekey and create under B", tasks: []task{rekey(), writeB("k2", "x1")}, seeds: one, lost: 1, end: allSucceed},
		{name: "rekey and delete", tasks: []task{rekey(), remove("k1")}, seeds: one, lost: 1},
		{name: "rekey and rekey", tasks: []task{rekey(), rekey()}, seeds: one, lost: 1, end: allSucceed},
		{name: "rekey and load", tasks: []task{rekey(), load()}, lost: 1, end: allSucceed},
		{name: "rekey and load without B", tasks: []task{rekey(), load().but(aliasB)}, lost: 1, end: allSucceed},
		{name: "rekey and load without A", tasks: []task{rekey(), load().but(aliasA)}, lost: 1, end: allSucceed},
		{name: "rekey and chamber's write", tasks: []task{rekey(), chamberWrites("k1", "c1")}, seeds: one},
	}
}

// refuses reports whether a writer or a deleter may get this error: the secret was moved, and with
// the old key alone nobody can find out whether a request with a lost answer was applied.
func (s *scenario) refuses(err error) bool {
	var other *store.AliasError
	return s.has("rekey") && (errors.As(err, &other) || errors.Is(err, store.ErrDenied) || errors.Is(err, store.ErrUnknown))
}

// rekeying reports whether a rekey is under way, or has died. It may put a value into the new
// index that it read before the secret was deleted, and takes it out before it ends.
func (w *world) rekeying() bool {
	for _, c := range w.clients {
		if c.task.op == "rekey" && (!c.done || c.dead) {
			return true
		}
	}
	return false
}

// mayHide reports whether a secret was, since a reader's listing, under the key that it may not use.
func (w *world) mayHide(c *client, key string) bool {
	for n := c.listed; n <= len(w.log); n++ {
		if s := w.at(key, n); s != nil && s.alias == c.task.without {
			return true
		}
	}
	return false
}

// checkVisible: the index of its alias has the newest value of every secret that nobody but a
// rekey has changed, at every instant (I6). So a reader that goes by the indexes alone, as
// chamber does, finds it with the key of the object.
func (w *world) checkVisible() {
	if w.s.chamber() {
		return
	}
	changed := map[string]bool{}
	for _, c := range w.log {
		if op := w.clients[c.client].task.op; op != "rewrite" {
			changed[c.key] = op != "rekey"
		}
	}
	all := indexes(w.mem)
	for key, s := range secrets(w.mem) {
		if changed[key] || key == w.s.putBack || key == w.s.behind {
			continue
		}
		if version, value := s.newest(); !holds(all[s.alias], key, version, value) {
			where := "no index has its value"
			for alias, x := range all {
				if holds(x, key, version, value) {
					where = "only the index of " + alias + " has its value"
				}
			}
			w.breaks("I6: %s is under %s, and %s", key, s.alias, where)
		}
	}
}

func holds(x *index.Index, key string, version int, value string) bool {
	if x == nil {
		return false
	}
	e, ok := x.Entries[key]
	return ok && e.Version == version && e.Value.Reveal() == value
}

// checkRekey holds what a rekey has reported against the objects.
func (w *world) checkRekey(c *client) {
	if err := c.outcome.err; err != nil {
		if !errors.Is(err, store.ErrConflict) {
			w.breaks("the %s of client %d failed: %v", c.task.op, c.n, err)
		}
		return
	}
	deleted := map[string]bool{}
	for _, change := range w.log {
		deleted[change.key] = deleted[change.key] || change.state == nil
	}
	for key, s := range secrets(w.mem) {
		if was := w.at(key, c.listed); was != nil && !deleted[key] && s.alias != c.task.alias && !w.s.chamber() {
			w.breaks("the rekey of client %d has ended, and %s is under %s", c.n, key, s.alias)
		}
	}
}

// checkMoved: when all have ended, nothing of the moved secrets is under A, not even an empty
// index: once its key is disabled that would stop every reader. Only a delete leaves one.
func (w *world) checkMoved() []string {
	if !w.s.has("rekey") || w.s.has("delete") {
		return nil
	}
	for _, s := range secrets(w.mem) {
		if s.alias == aliasA {
			return nil // created meanwhile
		}
	}
	if x := indexes(w.mem)[aliasA]; x != nil {
		return []string{fmt.Sprintf("I6: nothing is under A, and its index stands there with %d entries", len(x.Entries))}
	}
	return nil
}

// again runs a rekey over what a crash has left: it moves everything, and leaves nothing behind.
func (s *scenario) again(ctx context.Context, b *membucket.Bucket) []string {
	before := secrets(b)
	if _, err := s.plainEngine(b.Client(), aliasB).Rekey(ctx, service, admin.RekeyOptions{}); err != nil {
		return []string{fmt.Sprintf("the rekey, run again, fails: %v", err)}
	}
	out := inexact(b, aliasB)
	for key, now := range secrets(b) {
		if now.alias != aliasB || !maps.Equal(now.versions, before[key].versions) {
			out = append(out, fmt.Sprintf("after a second rekey %s is under %s with %d versions", key, now.alias, len(now.versions)))
		}
	}
	if indexes(b)[aliasA] != nil {
		out = append(out, "after a second rekey the index of A stands there")
	}
	return out
}
