//go:build servers && unix

package cmd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/kmsd"
	"github.com/coffer-secrets/coffer/internal/testing/serverstest"
)

// worker is a job with a web identity of MinIO's issuer, whose file is returned. It is told of no
// STS but by the endpoint of the store.
func worker(t *testing.T, b *bench) (file string) {
	file = filepath.Join(t.TempDir(), "token")
	b.env = append(b.env, "AWS_ROLE_ARN=arn:aws:iam::111122223333:role/coffer", "AWS_WEB_IDENTITY_TOKEN_FILE="+file)
	return file
}

// issue replaces the token at once, as Kubernetes and CI systems do.
func issue(t *testing.T, m *serverstest.MinIO, file string, c kmsd.Claims) {
	t.Helper()
	c.Subject = "job"
	token, err := m.Issuer.Token(c)
	if err != nil {
		t.Error(err)
		return
	}
	if err := os.WriteFile(file+".new", []byte(token), 0o600); err != nil {
		t.Error(err)
		return
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Error(err)
	}
}

const longImport = 4000

// A session of MinIO lasts as long as the token that it was given for: six seconds. The file has a
// newer one every two.
func TestImportThroughSixSecondSessionsOnMinIO(t *testing.T) {
	m, b := newMinIOBench(t)
	file := worker(t, b)
	short := kmsd.Claims{Audience: serverstest.Audience, Policy: "readwrite", TTL: 6 * time.Second}
	issue(t, m, file, short)
	tokens := time.NewTicker(2 * time.Second)
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer tokens.Stop()
		for {
			select {
			case <-tokens.C:
				issue(t, m, file, short)
			case <-done:
				return
			}
		}
	}()
	start := time.Now()
	got := b.run("import team - -f yaml --verbose", many(longImport))
	took := time.Since(start)
	close(done)
	<-ended
	if got.exit != 0 || !strings.Contains(got.stderr, fmt.Sprint(longImport, " created")) {
		t.Fatalf("exit code %d\n%s", got.exit, tail(got.stderr))
	}
	sessions := strings.Count(got.stderr, "operation=STS.AssumeRoleWithWebIdentity status=200")
	t.Logf("%d secrets in %s, through %d sessions", longImport, took.Round(100*time.Millisecond), sessions)
	if took > 8*time.Second && sessions < 2 {
		t.Errorf("%d sessions in %s", sessions, took)
	}
	b = b.as(serverstest.Root())
	if got := b.run("import team - -f yaml", many(longImport)); got.exit != 0 || !strings.Contains(got.stderr, fmt.Sprint(longImport, " unchanged")) {
		t.Errorf("again: exit code %d\n%s", got.exit, tail(got.stderr))
	}
}

func tail(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-12):], "\n")
}

// The token expires while the import runs, and nobody brings another.
func TestImportWhoseTokenExpiresIsToldInOneLineOnMinIO(t *testing.T) {
	m, b := newMinIOBench(t)
	file := worker(t, b)
	issue(t, m, file, kmsd.Claims{Audience: serverstest.Audience, Policy: "readwrite", TTL: 3 * time.Second})
	got := b.run("import team - -f yaml", many(longImport))
	left := regexp.MustCompile(`coffer: service "team": [0-9]+ of 4000 secrets not done: .*the web identity token of .*/token expired at `)
	if got.exit != 7 || !left.MatchString(got.stderr) || strings.Count(got.stderr, "\n") > 4 {
		t.Fatalf("exit code %d\n%s", got.exit, tail(got.stderr))
	}
	t.Logf("%s", got.stderr)
	issue(t, m, file, kmsd.Claims{Audience: serverstest.Audience, Policy: "readwrite", TTL: time.Hour})
	b.do("import team - -f yaml", many(longImport))
}

func TestEachFailureOfAWebIdentityHasItsSentenceOnMinIO(t *testing.T) {
	m, b := newMinIOBench(t)
	file := worker(t, b)
	base := b.env
	good := kmsd.Claims{Audience: serverstest.Audience, Policy: "readwrite", TTL: time.Hour}
	for name, test := range map[string]struct {
		claims *kmsd.Claims
		env    string
		says   string
	}{
		"wrong audience": {&kmsd.Claims{Audience: "another", Policy: "readwrite", TTL: time.Hour}, "", `the token is for the audience "another"`},
		"expired":        {&kmsd.Claims{Audience: serverstest.Audience, Policy: "readwrite", TTL: -time.Minute}, "", "token expired at "},
		"missing file":   {nil, "AWS_WEB_IDENTITY_TOKEN_FILE=/none", "can't read the web identity token: open /none: no such file or directory"},
		"unreachable":    {&good, "AWS_ENDPOINT_URL_STS=http://127.0.0.1:1", "no answer from the STS at http://127.0.0.1:1: connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.claims != nil {
				issue(t, m, file, *test.claims)
			}
			b.env = append(base[:len(base):len(base)], test.env)
			got := b.run("list team", "")
			if got.exit != 7 || !strings.Contains(got.stderr, test.says) || strings.Count(got.stderr, "\n") != 2 {
				t.Errorf("exit code %d\n%s", got.exit, got.stderr)
			}
		})
	}
	b.env = base
	issue(t, m, file, good)
	b.do("write team url -", canary)
}

// MinIO's AssumeRole, of a profile: its STS is that of the endpoint.
func TestRoleOfAProfileOnMinIO(t *testing.T) {
	_, b := newMinIOBench(t)
	root := serverstest.Root()
	config := b.scratch("config", "[profile it]\nrole_arn = arn:aws:iam::111122223333:role/coffer\nsource_profile = keys\n"+
		"[profile keys]\naws_access_key_id = "+root.AccessKeyID+"\naws_secret_access_key = "+root.SecretAccessKey+"\n")
	b.env = append(b.env, "AWS_CONFIG_FILE="+config)
	b.do("write team url - --profile it", canary)
	got := b.run("whoami --profile it", "")
	if got.exit != 0 || !strings.Contains(got.stdout, "AssumeRoleProvider, until ") {
		t.Errorf("exit code %d\n%s%s", got.exit, got.stdout, got.stderr)
	}
}
