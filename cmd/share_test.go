//go:build unix

package cmd_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// shared runs share and returns the link and its id.
func shared(b *bench, line string) (link, id, stderr string) {
	b.Helper()
	got := b.run("share "+line, "")
	if got.exit != 0 {
		b.Fatalf("share: exit code %d\n%s", got.exit, got.stderr)
	}
	_, id, _ = strings.Cut(strings.TrimSpace(got.stderr), "--revoke ")
	return strings.TrimSpace(got.stdout), id, got.stderr
}

// follow opens a link with curl, where there is one, as whoever it is sent to would.
func follow(t *testing.T, link string) (status, body string) {
	t.Helper()
	if curl, err := exec.LookPath("curl"); err == nil {
		out, err := exec.Command(curl, "-sS", "-w", "\n%{http_code} %{content_type}", link).Output()
		if err != nil {
			t.Fatal(err)
		}
		i := strings.LastIndexByte(string(out), '\n')
		return string(out[i+1:]), string(out[:i])
	}
	t.Log("curl is not in the PATH: the link is followed with net/http")
	answer, err := http.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.Status[:3] + " " + answer.Header.Get("Content-Type"), string(text)
}

func TestALinkOpensOneValue(t *testing.T) {
	b := newBench(t, s3test.Options{})
	team(b)
	link, id, stderr := shared(b, "team pager --expires 1h")
	if strings.Contains(stderr, canary) {
		t.Error("the value was told")
	}
	for _, want := range []string{"anyone with this link can read team/pager with your permissions, under your name", "it may expire sooner, with the session"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("standard error lacks %q:\n%s", want, stderr)
		}
	}
	if status, body := follow(t, link); status != "200 text/plain; charset=utf-8" || body != canary+" of ops" {
		t.Errorf("the link answers %q with %d bytes", status, len(body))
	}
	o, ok := b.bucket.Object("__share/" + id)
	if !ok || o.KeyARN != b.KMS.ARN("alias/ops") {
		t.Errorf("the share is under %s, not under the key of the secret", o.KeyARN)
	}
	if got := b.run("services", ""); got.stdout != "Service\nteam\n" {
		t.Errorf("services: %q", got.stdout)
	}

	// Revoked by the link itself.
	b.do("share --revoke "+link, "")
	if status, body := follow(t, link); !strings.HasPrefix(status, "404") || strings.Contains(body, canary) {
		t.Errorf("a revoked link answers %q", status)
	}
	if got := b.run("share --revoke "+id, ""); got.exit != 3 {
		t.Errorf("revoking twice: exit code %d, want 3\n%s", got.exit, got.stderr)
	}
}

func TestThePlainBackendSharesAndIsInitialisedToo(t *testing.T) {
	b := newBench(t, s3test.Options{})
	b.env = append(b.env, "COFFER_BACKEND=s3", "COFFER_S3_BUCKET=plain", "COFFER_KMS_KEY_ALIAS=")
	initialised(b, "--yes")
	b.do("write team db_url -", canary)
	link, id, _ := shared(b, "team db_url")
	if status, body := follow(t, link); !strings.HasPrefix(status, "200") || body != canary {
		t.Errorf("the link answers %q with %d bytes", status, len(body))
	}
	if o, _ := b.Bucket("plain").Object("__share/" + id); o.SSE != s3test.AES256 {
		t.Errorf("the share is encrypted with %q", o.SSE)
	}
	if got := b.run("policy check writer team", ""); got.exit != 0 || strings.Contains(got.stdout, "kms:") || strings.Contains(got.stdout, "unknown") {
		t.Errorf("check: exit code %d\n%s%s", got.exit, got.stdout, got.stderr)
	}
}

// Whoever may not use the key, or not any more, cannot follow a link that was signed before.
func TestALinkHasTheRightsOfItsSigner(t *testing.T) {
	b := newBench(t, s3test.Options{})
	team(b)
	link, _, _ := shared(b, "team db_url")
	b.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyDecrypt: []string{"alias/app"}})
	if status, body := follow(t, link); !strings.HasPrefix(status, "403") || strings.Contains(body, canary) {
		t.Errorf("the link answers %q", status)
	}
}

func TestALinkTellsWhenItsSessionEndsSooner(t *testing.T) {
	b := newBench(t, s3test.Options{})
	team(b)
	ends := time.Now().Add(30 * time.Minute).UTC().Truncate(time.Second)
	answer, err := json.Marshal(map[string]any{
		"Version": 1, "AccessKeyId": dev.AccessKeyID, "SecretAccessKey": dev.SecretKey,
		"SessionToken": dev.SessionToken, "Expiration": ends.Format(time.RFC3339),
	})
	if err != nil {
		t.Fatal(err)
	}
	b.env = append(b.env, "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SESSION_TOKEN=",
		"AWS_CONFIG_FILE="+b.scratch("config", "[default]\ncredential_process = cat "+b.scratch("answer", string(answer))+"\n"))
	_, _, stderr := shared(b, "team db_url --expires 2h")
	if !strings.Contains(stderr, "until "+ends.Format(time.RFC3339)) || !strings.Contains(stderr, "sooner than you asked for") {
		t.Errorf("standard error:\n%s", stderr)
	}
	_, _, stderr = shared(b, "team db_url --expires 10m")
	if strings.Contains(stderr, "sooner") {
		t.Errorf("ten minutes are sooner:\n%s", stderr)
	}
}

func TestASharePutsAwayWhatIsOver(t *testing.T) {
	b := newBench(t, s3test.Options{})
	team(b)
	const over = "__share/team/20200101T000000Z-0123456789abcdef0123456789abcdef"
	for _, name := range []string{over, strings.Replace(over, "2020", "2999", 1), "__share/team/notes.txt", strings.Replace(over, "team", "team/sub", 1)} {
		b.bucket.Plant(name, []byte(canary), s3test.AWSKMS, "alias/app")
	}
	_, id, _ := shared(b, "team db_url")
	var left []string
	for _, o := range b.bucket.Objects() {
		if strings.HasPrefix(o.Name, "__share/") {
			left = append(left, o.Name)
		}
	}
	want := []string{"__share/" + id, strings.Replace(over, "2020", "2999", 1), "__share/team/notes.txt", strings.Replace(over, "team", "team/sub", 1)}
	if strings.Join(left, "\n") != strings.Join(want, "\n") {
		t.Errorf("left: %q", left)
	}
	got := b.run("share --list team", "")
	if got.stdout != "ID\tEnds\n"+id+"\t"+endOf(id)+"\n"+strings.TrimPrefix(want[1], "__share/")+"\t2999-01-01T00:00:00Z\n" {
		t.Errorf("list:\n%s", got.stdout)
	}
}

func endOf(id string) string {
	ends, _ := time.Parse("20060102T150405Z", strings.Split(strings.TrimPrefix(id, "team/"), "-")[0])
	return ends.Format(time.RFC3339)
}

func TestRefusedShares(t *testing.T) {
	for name, test := range map[string]struct {
		setup  func(*bench)
		quirks s3test.Quirks
		args   string
		exit   int
		stderr string
	}{
		"eight days":             {args: "share team db_url --expires 8d", exit: 2, stderr: "one second up to seven days"},
		"more than a week":       {args: "share team db_url --expires 169h", exit: 2, stderr: "one second up to seven days"},
		"no time":                {args: "share team db_url --expires soon", exit: 2, stderr: `"soon" is not a time`},
		"less than none":         {args: "share team db_url --expires=-1h", exit: 2, stderr: "one second up to seven days"},
		"no key":                 {args: "share team", exit: 2, stderr: "name a service and a key"},
		"a missing secret":       {args: "share team db_uri", exit: 3, stderr: `nearest: "db_url"`},
		"a denied secret":        {setup: policy(s3test.Policy{DenyDecrypt: []string{"alias/app"}}), args: "share team db_url", exit: 5, stderr: "kms:Decrypt"},
		"a denied put":           {setup: policy(s3test.Policy{DenyPut: []string{"__share/*"}}), args: "share team db_url", exit: 5, stderr: "not allowed to put __share/team/"},
		"revoking a secret":      {args: "share --revoke team/db_url.json", exit: 2, stderr: "not the name of a share"},
		"revoking out of bounds": {args: "share --revoke __share/../team/20200101T000000Z-0123456789abcdef0123456789abcdef", exit: 2, stderr: "not the name of a share"},
		"a local secret":         {args: "share team db_url --backend local", exit: 2, stderr: "the local backend can't create links; only s3-kms and s3 can\n  to give the value to one person: coffer read -n team db_url | age -a -r RECIPIENT\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, s3test.Options{Quirks: test.quirks})
			team(b)
			if test.setup != nil {
				test.setup(b)
			}
			got := b.run(test.args, "")
			if got.exit != test.exit || !strings.Contains(got.stderr, test.stderr) || got.stdout != "" || strings.Contains(got.stderr, canary) {
				t.Errorf("exit code %d, want %d\n%s%s", got.exit, test.exit, got.stdout, got.stderr)
			}
			for _, o := range b.bucket.Objects() {
				if strings.HasPrefix(o.Name, "__share/") {
					t.Errorf("%s is left", o.Name)
				}
			}
			if _, ok := b.bucket.Object("team/db_url.json"); !ok {
				t.Error("the secret is gone")
			}
		})
	}
}

// The log of requests tells neither value nor link.
func TestAVerboseShareTellsNoLink(t *testing.T) {
	b := newBench(t, s3test.Options{})
	team(b)
	got := b.run("share team db_url --verbose", "")
	if got.exit != 0 || !strings.Contains(got.stderr, "operation=S3.PutObject object=/b/__share/team/") {
		t.Errorf("exit code %d\n%s", got.exit, got.stderr)
	}
	for _, secret := range []string{"X-Amz-Signature", "X-Amz-Credential", dev.SessionToken, canary} {
		if strings.Contains(got.stderr, secret) {
			t.Errorf("%s was told", secret)
		}
	}
}

// What a server stores without encryption is taken back.
func TestAShareThatIsNotEncryptedIsTakenBack(t *testing.T) {
	b := newBench(t, s3test.Options{})
	team(b)
	b.Fault(func(r s3test.Request) *s3test.Fault {
		if r.Op != "PutObject" || !strings.HasPrefix(r.Key, "__share/") {
			return nil
		}
		return &s3test.Fault{Kind: s3test.Answer, After: true, Status: 200}
	})
	got := b.run("share team db_url", "")
	if got.exit == 0 || got.stdout != "" {
		t.Errorf("exit code %d, %q", got.exit, got.stdout)
	}
	for _, o := range b.bucket.Objects() {
		if strings.HasPrefix(o.Name, "__share/") {
			t.Errorf("%s is left", o.Name)
		}
	}
}

// Moto looks at no signature: the link would never end.
func TestALinkThatWouldNeverEndIsNotMadeOnMoto(t *testing.T) {
	b := newMotoBench(t, mototest.Start(t), "shares")
	b.do("init --yes --without policy", "")
	b.do("write team db_url -", canary)
	got := b.run("share team db_url", "")
	if got.exit != 7 || got.stdout != "" || !strings.Contains(got.stderr, "the server ignores the signature or the expiry of links") {
		t.Errorf("share: exit code %d, %q\n%s", got.exit, got.stdout, got.stderr)
	}
	if list := b.run("share --list", ""); strings.Contains(list.stdout, "team/") {
		t.Errorf("something is shared: %s", list.stdout)
	}
}
