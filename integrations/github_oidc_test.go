//go:build unix

package integrations_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

const jobToken = "canary-oidc-token"

// identities is the server of a job's OIDC tokens.
func identities(t *testing.T) (url string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch q := r.URL.Query(); {
		case r.Header.Get("Authorization") != "bearer canary-bearer" || q.Get("api-version") != "2.0":
			http.Error(w, "no", http.StatusForbidden)
		case q.Get("audience") == "empty":
			_, _ = w.Write([]byte(`{"value":""}`))
		case q.Get("audience") != "sts.amazonaws.com":
			_, _ = w.Write([]byte(`{"value":"another"}`))
		default:
			_, _ = w.Write([]byte(`{"value":"` + jobToken + `"}`))
		}
	}))
	t.Cleanup(server.Close)
	return server.URL + "/token?api-version=2.0"
}

// TestGitHubActionAssumesARole with the token of the job, in place of the credentials of the job. Nothing of
// the token is left, and later steps get no credentials.
func TestGitHubActionAssumesARole(t *testing.T) {
	t.Parallel()
	aws := s3test.New(s3test.Options{Buckets: []string{"acme-secrets"}, Trust: func(token string) string {
		if token == jobToken {
			return ""
		}
		return "InvalidIdentityToken"
	}})
	t.Cleanup(aws.Close)
	role := aws.SetRole("ci", s3test.Policy{})
	m := newMachine(t)
	m.env = append(m.env, "COFFER_BACKEND=s3", "COFFER_S3_BUCKET=acme-secrets", "AWS_REGION=us-east-1", "AWS_ENDPOINT_URL="+aws.URL, "AWS_ENDPOINT_URL_STS="+aws.URL)
	admin := len(m.env)
	m.env = append(m.env, "AWS_ACCESS_KEY_ID="+s3test.AdminKeyID, "AWS_SECRET_ACCESS_KEY="+s3test.AdminSecret)
	m.store("api", canaries)
	m.env = m.env[:admin]

	temp := t.TempDir()
	env := []string{
		"ACTIONS_ID_TOKEN_REQUEST_URL=" + identities(t), "ACTIONS_ID_TOKEN_REQUEST_TOKEN=canary-bearer", "RUNNER_TEMP=" + temp,
		"AWS_ACCESS_KEY_ID=AKIANOBODYKNOWSTHIS1", "AWS_SECRET_ACCESS_KEY=canary-another",
	}
	inputs := map[string]string{"services": "api", "role-to-assume": role}
	code, log := m.step(t, inputs, env...)
	if code != 0 || !strings.HasPrefix(log, "::add-mask::") || strings.Contains(strings.ReplaceAll(log, "::add-mask::"+jobToken+"\n", ""), jobToken) {
		t.Fatalf("exit code %d\n%s", code, log)
	}
	if got := m.read("GITHUB_ENV"); !strings.Contains(got, "DB_PASSWORD<<") || strings.Contains(got, "AWS_") {
		t.Errorf("the variables of later steps are %q", got)
	}
	files, err := filepath.Glob(filepath.Join(temp, "*", "*"))
	if err != nil || len(files) != 0 {
		t.Errorf("%q, %v", files, err)
	}

	nobody := httptest.NewServer(nil)
	nobody.Close()
	for want, test := range map[string]struct {
		code     int
		audience string
		env      string
	}{
		"Incorrect token audience":                     {7, "another", "A=b"},
		"an OIDC token from GitHub: HTTP status 403":   {6, "", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=wrong"},
		"an OIDC token from GitHub: ECONNREFUSED":      {6, "", "ACTIONS_ID_TOKEN_REQUEST_URL=" + nobody.URL},
		"GitHub answered without an OIDC token":        {6, "empty", "A=b"},
		"can't get an OIDC token from GitHub: Invalid": {6, "", "ACTIONS_ID_TOKEN_REQUEST_URL=none"},
	} {
		inputs["audience"] = test.audience
		code, log := m.step(t, inputs, append(env, test.env)...)
		if code != test.code || !strings.Contains(log, want) || strings.Contains(log, "canary-bearer") {
			t.Errorf("want %q: exit code %d\n%s", want, code, log)
		}
		if left, err := filepath.Glob(filepath.Join(temp, "*", "token")); err != nil || len(left) > 0 {
			t.Errorf("%q was left, %v", left, err)
		}
	}
}

// TestGitHubActionsFirstExampleRuns, as its page has it, on a bucket with KMS. Only the servers are others.
func TestGitHubActionsFirstExampleRuns(t *testing.T) {
	t.Parallel()
	aws := s3test.New(s3test.Options{Region: "eu-west-1", Buckets: []string{"acme-secrets"}, Trust: func(token string) string {
		if token == jobToken {
			return ""
		}
		return "InvalidIdentityToken"
	}})
	t.Cleanup(aws.Close)
	aws.SetRole("ci", s3test.Policy{})
	aws.KMS.CreateKey("alias/parameter_store_key")
	m := newMachine(t)
	m.env = append(slices.DeleteFunc(m.env, func(v string) bool { return strings.HasPrefix(v, "COFFER_") }),
		"AWS_ENDPOINT_URL="+aws.URL, "ACTIONS_ID_TOKEN_REQUEST_URL="+identities(t), "ACTIONS_ID_TOKEN_REQUEST_TOKEN=canary-bearer")
	job := len(m.env)
	m.env = append(m.env, "COFFER_S3_BUCKET=acme-secrets", "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID="+s3test.AdminKeyID, "AWS_SECRET_ACCESS_KEY="+s3test.AdminSecret)
	m.store("api", canaries)
	m.env = m.env[:job]

	m.file("repo/deploy", "#!/bin/sh\nprintf %s \"$TLS_KEY\" | tee \"$HOME/deployed\"\nenv | grep AWS_\n", 0o700)
	example := regexp.MustCompile("(?s)```yaml\n(on: push.*?)```").FindStringSubmatch(text(t, "../docs/ci/github-actions.md"))
	if example == nil {
		t.Fatal("the page has no workflow")
	}
	code, log := m.workflow(t, example[1])
	if code != 0 || m.read("deployed") != canaries["tls_key"] {
		t.Errorf("exit code %d\n%s", code, log)
	}
	for _, name := range []string{"AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", jobToken} {
		if strings.Contains(log, name) {
			t.Errorf("the log has %s", name)
		}
	}
	hidden(t, log)
}
