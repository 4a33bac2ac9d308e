//go:build unix

package cmd_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// TestATrailingSlashIsNoPartOfAService: a shell completes directories with one, and no service has it.
func TestATrailingSlashIsNoPartOfAService(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	b.do("write svc4 key -", canary)
	for _, line := range []string{
		"read svc4/ key", "write svc4/ key -", "list svc4/", "history svc4/ key", "delete svc4/ key", "exec svc4/ -- true", "env svc4/",
		"export svc4/", "edit svc4/ -y", "copy svc4/ x", "copy svc4 x/", "diff svc4/ svc4", "tag read svc4/ key", "rekey svc4/ --to alias/ops",
		"restore svc4/ key --version 1", "share svc4/ key", "audit svc4/", "keys svc4/", "doctor svc4/", "policy reader svc4/", "import svc4/ - -f json",
	} {
		got := b.run(line, `{"key": "x"}`)
		if got.exit != 2 || !strings.Contains(got.stderr, `/" ends with "/": use `) {
			t.Errorf("coffer %s: %+v", line, got)
		}
	}
}

// Parameter Store shows a service as a path, /svc4.
func TestALeadingSlashIsNoPartOfAService(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	b.do("write svc4 key -", canary)
	for _, line := range []string{"read /svc4 key", "write /svc4 key -", "list /svc4", "exec /svc4 -- true", "list /svc4/"} {
		got := b.run(line, "x")
		if got.exit != 2 || !strings.Contains(got.stderr, ` with "/": use svc4`) {
			t.Errorf("coffer %s: %+v", line, got)
		}
	}
}

// TestErrorsNameWhatWasTried: a request that concerns the whole bucket has no name of an object.
func TestErrorsNameWhatWasTried(t *testing.T) {
	t.Parallel()
	for _, fault := range []s3test.Fault{
		{Kind: s3test.Answer, Status: http.StatusForbidden, Code: "AccessDenied"},
		{Kind: s3test.Answer, Status: http.StatusServiceUnavailable, Code: "SlowDown"},
		{Kind: s3test.Answer, Status: http.StatusNotFound, Code: "NoSuchBucket"},
		{Kind: s3test.Answer, Status: http.StatusTeapot, Code: "Teapot"},
	} {
		b := newBench(t, s3test.Options{})
		b.Fault(func(s3test.Request) *s3test.Fault { return &fault })
		for _, line := range []string{"services", "find key", "doctor", "keys", "list api", "migrate --all-services --to-backend local", "restore api --deleted", "share --list"} {
			got := b.run(line, "")
			if got.exit == 0 || strings.Contains(got.stderr, "  failed") || strings.Contains(got.stderr, " :") || strings.Contains(got.stderr, "list  ") || strings.Contains(got.stderr, "list (") {
				t.Errorf("%s, coffer %s: %+v", fault.Code, line, got)
			}
		}
	}
}
