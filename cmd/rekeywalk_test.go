//go:build unix

package cmd_test

import (
	"regexp"
	"strconv"
	"time"
)

// What the walks want of a rekey, beside what they want of every command.

// wantMoved: each secret is under its old alias and key or the new ones; all are under the
// new ones, and nothing is left under the old, if the command succeeded. It returns how many
// have been moved.
func (s *stage) wantMoved(a act, now map[string]secretState, succeeded bool) (moved int) {
	s.Helper()
	if a.moves == "" {
		return 0
	}
	for key, is := range now {
		was, to := s.before[key], a.moves
		if a.same {
			to = was.alias // whatever it is of
		}
		made := is.alias == to && is.key == s.on.key(s.bench, to)
		if untouched := is.alias == was.alias && is.key == was.key; !untouched {
			moved++
			if !made {
				s.Errorf("%s was under %s and is under %s, %s", key, was.alias, is.alias, is.key)
			}
		}
		if succeeded && !made {
			s.Errorf("the rekey succeeded, and %s is under %s, %s", key, is.alias, is.key)
		}
	}
	if !succeeded {
		return moved
	}
	for _, o := range s.objects() {
		if o.key == s.keys["alias/app"] {
			s.Errorf("the rekey succeeded, and %s is left under the old key", o.name)
		}
	}
	for key, e := range s.index(a.moves).Entries {
		if e.Moving {
			s.Errorf("the rekey succeeded, and %s is still announced", key)
		}
	}
	return moved
}

// wantMovedAgain: a second run moves the rest, and a third has nothing to do.
func (s *stage) wantMovedAgain(a act) {
	s.Helper()
	for range 2 {
		s.Reset()
		if got := s.perform(a.line, a.stdin); got.exit != 0 {
			s.Errorf("run again: exit code %d\n%s", got.exit, got.stderr)
		}
		s.wantChanged(a, true)
		s.wantExact()
		s.wantSound()
	}
	for _, e := range s.Log() {
		if e.Op == "PutObject" || e.Op == "DeleteObject" {
			s.Errorf("the third run makes a %s of %s", e.Op, e.Key)
		}
	}
}

// wantVisible: nobody else writes while the program moves secrets, so that the index of its alias
// has the newest value of each at every instant (I6). Who may use both keys reads all of them,
// who may use one the right values or how many are hidden.
func (s *stage) wantVisible(now map[string]secretState) {
	s.Helper()
	if s.act.moves == "" {
		return
	}
	for key, is := range now {
		if e, ok := s.index(is.alias).Entries[key]; !ok || e.Value.Reveal() != is.newest() {
			s.Errorf("%s is under %s, whose index has another value, or none", key, is.alias)
		}
	}
	if s.act.same {
		return // both keys are of one alias
	}
	for _, holds := range []string{"alias/app", "alias/ops"} {
		contents, err := s.visit(visit{alias: holds, only: holds, clock: time.Now}).Load(s.Context(), "team")
		if err != nil {
			s.Errorf("a reader with the key of %s alone fails: %v", holds, err)
		}
		seen := map[string]bool{}
		for _, secret := range contents.Secrets {
			seen[secret.ID.Key] = true
			if secret.Value.Reveal() != now[secret.ID.Key].newest() {
				s.Errorf("a reader with the key of %s alone gets another value of %s", holds, secret.ID.Key)
			}
		}
		for _, key := range contents.Hidden {
			seen[key] = true
			if now[key].alias == holds {
				s.Errorf("%s is under %s, and hidden from who has its key", key, holds)
			}
		}
		if len(seen) != len(now) {
			s.Errorf("a reader with the key of %s alone is told of %d secrets, of %d", holds, len(seen), len(now))
		}
	}
}

var saysMoved = regexp.MustCompile(`(\d+) of \d+ secrets? moved`)

// wantHonest: a rekey does not say that it has moved what it has not.
func (s *stage) wantHonest(a act, got outcome) {
	s.Helper()
	if found := saysMoved.FindStringSubmatch(got.stderr); found != nil {
		said, _ := strconv.Atoi(found[1])
		if moved := s.wantMoved(a, s.state(), false); said > moved {
			s.Errorf("it says that %d were moved, and %d are", said, moved)
		}
	}
}
