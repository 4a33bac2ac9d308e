//go:build servers && unix

package cmd_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/coffer-secrets/coffer/internal/testing/kmsd"
	"github.com/coffer-secrets/coffer/internal/testing/serverstest"
)

// newMinIOBench is a person with some credentials at MinIO, with a bucket and the keys of
// alias/app and alias/ops.
func newMinIOBench(t *testing.T) (*serverstest.MinIO, *bench) {
	t.Helper()
	m := serverstest.StartMinIO(t)
	for _, alias := range []string{"alias/app", "alias/ops"} {
		if err := m.Keys.Create(alias); err != nil && !errors.Is(err, kmsd.ErrExists) {
			t.Fatal(err)
		}
	}
	b := &bench{T: t, env: append(ownEnvironment(t.TempDir()),
		"PATH="+os.Getenv("PATH"), "AWS_REGION=us-east-1",
		"COFFER_S3_BUCKET="+m.Bucket(t), "COFFER_KMS_KEY_ALIAS=alias/app", "COFFER_ENDPOINT_URL="+m.URL, "COFFER_RETRIES=2",
	)}
	return m, b
}

// as is the same person with other credentials.
func (b *bench) as(who aws.Credentials) *bench {
	return &bench{T: b.T, env: append(b.env[:len(b.env):len(b.env)],
		"AWS_ACCESS_KEY_ID="+who.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+who.SecretAccessKey, "AWS_SESSION_TOKEN="+who.SessionToken)}
}

// roleLine is a command line, and whether the policy of a role allows it.
type roleLine struct {
	line    string
	allowed bool
}

// roleLines are lines within the service of a role and outside of it.
func roleLines(role string) []roleLine {
	writes, operates := role != "reader", role == "operator"
	return []roleLine{
		{"read team db_url -q", true},
		{"read team DB_URL -q", true},
		{"exec team -- printenv DB_URL", true},
		{"export team", true},
		{"env team", true},
		{"list team", true},
		{"history team db_url", true},
		{"write team new_" + role + " -", writes},
		{"write team new_" + role + " -", writes},
		{"import team --format json -", writes},
		{"tag read team db_url", operates},
		{"delete team own_" + role, writes},
		{"policy check " + role + " team", true},
		{"share team db_url", operates},
		{"write team pager_" + role + " - --kms-key-alias alias/ops", writes},

		{"read other db_url", false},
		{"read team2 db_url", false},
		{"exec other -- true", false},
		{"exec team2 -- true", false},
		{"list other", false},
		{"history other db_url", false},
		{"write other db_url -", false},
		{"write other new -", false},
		{"delete other db_url", false},
		{"services", false},
		{"share other db_url", false},
	}
}

// The printed policies are those of sessions of a server that enforces them, the condition
// on prefixes included. MinIO knows no actions of AWS's KMS, and takes no policy that names
// them: these are left out here, and judged by
// TestAPolicyAllowsWhatItsRoleDoes and TestAPolicyAllowsNothingElse; kms:DescribeKey and
// kms:ListAliases by TestMotoMissesEachActionOfThePrintedPolicies too.
func TestMinIOEnforcesThePrintedPoliciesOnMinIO(t *testing.T) {
	m, b := newMinIOBench(t)
	root := b.as(serverstest.Root())
	root.do("write team db_url -", canary)
	root.do("write team2 db_url -", canary)
	root.do("write other db_url -", canary)
	for _, role := range []string{"reader", "writer", "operator"} {
		t.Run(role, func(t *testing.T) {
			got := root.run("policy "+role+" team --key alias/ops --part identity", "")
			if got.exit != 0 {
				t.Fatalf("policy: exit code %d\n%s", got.exit, got.stderr)
			}
			root.do("write team own_"+role+" -", canary)
			user := b.as(m.Session(t, asMinIOTakesIt(t, got.stdout)))
			user.T = t
			for _, test := range roleLines(role) {
				got := user.run(test.line, `{"imported":"`+canary+`-new"}`)
				switch {
				case test.allowed && got.exit != 0:
					t.Errorf("coffer %s: exit code %d\n%s", test.line, got.exit, got.stderr)
				case !test.allowed && got.exit != 5:
					t.Errorf("coffer %s: exit code %d, want 5\n%s", test.line, got.exit, got.stderr)
				case strings.Contains(got.stderr, canary), !test.allowed && strings.Contains(got.stdout, canary):
					t.Errorf("coffer %s tells a value", test.line)
				}
			}
		})
	}
	for _, service := range []string{"other", "team2"} {
		if got := root.run("read "+service+" db_url -q", ""); got.stdout != canary+"\n" {
			t.Errorf("%s was changed by somebody who may not: exit code %d\n%s", service, got.exit, got.stderr)
		}
	}
}

// asMinIOTakesIt leaves out what MinIO does not know. There must be some of it.
func asMinIOTakesIt(t *testing.T, text string) string {
	t.Helper()
	var policy struct {
		Version   string
		Statement []map[string]any
	}
	if err := json.Unmarshal([]byte(text), &policy); err != nil {
		t.Fatal(err)
	}
	all := len(policy.Statement)
	policy.Statement = slices.DeleteFunc(policy.Statement, func(s map[string]any) bool {
		actions := slices.DeleteFunc(s["Action"].([]any), func(a any) bool {
			return strings.HasPrefix(a.(string), "kms:")
		})
		s["Action"] = actions
		return len(actions) == 0
	})
	if kept := len(policy.Statement); kept == all || kept == 0 {
		t.Fatalf("%d statements of %d are left", kept, all)
	}
	kept, err := json.Marshal(policy)
	if err != nil {
		t.Fatal(err)
	}
	return string(kept)
}

// A link is opened by somebody without credentials, though a session signed it. Revoked it
// opens nothing, and its time ends.
func TestALinkOpensOneValueOnMinIO(t *testing.T) {
	m, b := newMinIOBench(t)
	bucket := strings.TrimPrefix(b.env[slices.IndexFunc(b.env, func(v string) bool { return strings.HasPrefix(v, "COFFER_S3_BUCKET=") })], "COFFER_S3_BUCKET=")
	session := b.as(m.Session(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*",
		"Resource":["arn:aws:s3:::`+bucket+`","arn:aws:s3:::`+bucket+`/*"]}]}`))
	session.do("write team db_url -", canary)

	link, _, stderr := shared(session, "team db_url --expires 1h")
	if !strings.Contains(link, "X-Amz-Security-Token=") || !strings.Contains(stderr, "it may expire sooner, with the session") {
		t.Errorf("the link does not carry the session, or nothing is said of it:\n%s", stderr)
	}
	if status, body := get(t, link); status != http.StatusOK || body != canary {
		t.Errorf("the link answers %d with %d bytes", status, len(body))
	}
	for what, forged := range map[string]string{
		"another object":       strings.Replace(link, "/__share/team/", "/team/", 1),
		"a longer time":        strings.Replace(link, "X-Amz-Expires=3600", "X-Amz-Expires=36000", 1),
		"without the session":  dropped(t, link, "X-Amz-Security-Token"),
		"without a signature":  dropped(t, link, "X-Amz-Signature"),
		"without any of these": strings.SplitN(link, "?", 2)[0],
	} {
		if status, body := get(t, forged); status < 400 || strings.Contains(body, canary) {
			t.Errorf("%s: %d with %d bytes", what, status, len(body))
		}
	}
	session.do("share --revoke "+link, "")
	if status, body := get(t, link); status != http.StatusNotFound || strings.Contains(body, canary) {
		t.Errorf("revoked: %d with %d bytes", status, len(body))
	}

	link, _, _ = shared(session, "team db_url --expires 2s")
	poll := time.NewTicker(200 * time.Millisecond)
	defer poll.Stop()
	for end := time.After(time.Minute); ; {
		status, body := get(t, link)
		if status == http.StatusForbidden && !strings.Contains(body, canary) {
			break
		}
		if status != http.StatusOK {
			t.Fatalf("before its end the link answers %d", status)
		}
		select {
		case <-poll.C:
		case <-end:
			t.Fatal("the link does not end")
		}
	}
}

func get(t *testing.T, link string) (int, string) {
	t.Helper()
	answer, err := http.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// dropped is a link without one parameter, which it must have.
func dropped(t *testing.T, link, parameter string) string {
	t.Helper()
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	if !query.Has(parameter) {
		t.Fatalf("the link has no %s", parameter)
	}
	query.Del(parameter)
	u.RawQuery = query.Encode()
	return u.String()
}
