//go:build unix

package cmd_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

func (l *lossy) cachedFiles() int {
	l.Helper()
	paths, err := filepath.Glob(filepath.Join(strings.TrimPrefix(l.env[0], "HOME="), "cache", "coffer", "secrets", "*.age"))
	if err != nil {
		l.Fatal(err)
	}
	for _, path := range paths {
		if body, err := os.ReadFile(path); err != nil || strings.Contains(string(body), canary) {
			l.Errorf("%s: a value, or %v", path, err)
		}
	}
	return len(paths)
}

func TestTheCacheWorksOnAWSsOwnServices(t *testing.T) {
	t.Parallel()
	unchanged := map[string][]string{"ssm": {"GetParametersByPath"}, "secretsmanager": {"GetSecretValue"}}
	for backend, requests := range unchanged {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			l := onLossyMoto(t, backend)
			l.env = append(l.env, "COFFER_CACHE_KEYRING=false", "COFFER_RETRIES=1", "COFFER_RETRY_MODE=standard")
			wants := func(what string, exit int, stdout, says string) {
				t.Helper()
				got := l.run("exec --cache 24h svc -- printenv K GONE", "")
				if got.exit != exit || got.stdout != stdout || !strings.Contains(got.stderr, says) {
					t.Errorf("%s: %+v", what, got)
				}
			}
			values := canary + " of before\n" + canary + " of before\n"
			wants("first", 0, values, "")
			l.front.Fault(nil)
			wants("again", 0, values, "")
			var ops []string
			for _, r := range l.front.Seen() {
				ops = append(ops, r.Operation)
			}
			if !slices.Equal(ops, requests) {
				t.Errorf("requests when nothing has changed: %q; want %q", ops, requests)
			}
			for name, fault := range map[string]mototest.Fault{"dropped": {}, "503": {Status: 503, Code: "ServiceUnavailable"}, "502": {Status: 502}} {
				l.front.Fault(func(mototest.Request) *mototest.Fault { return &fault })
				wants(name, 0, values, "the storage can't be reached; using the secrets of svc read ")
			}
			l.front.Fault(nil)
			if got := l.run("write svc k -", canary+" of now"); got.exit != 0 {
				t.Fatal(got.stderr)
			}
			wants("changed", 0, strings.Replace(values, "before", "now", 1), "")
			if n := l.cachedFiles(); n != 1 {
				t.Errorf("%d files", n)
			}
			l.env = append(l.env, fixedNow+"="+time.Now().Add(2*time.Hour).Format(time.RFC3339))
			for name, fault := range map[string]mototest.Fault{"expired": {Status: 400, Code: "ExpiredTokenException"}, "denied": {Status: 400, Code: "AccessDeniedException"}} {
				l.front.Fault(func(mototest.Request) *mototest.Fault { return &fault })
				if name == "expired" {
					wants(name, 7, "", "")
					continue
				}
				wants(name, 5, "", "")
				if n := l.cachedFiles(); n != 0 {
					t.Errorf("denied: %d files are left", n)
				}
			}
			l.front.Fault(func(mototest.Request) *mototest.Fault { return &mototest.Fault{} })
			wants("denied before", 6, "", "")
		})
	}
}

// TestTheCacheHoldsVersionsWithALabel: they are those of the label, and nobody else's.
func TestTheCacheHoldsVersionsWithALabel(t *testing.T) {
	t.Parallel()
	l := onLossyMoto(t, "ssm")
	l.env = append(l.env, "COFFER_CACHE_KEYRING=false", "COFFER_RETRIES=1", "COFFER_RETRY_MODE=standard")
	if got := l.bench.run("exec --cache 24h "+l.service+":none -- printenv K", ""); got.exit != 3 || l.cachedFiles() != 0 {
		t.Errorf("%+v, %d files", got, l.cachedFiles())
	}
	if got := l.bench.run("exec --cache 24h "+l.service+" -- printenv K", ""); got.exit != 0 {
		t.Error(got)
	}
	l.front.Fault(func(mototest.Request) *mototest.Fault { return &mototest.Fault{} })
	if got := l.bench.run("exec --cache 24h "+l.service+":none -- printenv K", ""); got.exit != 6 {
		t.Errorf("the versions without a label are used: %+v", got)
	}
}

// TestWithoutAnIssuerOfCredentialsTheCacheIsUsed: without the network, a role isn't assumed either. That is no
// answer about the caller, although its exit code is that of a configuration.
func TestWithoutAnIssuerOfCredentialsTheCacheIsUsed(t *testing.T) {
	t.Parallel()
	b := newOffline(t, s3test.Options{Trust: trusting})
	role := b.SetRole("reader", s3test.Policy{})
	for name, kept := range map[string]bool{"unreachable": true, "refused": false} {
		b.env = append(b.env, "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SESSION_TOKEN=", "AWS_ROLE_ARN="+role,
			"AWS_WEB_IDENTITY_TOKEN_FILE="+b.scratch("token", "the token"), "AWS_ENDPOINT_URL_STS="+b.URL)
		b.Fault(nil)
		b.wantRun(0, runCached, valuesOfTeam)
		files := len(b.paths())
		if name == "unreachable" {
			b.Fault(func(r s3test.Request) *s3test.Fault { return &s3test.Fault{Kind: s3test.Drop} })
			b.wantRun(0, runCached, valuesOfTeam, "the storage can't be reached; using the secrets of team read ", "no answer from the STS")
		} else {
			b.Fault(func(r s3test.Request) *s3test.Fault {
				if r.Op == "AssumeRoleWithWebIdentity" {
					return &s3test.Fault{Kind: s3test.Answer, Status: 403, Code: "AccessDenied"}
				}
				return nil
			})
			b.wantRun(7, runCached, "")
		}
		if got := len(b.paths()); (got == files) != kept {
			t.Errorf("%s: %d files, then %d", name, files, got)
		}
	}
}
