//go:build unix

package cmd_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/internal/testing/proof"
)

// lossy is a backend of AWS's JSON services with a front that loses answers.
type lossy struct {
	*bench
	front   *mototest.Front
	service string
}

func (l *lossy) command(line string) *exec.Cmd {
	l.Helper()
	return l.bench.command(strings.Replace(line, " svc ", " "+l.service+" ", 1))
}

// run is as that of the bench, and calls the service svc again.
func (l *lossy) run(line, stdin string) outcome {
	l.Helper()
	got := l.bench.run(strings.Replace(line, " svc ", " "+l.service+" ", 1), stdin)
	got.stdout, got.stderr = strings.ReplaceAll(got.stdout, l.service, "svc"), strings.ReplaceAll(got.stderr, l.service, "svc")
	return got
}

// onLossyMoto has a service, which stands for "svc" in commands, with k in two versions and gone.
func onLossyMoto(t *testing.T, backend string) *lossy {
	t.Helper()
	l := &lossy{onMoto(t, "eu-south-1", backend), mototest.NewFront(t, mototest.Start(t)), "lossy-" + strings.ToLower(rand.Text()[:8])}
	l.env = append(l.env, "COFFER_ENDPOINT_URL="+l.front.URL)
	for _, line := range []string{"write svc k -", "write svc k -", "write svc gone -"} {
		if got := l.run(line, canary+" of before"); got.exit != 0 {
			t.Fatalf("%s: exit code %d\n%s", line, got.exit, got.stderr)
		}
	}
	return l
}

// stands is what the program says of the service: each version of each key.
func (l *lossy) stands() string {
	l.Helper()
	var all strings.Builder
	for _, key := range []string{"k", "gone", "new"} {
		if got := l.run("history svc "+key+" --json", ""); got.exit == 0 {
			all.WriteString(key + ":")
			for range strings.Count(got.stdout, `"version"`) {
				all.WriteByte('|')
			}
			all.WriteString(l.run("read svc "+key+" -q", "").stdout)
		}
	}
	return all.String()
}

// most leaves out the cases of a table that make prove is for.
func most[C any](cases []C, few int) []C { return cases[:proof.Bounded(few, len(cases))] }

// TestALostAnswerOfAServiceIsNotAnotherWriter: the answer to the change is lost, once. The program
// says what it says when nothing is lost, and has made one version.
func TestALostAnswerOfAServiceIsNotAnotherWriter(t *testing.T) {
	t.Parallel()
	changes := map[string]string{"ssm": "PutParameter DeleteParameters", "secretsmanager": "PutSecretValue UpdateSecretVersionStage"}
	const old = canary + " of before\n"
	for _, c := range most([]struct{ backend, line, stdin, says, stands string }{
		{"ssm", "write svc new - --if-version 0", canary, "svc/new: version 1", "k:||" + old + "gone:|" + old + "new:|" + canary + "\n"},
		{"ssm", "delete svc gone", "", "svc/gone: deleted", "k:||" + old},
		{"secretsmanager", "write svc k - --if-version 2", canary, "svc/k: version 3", "k:|||" + canary + "\ngone:|" + old},
		{"ssm", "write svc k - --if-version 2", canary, "svc/k: version 3", "k:|||" + canary + "\ngone:|" + old},
		{"ssm", "import svc - --skip-existing", `{"new":"` + canary + `","k":"x"}`, "1 created", "k:||" + old + "gone:|" + old + "new:|" + canary + "\n"},
		{"secretsmanager", "write svc new - --if-version 0", canary, "svc/new: version 1", "k:||" + old + "gone:|" + old + "new:|" + canary + "\n"},
		{"secretsmanager", "delete svc gone", "", "svc/gone: deleted", "k:||" + old},
	}, 3) {
		t.Run(c.backend+" "+strings.Fields(c.line)[0], func(t *testing.T) {
			t.Parallel()
			l := onLossyMoto(t, c.backend)
			var struck atomic.Int64
			l.front.Fault(func(r mototest.Request) *mototest.Fault {
				if r.N > 1 || !strings.Contains(changes[c.backend], r.Operation) {
					return nil
				}
				struck.Add(1)
				return &mototest.Fault{Applied: true}
			})
			got := l.run(c.line, c.stdin)
			l.front.Fault(nil)
			if got.exit != 0 || !strings.Contains(got.stdout+got.stderr, c.says) {
				t.Errorf("exit code %d; want %q\n%s%s", got.exit, c.says, got.stdout, got.stderr)
			}
			if diff := cmp.Diff(c.stands, l.stands()); diff != "" {
				t.Errorf("there is %s", diff)
			}
			if struck.Load() == 0 {
				t.Error("nothing was lost")
			}
		})
	}
}

// TestAnOutcomeThatCannotBeToldIsSaid: after the change nothing can be read any more.
func TestAnOutcomeThatCannotBeToldIsSaid(t *testing.T) {
	t.Parallel()
	for _, c := range most([]struct{ backend, line, change, reads, says string }{
		{"ssm", "write svc k -", "PutParameter", "GetParameters", "it may or may not have been stored"},
		{"ssm", "delete svc gone", "DeleteParameters", "GetParameters", "may or may not have been"},
		{"secretsmanager", "write svc k -", "UpdateSecretVersionStage", "GetSecretValue", "may or may not have been stored"},
	}, 1) {
		t.Run(c.backend+" "+strings.Fields(c.line)[0], func(t *testing.T) {
			t.Parallel()
			l := onLossyMoto(t, c.backend)
			l.env = append(l.env, "COFFER_RETRIES=2") // each of which waits
			var made atomic.Bool
			l.front.Fault(func(r mototest.Request) *mototest.Fault {
				swap := r.Operation == c.change && (c.backend == "ssm" || bytes.Contains(r.Body, []byte("AWSCURRENT")))
				if swap {
					made.Store(true)
				}
				if swap || made.Load() && r.Operation == c.reads {
					return &mototest.Fault{Applied: true, Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable"}
				}
				return nil
			})
			if got := l.run(c.line, canary); got.exit != 6 || !strings.Contains(got.stderr, c.says) || strings.Contains(got.stderr, canary) {
				t.Errorf("exit code %d, want 6 and %q\n%s", got.exit, c.says, got.stderr)
			}
		})
	}
}

// TestAServiceChangeKilledAtItsRequest ends the program with SIGKILL at its change, which is made or
// not. A second run ends where an undisturbed one does.
func TestAServiceChangeKilledAtItsRequest(t *testing.T) {
	t.Parallel()
	const old = canary + " of before\n"
	written, gone := "k:|||"+canary+"\ngone:|"+old, "k:||"+old
	for _, c := range most([]struct {
		backend, change, line, stands string
		applied                       bool
	}{
		{"ssm", "PutParameter", "write svc k - --skip-unchanged", written, true},
		{"secretsmanager", "PutSecretValue", "write svc k - --skip-unchanged", written, true},
		{"ssm", "PutParameter", "write svc k - --skip-unchanged", written, false},
		{"ssm", "DeleteParameters", "delete svc gone", gone, true},
		{"ssm", "DeleteParameters", "delete svc gone", gone, false},
		{"secretsmanager", "PutSecretValue", "write svc k - --skip-unchanged", written, false},
		{"secretsmanager", "UpdateSecretVersionStage", "write svc k - --skip-unchanged", written, true},
		{"secretsmanager", "UpdateSecretVersionStage", "delete svc gone", gone, false},
	}, 2) {
		t.Run(fmt.Sprintf("%s %s %v", c.backend, c.change, c.applied), func(t *testing.T) {
			t.Parallel()
			l := onLossyMoto(t, c.backend)
			command := l.command(c.line)
			command.Stdin = strings.NewReader(canary)
			l.front.Fault(func(r mototest.Request) *mototest.Fault {
				if r.Operation != c.change {
					return nil
				}
				return &mototest.Fault{Applied: c.applied, Reached: func() { _ = command.Process.Kill() }}
			})
			if err := command.Run(); err == nil {
				t.Fatal("it was not killed")
			}
			l.front.Fault(nil)
			if got := l.run(c.line, canary); got.exit != 0 && (got.exit != 3 || !c.applied || c.change != "DeleteParameters") {
				t.Errorf("run again: exit code %d\n%s", got.exit, got.stderr)
			}
			if diff := cmp.Diff(c.stands, l.stands()); diff != "" {
				t.Errorf("there is %s", diff)
			}
		})
	}
}
