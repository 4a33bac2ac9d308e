package integrations_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/need"
)

// TestBuildkitePlugin runs its tests, which are in bats, as is usual for plugins.
func TestBuildkitePlugin(t *testing.T) {
	t.Parallel()
	bats := need.Program(t, "bats", "apt-get install bats")
	need.Program(t, "jq", "apt-get install jq")
	tests, err := filepath.Abs("buildkite/coffer/tests")
	if err != nil {
		t.Fatal(err)
	}
	m := newMachine(t)
	all := m.env
	m.withoutCoffer()
	for _, variable := range m.env {
		if path, is := strings.CutPrefix(variable, "PATH="); is {
			all = append(all, "WITHOUT_COFFER="+path)
		}
	}
	m.env = append(all, "RELEASES="+newReleases(t, program).url)
	code, output := m.run(bats, tests)
	if code != 0 {
		t.Errorf("bats: exit code %d\n%s", code, output)
	}
	hidden(t, output)
	if strings.Count(output, "\nok ") < 9 {
		t.Errorf("bats ran fewer tests than there are:\n%s", output)
	}
}
