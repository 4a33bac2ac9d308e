//go:build unix

package cmd_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// A newline at the end of a value that comes from a pipe or a file is kept, as chamber keeps it. One
// line says so, with the flag that drops it.
func TestNewlineAtTheEndIsSaid(t *testing.T) {
	const said = "coffer: the value ends with a newline, which was kept; use --singleline (-s) to remove it\n"
	b := newBench(t, s3test.Options{})
	file := b.file(canary + "\n")
	for i, c := range []struct {
		line, stdin, stored, stderr string
	}{
		{"write api key -", canary + "\n", canary + "\n", said},
		{"write api key --from-file " + file, "", canary + "\n", said},
		{"write api key -", "\n", "\n", said},
		{"write api key -", canary + "\r\n", canary + "\r\n", said},
		{"write api key - -q", canary + "\n", canary + "\n", ""},
		{"write api key - -s", canary + "\n", canary, ""},
		{"write api key --singleline --from-file " + file, "", canary, ""},
		{"write api key -", canary, canary, ""},
		{"write api key -", "", "", ""},
		{"write api key -", "-----BEGIN\n" + canary + "\n", "-----BEGIN\n" + canary + "\n", ""}, // a text ends with one
	} {
		if got := b.run(c.line, c.stdin); got.exit != 0 || strings.TrimSuffix(got.stderr, fmt.Sprintf("api/key: version %d\n", i+1)) != c.stderr {
			t.Errorf("coffer %s, with %q: %+v", c.line, c.stdin, got)
		}
		if got := b.run("read api key -n", ""); got.stdout != c.stored {
			t.Errorf("coffer %s, with %q: %q is stored", c.line, c.stdin, got.stdout)
		}
	}
	b.do("write api key - -q", canary+"\n")
	if got := b.run("read api key -q", ""); got.stdout != canary+"\n\n" {
		t.Errorf("read -q: %+v", got)
	}
	if got := b.run("exec api -- printenv KEY", ""); got.stdout != canary+"\n\n" {
		t.Errorf("exec: %+v", got)
	}
}
