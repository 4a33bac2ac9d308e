//go:build unix

package cmd_test

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// manyKeys is a file of 200 secrets, and what they are.
func manyKeys() (file string, secrets map[string]string) {
	secrets = map[string]string{}
	var text strings.Builder
	for i := range 200 {
		key, value := fmt.Sprintf("key_%03d", i), fmt.Sprintf("%s-%d", canary, i)
		secrets[key] = value
		fmt.Fprintf(&text, "%s: %s\n", key, value)
	}
	return text.String(), secrets
}

func isSecret(r s3test.Request) bool { return r.Op == "PutObject" && !strings.Contains(r.Key, "/__") }

// interruptedImport imports a file, gets a signal on the way of the 50th secret, and returns what it says.
func (b *bench) interruptedImport(file string, sig syscall.Signal) (said string) {
	b.Helper()
	reached, released := make(chan struct{}), make(chan struct{})
	var puts atomic.Int32
	b.Fault(func(r s3test.Request) *s3test.Fault {
		if isSecret(r) {
			if n := puts.Add(1); n == 50 {
				close(reached)
			} else if n < 50 {
				return nil
			}
			<-released // all from the 50th wait, and a while longer: the signal comes first
			return &s3test.Fault{Kind: s3test.Delay, Delay: 300 * time.Millisecond}
		}
		return nil
	})
	c := b.command("import many -")
	var stdout, stderr bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(file), &stdout, &stderr
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	<-reached
	if err := c.Process.Signal(sig); err != nil {
		b.Fatal(err)
	}
	close(released)
	var exit *exec.ExitError
	if err := c.Wait(); !errors.As(err, &exit) || exitCode(exit) != 130 {
		b.Fatalf("it ended with %v, want exit code 130\n%s", err, stderr.String())
	}
	said = stderr.String()
	if !strings.Contains(said, "interrupted: ") || !strings.Contains(said, "\n  what is stored is kept; run the same import again to do the rest\n") ||
		strings.Count(said, "\n") > 4 || strings.Contains(said, canary) || stdout.Len() > 0 {
		b.Errorf("it says:\n%s%s", said, stdout.String())
	}
	return said
}

// wantExported exports many, and reads the index alone.
func (b *bench) wantExported(stored int) {
	b.Helper()
	b.Reset()
	var got map[string]string
	parse(b.T, []byte(b.out("export many")), &got)
	if len(got) != stored {
		b.Errorf("%d secrets are stored, export has %d", stored, len(got))
	}
	for _, e := range b.Log() {
		if e.Op == "GetObject" && !strings.Contains(e.Key, "/__") {
			b.Errorf("%s was read: the index lacks it", e.Key)
		}
	}
}

// A Ctrl-C ends the writing of secrets, and not the update of the index: what is stored can be
// read at once, and the same import again does the rest.
func TestCtrlCInTheMiddleOfAnImport(t *testing.T) {
	for _, backend := range []string{"s3-kms", "s3"} {
		for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
			t.Run(backend+"/"+sig.String(), func(t *testing.T) {
				t.Parallel()
				b := newBench(t, s3test.Options{})
				b.env = append(b.env, "COFFER_BACKEND="+backend)
				if backend == "s3" {
					b.env = append(b.env, "COFFER_KMS_KEY_ALIAS=")
				}
				file, secrets := manyKeys()
				said := b.interruptedImport(file, sig)
				b.Fault(nil)
				stored := 0
				for _, o := range b.bucket.Objects() {
					if !strings.Contains(o.Name, "/__") {
						stored++
					}
				}
				if stored < 50 || stored > 180 {
					t.Errorf("%d secrets are stored, want those that were on their way", stored)
				}
				if !strings.Contains(said, fmt.Sprintf("many: %d created, %d failed\n", stored, 200-stored)) {
					t.Errorf("%d are stored, and it says:\n%s", stored, said)
				}
				b.wantExported(stored)
				if again := b.run("import many -", file); again.exit != 0 || again.stderr != fmt.Sprintf("coffer: many: %d created, %d unchanged\n", 200-stored, stored) {
					t.Errorf("again: exit code %d\n%s", again.exit, again.stderr)
				}
				var got map[string]string
				parse(t, []byte(b.out("export many")), &got)
				if diff := cmp.Diff(secrets, got); diff != "" {
					t.Errorf("after the second run (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// An import that the storage refuses in part says what, once each, and stores the others.
func TestAnImportThatIsRefusedInPart(t *testing.T) {
	b := newBench(t, s3test.Options{})
	b.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyPut: []string{"part/b.json", "part/c.json"}})
	got := b.run("import part -", "{a: 1, b: "+canary+", c: 3}")
	if got.exit != 5 || strings.Count(got.stderr, "not allowed to put part/b.json") != 1 || strings.Count(got.stderr, "not allowed to put part/c.json") != 1 ||
		!strings.Contains(got.stderr, "coffer: part: 1 created, 2 failed\n") || strings.Contains(got.stderr, canary) {
		t.Errorf("exit code %d\n%s", got.exit, got.stderr)
	}
	if got := b.out("export part"); got != `{"a":"1"}`+"\n" {
		t.Errorf("stored is %s", got)
	}
	if got := b.run("import part - --json", "{b: 2}"); got.exit != 5 || !strings.Contains(got.stdout, `"outcome": "failed"`) || !strings.Contains(got.stdout, `"error": "secret \"b\"`) {
		t.Errorf("%+v", got)
	}
}

// Nothing is deleted when not everything could be stored.
func TestAPruneAfterAFailedImportDeletesNothing(t *testing.T) {
	b := newBench(t, s3test.Options{})
	b.do("write part old -", canary)
	b.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyPut: []string{"part/b.json"}})
	if got := b.run("import part - --prune --yes", "{a: 1, b: 2}"); got.exit != 5 {
		t.Errorf("exit code %d\n%s", got.exit, got.stderr)
	}
	if got := b.out("read part old -q"); got != canary+"\n" {
		t.Errorf("old is %q", got)
	}
}
