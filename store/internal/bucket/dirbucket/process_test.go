package dirbucket_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/buckettest"
	"github.com/coffer-secrets/coffer/store/internal/bucket/dirbucket"
)

// Environment of a test binary that plays another process.
const dirVariable = "DIRBUCKET_TEST_DIR"

// isProcess does the work of another process if this is one; see [home.process]. It begins
// when the standard input ends, so that several begin together.
func isProcess(t *testing.T, work func(h home)) bool {
	t.Helper()
	dir := os.Getenv(dirVariable)
	if dir == "" {
		return false
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		t.Fatal(err)
	}
	work(home{dirbucket.Options{Dir: dir}})
	return true
}

// process is another process at work on h's store.
type process struct {
	*exec.Cmd
	start  io.Closer
	stdout *bufio.Reader
	stderr bytes.Buffer
}

// process starts this test once more, to work on h's store as another process.
func (h home) process(t *testing.T) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$")}
	p.Env = append(os.Environ(), dirVariable+"="+h.Dir)
	p.Stderr = &p.stderr
	stdin, err := p.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.start, p.stdout = stdin, bufio.NewReader(stdout)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// finish waits for the end of the process, which must be a good one, and returns its output.
func (p *process) finish(t *testing.T) string {
	t.Helper()
	out, err := io.ReadAll(p.stdout)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("process: %v\n%s%s", err, out, p.stderr.String())
	}
	return string(out)
}

// together runs n processes at once and returns their outputs.
func (h home) together(t *testing.T, n int) []string {
	t.Helper()
	processes := make([]*process, n)
	for i := range processes {
		processes[i] = h.process(t)
	}
	for _, p := range processes {
		if err := p.start.Close(); err != nil {
			t.Fatal(err)
		}
	}
	outputs := make([]string, n)
	for i, p := range processes {
		outputs[i] = p.finish(t)
	}
	return outputs
}

func TestProcessesLoseNoIncrement(t *testing.T) {
	if isProcess(t, func(h home) {
		for range 25 {
			if err := buckettest.Increment(t.Context(), h.open(), "api/count.json", ""); err != nil {
				t.Fatal(err)
			}
		}
	}) {
		return
	}
	h := newHome(t)
	h.put(t, "api/count.json", "0")
	h.together(t, 6)
	h.wantBody(t, "api/count.json", fmt.Sprint(6*25))
	h.wantNoTemporaries(t)
}

// whole is a body of which any part or mixture can be told from the whole.
func whole(n int) string { return strings.Repeat(fmt.Sprintf("%08d", n), 10_000) }

func TestKilledWriterLeavesWholeObjects(t *testing.T) {
	if isProcess(t, func(h home) {
		for n := 0; ; n++ {
			fmt.Println("write", n)
			h.put(t, "api/whole.json", whole(n))
		}
	}) {
		return
	}
	h := newHome(t)
	h.put(t, "api/whole.json", whole(0))
	for round := range 15 {
		p := h.process(t)
		if err := p.start.Close(); err != nil {
			t.Fatal(err)
		}
		for seen := 0; seen <= round%4; { // dies somewhere in a put, another one each time
			line, err := p.stdout.ReadString('\n')
			if err != nil {
				t.Fatalf("%v\n%s", err, p.stderr.String())
			}
			if strings.HasPrefix(line, "write ") {
				seen++
			}
		}
		if err := p.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = p.Wait() // it was killed

		o, err := h.open().Get(t.Context(), "api/whole.json")
		if err != nil {
			t.Fatal(err)
		}
		var n int
		if _, err := fmt.Sscanf(string(o.Body[:8]), "%d", &n); err != nil || string(o.Body) != whole(n) {
			t.Fatalf("round %d: a torn object of %d bytes (%v)", round, len(o.Body), err)
		}
		if got := names(t, h.open(), ""); len(got) != 1 {
			t.Errorf("round %d: the store lists %q", round, got)
		}
		if _, err := h.open().Put(t.Context(), "api/whole.json", o.Body, bucket.PutOptions{If: bucket.IfMatch(o.Tag)}); err != nil {
			t.Fatalf("round %d: the next writer: %v", round, err)
		}
		h.wantNoTemporaries(t)
	}
}
