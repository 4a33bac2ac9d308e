//go:build unix

package cmd_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
)

// signed sends a request that somebody signed, and returns the status and the text.
func signed(b *bench, who aws.Credentials, service, method, address, contentType, body string) (int, string) {
	b.Helper()
	request, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	hash := sha256.Sum256([]byte(body))
	sum := hex.EncodeToString(hash[:])
	if service == "s3" {
		request.Header.Set("X-Amz-Content-Sha256", sum)
	}
	if err := v4.NewSigner().SignHTTP(b.Context(), who, request, sum, service, "us-east-1", time.Now()); err != nil {
		b.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		b.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		b.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// motoIAM sends one request to moto's IAM.
func motoIAM(b *bench, server string, form url.Values) string {
	b.Helper()
	form.Set("Version", "2010-05-08")
	who := aws.Credentials{AccessKeyID: "moto", SecretAccessKey: "moto"}
	status, text := signed(b, who, "iam", http.MethodPost, server, "application/x-www-form-urlencoded", form.Encode())
	if status != http.StatusOK {
		b.Fatalf("%s: %d\n%s", form.Get("Action"), status, text)
	}
	return text
}

var accessKey = regexp.MustCompile(`(?s)<AccessKeyId>(.*?)</AccessKeyId>.*?<SecretAccessKey>(.*?)</SecretAccessKey>`)

// A server that enforces IAM takes the printed documents, and holds people to them. Moto
// denies by any statement with a condition, and refuses the signature of a listing below a
// "/": listings and keys are judged by TestAPolicyAllowsWhatItsRoleDoes alone.
func TestMotoEnforcesThePrintedPolicies(t *testing.T) {
	server := mototest.Enforcing(t)
	b := newMotoBench(t, server, "enforced")
	b.do("init --yes --without policy", "")
	b.do("write team db_url -", canary)
	b.do("write other db_url -", canary)
	users := map[string]aws.Credentials{}
	for _, role := range []string{"reader", "writer", "operator"} {
		got := b.run("policy "+role+" team --part identity", "")
		motoIAM(b, server, url.Values{"Action": {"CreateUser"}, "UserName": {role}})
		motoIAM(b, server, url.Values{"Action": {"PutUserPolicy"}, "UserName": {role}, "PolicyName": {"coffer"}, "PolicyDocument": {got.stdout}})
		keys := accessKey.FindStringSubmatch(motoIAM(b, server, url.Values{"Action": {"CreateAccessKey"}, "UserName": {role}}))
		users[role] = aws.Credentials{AccessKeyID: keys[1], SecretAccessKey: keys[2]}
	}
	answer, err := http.Post(server+"/moto-api/reset-auth", "text/plain", strings.NewReader("0"))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()

	for role, who := range users {
		user := &bench{T: t, env: append(b.env[:len(b.env):len(b.env)], "AWS_ACCESS_KEY_ID="+who.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+who.SecretAccessKey)}
		if got := user.run("read team db_url -q", ""); got.exit != 0 || got.stdout != canary+"\n" {
			t.Errorf("a %s's read: exit code %d\n%s", role, got.exit, got.stderr)
		}
		if got := user.run("read other db_url -q", ""); got.exit != 5 || strings.Contains(got.stdout+got.stderr, canary) {
			t.Errorf("a %s's read of another service: exit code %d\n%s", role, got.exit, got.stderr)
		}
		writes := role != "reader"
		for _, test := range []struct {
			method, path string
			allowed      bool
		}{
			{http.MethodPut, "team/x.json", writes},
			{http.MethodGet, "team/db_url.json", true},
			{http.MethodDelete, "team/x.json", writes},
			{http.MethodPut, "other/x.json", false},
			{http.MethodDelete, "other/db_url.json", false},
			{http.MethodPut, "team2/x.json", false},
			{http.MethodPut, "__share/team/x", role == "operator"},
			{http.MethodPut, "__share/other/x", false},
			{http.MethodPut, "?policy=", false},
			{http.MethodGet, "?versioning=", role == "operator"},
			{http.MethodDelete, "", false},
		} {
			status, text := signed(b, who, "s3", test.method, server+"/enforced/"+test.path, "application/json", "{}")
			if allowed := status < 300; allowed != test.allowed || !allowed && status != http.StatusForbidden {
				t.Errorf("a %s's %s of %q: %d, want it allowed: %v\n%s", role, test.method, test.path, status, test.allowed, text)
			}
		}
	}
}

// Where the bucket keeps versions, whoever may delete them leaves none of the probe.
func TestPolicyCheckLeavesNoVersions(t *testing.T) {
	server := mototest.Start(t)
	b := newMotoBench(t, server, "versions")
	b.do("init --yes --without policy", "")
	b.do("write team db_url -", canary)
	versions := func() []string {
		answer, err := http.Get(server + "/versions?versions=&prefix=team/")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return regexp.MustCompile(`<VersionId>.*?</VersionId>`).FindAllString(string(text), -1)
	}
	before := versions()
	got := b.run("policy check operator team", "")
	if got.exit != 0 || strings.Contains(got.stdout, "unknown") || strings.Count(got.stdout, "\tyes\t") != 17 {
		t.Errorf("exit code %d\n%s%s", got.exit, got.stdout, got.stderr)
	}
	if after := versions(); len(before) < 2 || !slices.Equal(before, after) {
		t.Errorf("versions before %v, after %v", before, after)
	}
}
