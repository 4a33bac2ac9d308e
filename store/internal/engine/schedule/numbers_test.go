package schedule

import (
	"errors"
	"fmt"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/proof"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
)

// numbers are scenarios in which secrets are deleted and made anew, or were put back to an older state.
func numbers() []scenario {
	one := map[string]string{"k1": aliasA}
	back := map[string]string{"k1": aliasA, "k2": aliasA}
	return []scenario{
		{name: "renew and write", tasks: []task{renew("k1", "n1"), write("k1", "v1")}, seeds: one, lost: 1},
		{name: "renew and renew", tasks: []task{renew("k1", "n1"), renew("k1", "n2")}, seeds: one, lost: 1},
		{name: "renew and create under B", tasks: []task{renew("k1", "n1"), writeB("k1", "v1")}, seeds: one, lost: 1},
		{name: "renew of the first of a service, and another", tasks: []task{renew("k1", "n1"), write("k1", "v1")}, seeds: map[string]string{}, lost: 1},
		{name: "renew and rekey", tasks: []task{renew("k1", "n1"), rekey()}, seeds: one, lost: 1},
		{name: "renew and mend", tasks: []task{renew("k1", "n1"), mend()}, seeds: one, lost: 1},
		{name: "delete, create, create", tasks: []task{remove("k1"), write("k1", "v1"), write("k1", "v2")}, seeds: one},
		{name: "create, delete, create under B", tasks: []task{write("k3", "v1"), remove("k3"), writeB("k3", "v2")}, seeds: one},
		{name: "delete and create, an index behind", tasks: []task{remove("k1"), write("k1", "v1")}, seeds: one, behind: "k1", lost: 1},
		{name: "delete, write of another, create", tasks: []task{remove("k1"), write("k2", "u1"), write("k1", "v1")}, seeds: one, behind: "k1", crashes: 1},
		{name: "put back, and write of another", tasks: []task{write("k2", "v1"), load()}, seeds: back, putBack: "k1", lost: 1},
		{name: "put back, and delete of another", tasks: []task{remove("k2"), write("k3", "x1")}, seeds: back, putBack: "k1", lost: 1},
		{name: "put back, and written", tasks: []task{write("k1", "v1"), write("k2", "u1")}, seeds: back, putBack: "k1", lost: 1},
		{name: "put back, and mended", tasks: []task{mend(), write("k2", "u1")}, seeds: back, putBack: "k1", lost: 1},
	}
}

// TestSchedulesOfNumbers explores a part of those of three clients, and all in the long form.
func TestSchedulesOfNumbers(t *testing.T) {
	limit := proof.Bounded(250, 700)
	if _, asked := long(t); asked {
		limit = all
	}
	exploreEach(t, numbers(), limit)
}

// checkNumbers: no number of a secret ever names two values. One that a create is about to lose,
// because a version that was deleted meanwhile had it, nobody was told.
func (w *world) checkNumbers() {
	if w.s.chamber() || w.s.has("writes") {
		return
	}
	type version struct {
		key string
		n   int
	}
	names, settled := map[version]string{}, map[string]version{}
	name := func(key string, n int, value string) {
		at := version{key, n}
		if was := names[at]; was != "" && was != value {
			w.breaks("version %d of %s means %q and %q", n, key, was, value)
		}
		names[at] = value
	}
	for key, s := range w.s.truth {
		for n, value := range s.versions {
			name(key, n, value)
		}
		if key == w.s.putBack {
			name(key, 2, "second")
		}
	}
	for _, c := range w.clients {
		if c.done && !c.dead && c.outcome.err == nil && c.outcome.version > 0 {
			settled[c.task.value] = version{c.task.key, c.outcome.version}
			name(c.task.key, c.outcome.version, c.task.value)
		}
	}
	for _, change := range w.log {
		if change.state == nil {
			continue
		}
		for n, value := range change.state.versions {
			if settled[value] == (version{change.key, n}) || value == "first" {
				name(change.key, n, value)
			}
		}
	}
}

// checkEvidence: as long as nobody has changed a secret that was put back, who can read its index is refused.
func (s *scenario) checkEvidence(b *membucket.Bucket, denied string, err error) (wrong []string, settled bool) {
	var rollback *store.RollbackError
	now := secrets(b)[s.putBack]
	refused := errors.As(err, &rollback)
	switch {
	case s.putBack == "" || denied == aliasA:
		return nil, false
	case now != nil && now.tag == s.truth[s.putBack].tag && !refused:
		return []string{fmt.Sprintf("%s was put back, and a reader is not refused: %v", s.putBack, err)}, true
	}
	return nil, refused && now != nil && now.tag == s.truth[s.putBack].tag
}
