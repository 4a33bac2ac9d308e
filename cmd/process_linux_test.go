package cmd_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// withProcess is a bench whose credentials come from a process: a script that ends with what prints them.
func withProcess(t *testing.T, script string) *bench {
	t.Helper()
	b := newBench(t, s3test.Options{})
	answer, err := json.Marshal(map[string]any{
		"Version": 1, "AccessKeyId": dev.AccessKeyID, "SecretAccessKey": dev.SecretKey, "SessionToken": dev.SessionToken,
	})
	if err != nil {
		t.Fatal(err)
	}
	script = b.scratch("helper", script+"\ncat "+b.scratch("answer", string(answer))+"\n")
	b.env = append(b.env, "TERM=xterm", "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SESSION_TOKEN=",
		"AWS_CONFIG_FILE="+b.scratch("config", "[default]\ncredential_process = sh "+script+"\n"))
	return b
}

// The process doesn't read the value that is piped to coffer, and what it prints stays out of a log.
func TestACredentialProcessHasNeitherInputNorOutput(t *testing.T) {
	b := withProcess(t, "cat >/dev/null; echo "+canaryKey+" >&2; sleep 5 >/dev/null &")
	if got := b.run("write api key -", canary); got.exit != 0 || got.stderr != "api/key: version 1\n" {
		t.Errorf("write: %+v", got)
	}
	if got := b.run("read api key -n", ""); got.stdout != canary || got.stderr != "" {
		t.Errorf("read: %+v", got)
	}
}

// What a process says when it fails is said in one short line, without credentials; of one below a role, too.
func TestACredentialProcessThatFailsSaysWhy(t *testing.T) {
	b := newBench(t, s3test.Options{})
	script := "sh " + b.scratch("helper", "echo 'no session for ann,' >&2\necho 'key "+canaryKey+"' >&2\nhead -c 300000 /dev/zero | tr '\\0' x >&2\nexit 3\n")
	for name, profiles := range map[string]string{
		"default": "[default]\ncredential_process = " + script + "\n",
		"base":    "[default]\nrole_arn = arn:aws:iam::111122223333:role/app\nsource_profile = base\n[profile base]\ncredential_process = " + script + "\n",
	} {
		b.env = append(b.env, "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SESSION_TOKEN=", "AWS_CONFIG_FILE="+b.scratch("config", profiles))
		got := b.run("list api", "")
		want := "coffer: service \"api\": credential_process of the profile " + name + " failed (exit status 3): no session for ann, key [hidden]…\n"
		if got.exit != 7 || !strings.HasPrefix(got.stderr, want) || len(shows(got.stderr)) > 0 {
			t.Errorf("%s: exit code %d\n%s\nwant\n%s", name, got.exit, got.stderr, want)
		}
	}
}

// At a terminal the process can ask for the code of an MFA device.
func TestACredentialProcessCanAskAtATerminal(t *testing.T) {
	b := withProcess(t, "printf 'Code of the device: ' >&2; read -r code; test \"$code\" = 123456 || exit 1")
	p := sit(t, b, "services")
	p.sees("Code of the device: ")
	p.types("123456\n")
	if exit, screen := p.leaves(); exit != 0 || !strings.Contains(screen, "Service") {
		t.Errorf("exit code %d, screen:\n%s", exit, screen)
	}
}
