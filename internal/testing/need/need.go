// Package need ends a test that needs a program which isn't installed on this machine.
package need

import (
	"os"
	"os/exec"
	"testing"
)

// Program returns the path of a program. If it isn't installed the test is skipped with a reason
// that says how to install it. If the variable CI is set the test fails.
func Program(t testing.TB, name, install string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, name, install)
	}
	return path
}

// Missing ends a test because something is missing, as [Program] does.
func Missing(t testing.TB, what, install string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing: %s", what, install)
	}
	t.Skipf("%s is missing: %s", what, install)
}
