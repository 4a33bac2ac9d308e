package cmd_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/internal/testing/need"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

const (
	mfaCode   = "246810"
	mfaDevice = "arn:aws:iam::123456789012:mfa/ann"
	mfaPrompt = "MFA code of " + mfaDevice + ": "
)

// strictSTS is moto behind a check of the code, which moto takes whatever it is. It counts the sessions.
type strictSTS struct {
	*httptest.Server
	sessions atomic.Int64
}

func newStrictSTS(t *testing.T) *strictSTS {
	t.Helper()
	moto, err := url.Parse(mototest.Start(t))
	if err != nil {
		t.Fatal(err)
	}
	s := &strictSTS{}
	onward := httputil.NewSingleHostReverseProxy(moto)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		form, _ := url.ParseQuery(string(body))
		if form.Get("Action") == "AssumeRole" {
			if form.Get("SerialNumber") != mfaDevice || form.Get("TokenCode") != mfaCode || form.Has("DurationSeconds") {
				w.WriteHeader(http.StatusForbidden) // the words of AWS
				_, _ = io.WriteString(w, `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>`+
					`<Message>MultiFactorAuthentication failed with invalid MFA one time pass code. </Message></Error></ErrorResponse>`)
				return
			}
			s.sessions.Add(1)
		}
		onward.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// withMFA gives the bench a profile "app" whose role needs a code, on a strict STS.
func withMFA(t *testing.T) (*bench, *strictSTS) {
	t.Helper()
	sts := newStrictSTS(t)
	b := newBench(t, s3test.Options{})
	b.env = append(b.env, "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SESSION_TOKEN=", "COFFER_ENDPOINT_URL=", "AWS_ENDPOINT_URL="+sts.URL,
		"AWS_CONFIG_FILE="+b.scratch("aws", "[profile base]\naws_access_key_id = AKIABASE\naws_secret_access_key = "+canary+"\n\n"+
			"[profile app]\nregion = us-east-1\nrole_arn = arn:aws:iam::123456789012:role/app\nsource_profile = base\nmfa_serial = "+mfaDevice+"\n"))
	return b, sts
}

// alone is a run without any terminal.
func (b *bench) alone(line string) outcome {
	b.Helper()
	c := b.command(line)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr, c.SysProcAttr = &stdout, &stderr, &syscall.SysProcAttr{Setsid: true}
	_ = c.Run()
	return outcome{c.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func (b *bench) sessionFiles() []string {
	b.Helper()
	files, err := filepath.Glob(filepath.Join(b.home(), ".aws", "cli", "cache", "*"))
	if err != nil {
		b.Fatal(err)
	}
	return files
}

func (b *bench) home() string {
	for _, v := range b.env {
		if home, ok := strings.CutPrefix(v, "HOME="); ok {
			return home
		}
	}
	return ""
}

func TestProfilesWithMFA(t *testing.T) {
	t.Parallel()
	b, sts := withMFA(t)
	const line = "whoami --json --profile app"
	if got := b.alone(line); got.exit != 7 || got.stdout != "" || !strings.Contains(got.stderr, "the profile app needs a code from the MFA device "+mfaDevice) ||
		!strings.Contains(got.stderr, "aws sts get-caller-identity --profile app") {
		t.Errorf("without a terminal: exit code %d\n%s%s", got.exit, got.stdout, got.stderr)
	}
	p := sit(t, b, line)
	p.sees(mfaPrompt)
	p.types("000000\n")
	if exit, screen := p.leaves(); exit != 7 || !strings.Contains(screen, "a code works once") || strings.Contains(screen, "000000") {
		t.Errorf("a wrong code: exit code %d\n%s", exit, screen)
	}
	p = sit(t, b, line)
	p.sees(mfaPrompt)
	p.types("\x03")
	if exit, screen := p.leaves(); exit != 130 {
		t.Errorf("Ctrl-C: exit code %d\n%s", exit, screen)
	}
	p = sit(t, b, line)
	p.sees(mfaPrompt)
	p.types(mfaCode + "\n")
	if exit, screen := p.leaves(); exit != 0 || !strings.Contains(screen, ":assumed-role/app/") || strings.Contains(screen, mfaCode) {
		t.Errorf("exit code %d\n%s", exit, screen)
	}
	files := b.sessionFiles()
	if len(files) != 1 {
		t.Fatalf("cached: %v", files)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if got := b.alone(line); got.exit != 0 || sts.sessions.Load() != 1 {
		t.Errorf("with a session in the cache: exit code %d, %d sessions\n%s", got.exit, sts.sessions.Load(), got.stderr)
	}
}

// Where standard input is a value and standard output goes elsewhere, the terminal of the process is asked.
func TestMFACodeIsAskedAtTheTerminalOfTheProcess(t *testing.T) {
	t.Parallel()
	b, _ := withMFA(t)
	person := openTerminal(t)
	c := b.command("whoami --json --profile app")
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr, c.ExtraFiles = &stdout, &stderr, []*os.File{person.tty}
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	person.sees(mfaPrompt)
	person.types(mfaCode + "\n")
	if err := c.Wait(); err != nil || !strings.Contains(stdout.String(), ":assumed-role/app/") || strings.Contains(stdout.String()+stderr.String(), "MFA") {
		t.Errorf("%v\n%s%s", err, stdout.String(), stderr.String())
	}
}

// botocore is what the AWS CLI keeps sessions with: each reads the other's.
func TestSessionsWithMFAAreSharedWithTheAWSCLI(t *testing.T) {
	t.Parallel()
	need.Program(t, "python3", "apt-get install python3")
	python, err := exec.Command("python3", "-c", "import botocore, sys; print(sys.executable, end='')").Output()
	if err != nil {
		need.Missing(t, "botocore", "pip install botocore")
	}
	const script = `
import botocore.session, botocore.utils, os, sys
session = botocore.session.Session(profile='app')
provider = session.get_component('credential_provider').get_provider('assume-role')
provider.cache = botocore.utils.JSONFileCache(os.path.expanduser('~/.aws/cli/cache')) # as awscli/customizations/assumerole.py does
def code(prompt):
    if len(sys.argv) < 2:
        sys.exit('asked for a code')
    return sys.argv[1]
provider._prompter = code
print(session.get_credentials().get_frozen_credentials().access_key)
`
	t.Run("ours", func(t *testing.T) {
		t.Parallel()
		b, _ := withMFA(t)
		p := sit(t, b, "whoami --profile app")
		p.sees(mfaPrompt)
		p.types(mfaCode + "\n")
		if exit, screen := p.leaves(); exit != 0 {
			t.Fatalf("exit code %d\n%s", exit, screen)
		}
		c := exec.Command(string(python), "-c", script)
		c.Env = b.env
		key, err := c.CombinedOutput()
		body, _ := os.ReadFile(b.sessionFiles()[0])
		if err != nil || !strings.Contains(string(body), strings.TrimSpace(string(key))) {
			t.Errorf("%v: %s", err, key)
		}
	})
	t.Run("theirs", func(t *testing.T) {
		t.Parallel()
		b, sts := withMFA(t)
		c := exec.Command(string(python), "-c", script, mfaCode)
		c.Env = b.env
		if key, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, key)
		}
		if got := b.alone("whoami --profile app"); got.exit != 0 || sts.sessions.Load() != 1 {
			t.Errorf("exit code %d, %d sessions\n%s", got.exit, sts.sessions.Load(), got.stderr)
		}
	})
}
