//go:build unix

package cmd_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/internal/testing/wire"
)

// TestWireOfPages counts what commands cost in a service that a listing needs several pages for. COFFER_PAGES says how
// many secrets it has. With COFFER_BASE and COFFER_NOW, two binaries, it runs both by turns, 20 ms a request, and logs
// what both take.
func TestWireOfPages(t *testing.T) {
	keys := 2500
	if n, err := strconv.Atoi(os.Getenv("COFFER_PAGES")); err == nil {
		keys = n
	}
	b, proxy := newPages(t, keys)
	ranges := (keys - 999 + 949) / 950
	known := (keys + 949) / 950
	for _, c := range []struct {
		what, line      string
		requests, depth int
	}{
		{"exec", "exec api -- true", 2 + ranges, 2},
		{"list", "list api -q", 2 + ranges, 2},
		{"env", "env api", 2 + ranges, 2},
		{"export", "export api", 2 + ranges, 2},
		{"write, an existing key (with STS)", "write api key-00700 v%d", 6 + known, 4},
		{"write, a new key (with STS)", "write api new-%d v", 6 + ranges + known, 5},
		{"delete", "delete api --yes key-%05d", 5 + known, 4},
	} {
		run := 0
		requests, depth := fewest(proxy, c.requests, c.depth, func() { b.do(numbered(c.line, &run), "") })
		t.Logf("| %s | %d | %d |", c.what, requests, depth)
		if requests > c.requests || depth > c.depth {
			t.Errorf("%s: %d requests, depth %d; want at most %d and %d", c.what, requests, depth, c.requests, c.depth)
		}
		if base, now := os.Getenv("COFFER_BASE"), os.Getenv("COFFER_NOW"); base != "" && now != "" {
			proxy.Delay(20 * time.Millisecond)
			compare(b, proxy, base, now, c.line, &run)
		}
	}
}

func newPages(t *testing.T, keys int) (*bench, *wire.Proxy) {
	t.Helper()
	b := newBench(t, s3test.Options{})
	proxy := b.counted(0)
	b.env = append(b.env, "COFFER_RETRIES=3")
	var text strings.Builder
	for i := range keys {
		fmt.Fprintf(&text, "key-%05d: value\n", i)
	}
	path := filepath.Join(t.TempDir(), "keys.yaml")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	b.do("import -q api "+path, "")
	b.run("doctor --probe -q api", "") // the server isn't AWS's
	proxy.Delay(wireRTT)
	return b, proxy
}

// numbered is a line with the number of the run in it.
func numbered(line string, run *int) string {
	if !strings.Contains(line, "%") {
		return line
	}
	*run++
	return fmt.Sprintf(line, *run)
}

// compare logs the medians of seven runs of each binary, by turns.
func compare(b *bench, proxy *wire.Proxy, base, now, line string, run *int) {
	b.Helper()
	took, cpu := map[string][]time.Duration{}, map[string][]time.Duration{}
	var quotients []float64
	var costs []wire.Summary
	for range 7 {
		for _, program := range []string{base, now} {
			c := exec.CommandContext(context.Background(), program, strings.Fields(numbered(line, run))...)
			c.Env = b.env
			proxy.Reset()
			began := time.Now()
			if out, err := c.CombinedOutput(); err != nil {
				b.Fatalf("%s %s: %v\n%.300s", program, line, err, out)
			}
			took[program] = append(took[program], time.Since(began))
			cpu[program] = append(cpu[program], c.ProcessState.UserTime()+c.ProcessState.SystemTime())
			costs = append(costs, proxy.Summary())
		}
		quotients = append(quotients, float64(took[now][len(took[now])-1])/float64(took[base][len(took[base])-1]))
	}
	for _, times := range [][]time.Duration{took[base], took[now], cpu[base], cpu[now]} {
		slices.Sort(times)
	}
	slices.Sort(quotients)
	for i, program := range []string{base, now} {
		b.Logf("%s: %s: %v (at least %v), CPU %v, %d requests, depth %d", line, []string{"before", "now"}[i],
			took[program][3].Round(time.Millisecond), took[program][0].Round(time.Millisecond), cpu[program][3].Round(time.Millisecond), costs[i].Requests, costs[i].Depth)
	}
	b.Logf("%s: now/before %.2f (%.2f to %.2f)", line, quotients[3], quotients[0], quotients[6])
}
