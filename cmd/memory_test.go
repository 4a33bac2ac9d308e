//go:build linux

package cmd_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/proof"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// TestMemoryOfAListing holds `list` of 10,000 secrets to 100 MB.
func TestMemoryOfAListing(t *testing.T) {
	t.Parallel()
	// The kernel counts what the parent of a new process used as the child's own: the program is
	// started, and measured, by a process that does nothing else.
	if text, ok := os.LookupEnv("COFFER_MEMORY_TEST"); ok {
		var c exec.Cmd
		if err := json.Unmarshal([]byte(text), &c); err != nil {
			t.Fatal(err)
		}
		measureListing(t, &c)
		return
	}
	b := newBench(t, s3test.Options{})
	var text strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&text, "key%05d: value of an ordinary length, such as a URL with a password\n", i)
	}
	path := filepath.Join(t.TempDir(), "many.yaml")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	b.do("import -q many "+path, "")
	c := b.command("list many")
	what, err := json.Marshal(map[string]any{"Path": c.Path, "Args": c.Args, "Env": c.Env, "Dir": c.Dir})
	if err != nil {
		t.Fatal(err)
	}
	measure := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMemoryOfAListing$", "-test.v")
	measure.Env = append(os.Environ(), "COFFER_MEMORY_TEST="+string(what))
	out, err := measure.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
}

func measureListing(t *testing.T, c *exec.Cmd) {
	t.Helper()
	program := exec.CommandContext(t.Context(), c.Path, c.Args[1:]...)
	program.Env, program.Dir = c.Env, c.Dir
	if out, err := program.Output(); err != nil || strings.Count(string(out), "\n") != 10_001 {
		t.Fatalf("list: %v, %d lines", err, strings.Count(string(out), "\n"))
	}
	usage, ok := program.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		t.Fatal("the system does not tell what the process used")
	}
	const limit = 100 << 10 // KiB
	t.Logf("list of 10,000 secrets: %d MiB", usage.Maxrss>>10)
	if usage.Maxrss > limit && !proof.RaceDetector {
		t.Errorf("list used %d KiB; at most %d", usage.Maxrss, limit)
	}
}
