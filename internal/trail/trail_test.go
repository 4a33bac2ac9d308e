package trail_test

import (
	"errors"
	"testing"

	"github.com/coffer-secrets/coffer/internal/trail"
	"github.com/coffer-secrets/coffer/store"
)

// The exact name comes first, then the only one that differs in case; two are ambiguous.
func TestAServiceThatWasReadIsFoundByTheRuleOfNames(t *testing.T) {
	for name, test := range map[string]struct {
		read []string
		want string
		kept int
	}{
		"team": {[]string{"Team", "team", "team"}, "team", 2},
		"TEAM": {[]string{"Team", "Team"}, "Team", 2},
		"tEAM": {[]string{"Team", "team"}, "", 2},
		"none": {nil, "none", 0},
	} {
		log := trail.Log{}
		for _, service := range test.read {
			log.Accesses = append(log.Accesses, trail.Access{Service: service})
		}
		got, err := log.Select(name)
		if got != test.want || (err == nil) != (test.want != "") || err != nil && !errors.Is(err, store.ErrAmbiguousName) || len(log.Accesses) != test.kept {
			t.Errorf("%s among %q: %q, %v, %d accesses", name, test.read, got, err, len(log.Accesses))
		}
	}
}
