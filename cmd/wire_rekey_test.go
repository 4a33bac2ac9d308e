//go:build unix

package cmd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// TestWireOfARekey counts what moving 1,000 secrets costs, and that a second run changes
// nothing. `make bench` prints the times at 30 ms a request.
func TestWireOfARekey(t *testing.T) {
	t.Parallel()
	const keys = 1000
	b := newBench(t, s3test.Options{})
	proxy := b.counted(30 * time.Millisecond)
	b.env = append(b.env, "COFFER_RETRIES=3")
	var text strings.Builder
	for i := range keys {
		fmt.Fprintf(&text, "key%04d: value\n", i)
	}
	path := filepath.Join(t.TempDir(), "keys.yaml")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	puts := func() int {
		n := 0
		for _, c := range proxy.Crossings() {
			if c.Method == "PUT" || c.Method == "DELETE" {
				n++
			}
		}
		return n
	}
	for _, c := range []struct {
		what, line    string
		requests, all int // at most: requests, puts and deletes
	}{
		{"import of 1,000 new keys", "import -q api " + path, 2010, keys + 12},
		{"doctor of 1,000 keys", "doctor -q api", keys + 15, 0},
		{"rekey of 1,000 keys", "rekey -q api --to alias/ops", 2*keys + 40, keys + 12},
		{"rekey again", "rekey -q api --to alias/ops", 20, 0},
	} {
		proxy.Reset()
		start := time.Now()
		b.do(c.line, "")
		elapsed, got := time.Since(start), proxy.Summary()
		t.Logf("| %s | %d | %d | %.1f s |", c.what, got.Requests, got.Depth, elapsed.Seconds())
		if got.Requests > c.requests || puts() > c.all {
			t.Errorf("%s: %d requests, %d changes; want at most %d and %d", c.what, got.Requests, puts(), c.requests, c.all)
		}
	}
	if out := b.run("list api -q", ""); strings.Count(out.stdout, "alias/ops") != keys {
		t.Errorf("%d secrets are under the new alias; want %d", strings.Count(out.stdout, "alias/ops"), keys)
	}
}
