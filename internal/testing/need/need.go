// Package need ends a test that needs a program which this machine does not have.
package need

import (
	"os"
	"os/exec"
	"testing"
)

// Program returns the path of a program. Without it the test is skipped, and the reason says what
// installs it; where the variable CI is set the test fails.
func Program(t testing.TB, name, install string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, name, install)
	}
	return path
}

// Missing ends a test for want of something, as [Program] does.
func Missing(t testing.TB, what, install string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing: %s", what, install)
	}
	t.Skipf("%s is missing: %s", what, install)
}
