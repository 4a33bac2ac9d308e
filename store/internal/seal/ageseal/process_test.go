package ageseal_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/store/internal/seal/ageseal"
)

// keysVariable is the key directory of a test binary that plays another process.
const keysVariable = "AGESEAL_TEST_KEYS"

// TestRacingProcessesMakeOneIdentity: with two, what one process has sealed would be under an identity
// that no file holds.
func TestRacingProcessesMakeOneIdentity(t *testing.T) {
	if dir := os.Getenv(keysVariable); dir != "" {
		_, _ = io.Copy(io.Discard, os.Stdin) // all begin when it ends
		created := func(alias, path string) { fmt.Println("created", alias, path) }
		_, s, err := ageseal.New(ageseal.Options{Dir: dir, Created: created}).Seal(t.Context(), "alias/new", "api/a.json", nil)
		fmt.Println("recipient", s.KeyID, err)
		return
	}
	for range 5 {
		h := newHome(t)
		outputs, recipients := racing(t, h.KeyDir, 6), map[string]bool{}
		for _, out := range outputs {
			_, rest, _ := strings.Cut(out, "recipient ")
			recipient, _, _ := strings.Cut(rest, "\n")
			recipients[recipient] = true
		}
		if len(recipients) != 1 || !strings.HasSuffix(firstOf(recipients), " <nil>") {
			t.Errorf("they seal to %d recipients: %v", len(recipients), recipients)
		}
		if told := strings.Count(strings.Join(outputs, ""), "created alias/new"); told != 1 {
			t.Errorf("%d processes say that they made it", told)
		}
		if keys, err := os.ReadDir(h.KeyDir); err != nil || len(keys) != 1 {
			t.Errorf("key directory: %v (%v), want one file", keys, err)
		}
	}
}

func firstOf(set map[string]bool) string {
	for s := range set {
		return s
	}
	return ""
}

// racing runs this test in n processes at once and returns their outputs.
func racing(t *testing.T, keyDir string, n int) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	starts, outputs, all := make([]io.Closer, n), make([]strings.Builder, n), make([]*exec.Cmd, n)
	for i := range n {
		c := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$")
		c.Env = append(os.Environ(), keysVariable+"="+keyDir)
		c.Stdout, c.Stderr = &outputs[i], &outputs[i]
		if starts[i], err = c.StdinPipe(); err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		all[i] = c
	}
	for _, start := range starts {
		_ = start.Close()
	}
	texts := make([]string, n)
	for i, c := range all {
		if err := c.Wait(); err != nil {
			t.Errorf("process: %v\n%s", err, outputs[i].String())
		}
		texts[i] = outputs[i].String()
	}
	return texts
}
