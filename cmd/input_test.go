//go:build unix

package cmd_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestAnInterruptEndsTheWaitForInput: what should come from standard input or from a pipe may never end.
func TestAnInterruptEndsTheWaitForInput(t *testing.T) {
	t.Parallel()
	b, home := newLocalBench(t)
	fifo := filepath.Join(home, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"write api k -", "write api k --from-file FIFO", "import api -", "import api FIFO", "find --by-value -",
		"inject", "inject -i FIFO",
	} {
		for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
			got := b.interruptedInput(line, fifo, sig)
			if got.exit != 130 || !strings.Contains(got.stderr, "interrupted while waiting for ") || got.stdout != "" {
				t.Errorf("coffer %s: exit code %d, %q\n%s", line, got.exit, got.stdout, got.stderr)
			}
			if strings.Contains(got.stderr, canary) {
				t.Errorf("coffer %s prints what it read", line)
			}
		}
	}
	if got := b.run("services", ""); strings.Contains(got.stdout, "api") {
		t.Errorf("something was stored:\n%s", got.stdout)
	}
}

// interruptedInput is a run that gets the signal while it reads what doesn't end.
func (b *bench) interruptedInput(line, fifo string, sig syscall.Signal) outcome {
	b.Helper()
	in, out, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _, _ = in.Close(), out.Close() }()
	c := b.command(line)
	for i, word := range c.Args {
		if word == "FIFO" { // its path has spaces
			c.Args[i] = fifo
		}
	}
	var stdout, stderr bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = in, &stdout, &stderr
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	if strings.Contains(line, "FIFO") {
		if out, err = os.OpenFile(fifo, os.O_WRONLY, 0); err != nil {
			b.Fatal(err)
		}
		defer func() { _ = out.Close() }()
	}
	// More than a pipe holds: once it is written, the program reads.
	if _, err := io.WriteString(out, canary+strings.Repeat("x", 64<<10)); err != nil {
		b.Fatal(err)
	}
	if err := c.Process.Signal(sig); err != nil {
		b.Fatal(err)
	}
	var exit *exec.ExitError
	if err := c.Wait(); err != nil && !errors.As(err, &exit) {
		b.Fatal(err)
	}
	return outcome{exitCode(exit), stdout.String(), stderr.String()}
}
