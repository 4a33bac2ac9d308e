//go:build unix

package cmd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestWireOfThePast counts what versions of a time and of a lock file cost: the request of the newest, and
// one for each secret that has changed since.
func TestWireOfThePast(t *testing.T) {
	l := newLine(t)
	l.fill("one", "alias/app", 50)
	lock := filepath.Join(l.dir, "coffer.lock")
	l.run("lock one -o "+lock, "")
	at := time.Now().UTC().Format(time.RFC3339Nano)
	for _, c := range []struct {
		what, line      string
		changes         int // so many secrets are changed before
		requests, depth int
	}{
		{"lock, 50 secrets", "lock one", 0, 2, 1},
		{"exec --at, none of 50 secrets changed since", "exec one --at " + at + " -- true", 0, 2, 1},
		{"exec --locked, none of 50 secrets changed since", "exec --locked " + lock + " -- true", 0, 2, 1},
		{"lock --check, none of 50 secrets changed since", "lock --check " + lock, 0, 2, 1},
		{"exec --at, 20 of 50 secrets changed since", "exec one --at " + at + " -- true", 20, 22, 2},
		{"exec --locked, 20 of 50 secrets changed since", "exec --locked " + lock + " -- true", 0, 22, 2},
		{"list --at, the same", "list one --at " + at, 0, 22, 2},
		{"lock again", "lock one", 0, 2, 1},
		{"read --at", "read one alias-app-key-1 --at " + at, 0, 1, 1},
	} {
		t.Run(c.what, func(t *testing.T) {
			if c.changes > 0 {
				l.change("one", c.changes)
			}
			requests, depth := fewest(l.proxy, c.requests, c.depth, func() { l.run(c.line, "") })
			t.Logf("| %s | %d | %d |", c.what, requests, depth)
			if requests != c.requests || depth > c.depth {
				t.Errorf("%d requests, depth %d; want %d and at most %d", requests, depth, c.requests, c.depth)
			}
		})
	}
}

// change writes new values of the first n secrets of a service that fill has filled.
func (l *line) change(service string, n int) {
	l.Helper()
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "alias-app-key-%d: changed\n", i)
	}
	path := filepath.Join(l.dir, "changed.yaml")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		l.Fatal(err)
	}
	l.run("import "+service+" "+path, "")
}
