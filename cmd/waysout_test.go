//go:build unix

package cmd_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// SERVICE/KEY in one word is answered with the line that was probably meant. An argument of write isn't repeated.
func TestServiceAndKeyInOneWord(t *testing.T) {
	s := onLocal(t)
	for line, want := range map[string]string{
		"write api/k v":             "\n  service and key are two arguments: coffer write SERVICE KEY -; use - to read it",
		"read api/k":                "\n  did you mean: coffer read api k\n",
		"delete api/worker/k":       "\n  did you mean: coffer delete api/worker k\n",
		"restore api/k --version 2": "\n  did you mean: coffer restore api k --version 2\n",
		"tag read api/k":            "\n  did you mean: coffer tag read api k\n",
		"history api/k":             "\n  did you mean: coffer history api k\n",
	} {
		if got := s.run(line, ""); got.exit != 2 || got.stdout != "" || !strings.Contains(got.stderr, want) {
			t.Errorf("coffer %s: %+v", line, got)
		}
	}
	for _, line := range []string{"write api k", "delete api"} {
		if got := s.run(line, ""); got.exit != 2 || strings.Contains(got.stderr, "did you mean") || strings.Contains(got.stderr, "two arguments") {
			t.Errorf("coffer %s: %+v", line, got)
		}
	}
}

// Output that can't be written is exit 1, also that of the help.
func TestOutputThatCannotBeWritten(t *testing.T) {
	s := onLocal(t)
	s.do("write api k -", canary)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err) // Linux has it
	}
	defer func() { _ = full.Close() }()
	for _, line := range []string{"--help", "list --help", "help", "help list", "help exit-codes", "version", "--version", "list api", "read api k", "completion bash"} {
		c := s.command(line)
		var said strings.Builder
		c.Stdout, c.Stderr = full, &said
		if err := c.Run(); c.ProcessState.ExitCode() != 1 || said.String() != "coffer: write /dev/stdout: no space left on device\n" {
			t.Errorf("coffer %s: %v, %q", line, err, said.String())
		}
	}
}

// edit creates a service if something is saved; else the service is missing.
func TestEditOfAMissingService(t *testing.T) {
	s := onLocal(t)
	s.do("write web k -", canary)
	s.env = append(s.env, "EDITOR=true")
	if got := s.run("edit wev --yes", ""); got.exit != 3 || !strings.HasSuffix(got.stderr, "coffer: service \"wev\" has no secrets (nearest: \"web\")\n") {
		t.Errorf("nothing is saved: %+v", got)
	}
	s.env = append(s.env, "EDITOR="+saves(t, "key: value\n"))
	if got := s.run("edit wev --yes", ""); got.exit != 0 {
		t.Errorf("something is saved: %+v", got)
	}
	if got := s.run("read wev key -n", ""); got.stdout != "value" {
		t.Errorf("what was saved: %+v", got)
	}
}

// saves is an editor that writes a text.
func saves(t *testing.T, text string) string {
	t.Helper()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	return shell + " " + file(t, "editor", "printf '"+text+"' > \"$1\"\n")
}

// A server that is no S3 server, and one on another machine without TLS, are answered with what to check.
func TestEndpointsThatAreNone(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	b := newBench(t, s3test.Options{})
	for _, c := range []struct{ backend, endpoint, line, want string }{
		{"s3-kms", server.URL, "services", "  check the endpoint (--endpoint-url or COFFER_ENDPOINT_URL)"},
		{"s3-kms", server.URL, "read api k", "  check the endpoint (--endpoint-url or COFFER_ENDPOINT_URL)"},
		{"s3-kms", server.URL, "write api k v", "  check the endpoint (--endpoint-url or COFFER_ENDPOINT_URL)"},
		{"ssm", server.URL, "list api", "  check the endpoint (--endpoint-url or COFFER_ENDPOINT_URL)"},
		{"secretsmanager", server.URL, "list api", "  check the endpoint (--endpoint-url or COFFER_ENDPOINT_URL)"},
		{"s3-kms", "http://nohost.invalid", "list api", "  use https://, or --allow-http"},
	} {
		b.env = append(b.env, "COFFER_BACKEND="+c.backend, "COFFER_ENDPOINT_URL="+c.endpoint)
		if c.backend != "s3-kms" {
			b.env = append(b.env, "COFFER_KMS_KEY_ALIAS=")
		}
		if got := b.run(c.line, ""); got.exit != 7 || strings.Count(got.stderr, "\n") != 2 || !strings.Contains(got.stderr, c.want) {
			t.Errorf("%s at %s: coffer %s: %+v", c.backend, c.endpoint, c.line, got)
		}
	}
}

// A lost key of a directory is an error: nobody else has it. That of another alias is somebody else's.
func TestDoctorReportsALostLocalKey(t *testing.T) {
	b := oneBadLocal(t)
	b.fill()
	if got := b.run("doctor closed", ""); got.exit != 0 || !strings.Contains(got.stdout, "note\tdenied-index\tclosed/") {
		t.Errorf("the key of another alias: %+v", got)
	}
	b.env = append(b.env, "COFFER_KEY_DIR="+t.TempDir())
	got := b.run("doctor api", "")
	if got.exit != 1 || !strings.Contains(got.stdout, "error\tdenied-index\tapi/") || !strings.Contains(got.stdout, "error\thidden\tapi\t") || !strings.Contains(got.stdout, "cat BACKUP/alias_default.age >> ") {
		t.Errorf("the lost key: %+v", got)
	}
}
