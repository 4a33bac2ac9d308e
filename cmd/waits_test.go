//go:build unix

package cmd_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

func TestEveryCommandEndsWhereAServerNeverAnswers(t *testing.T) {
	t.Parallel()
	host := listen(t, silent)
	file := filepath.Join(t.TempDir(), "in.json")
	if err := os.WriteFile(file, []byte(`{"key": "`+canary+`"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	onBucket := []string{
		"rekey api --to alias/ops", "migrate api --from-backend ssm", "doctor api", "doctor api --fix", "init --yes", "keys api",
		"audit api", "audit api --cloudtrail", "restore api key --version 1", "restore api key --deleted", "tag read api key", "tag write api key a=b",
		"share api key", "delete --purge --yes api key",
	}
	for _, backend := range backendsOnAWS {
		lines := []string{
			"exec api -- true", "read api key", "list api", "services", "history api key", "find key", "find --by-value -", "env api", "export api",
			"diff api other", "write api key -", "delete api key", "import api " + file, "copy api other",
		}
		if backend == "s3-kms" {
			lines = append(lines, onBucket...)
		}
		t.Run(backend, func(t *testing.T) {
			b := atEndpoint(t, "http://"+host, "COFFER_BACKEND="+backend)
			var all sync.WaitGroup
			for _, line := range lines {
				all.Go(func() {
					got := b.run(line, canary)
					if got.exit != 6 || !strings.Contains(got.stderr, "gave up: no progress for 3s while waiting for "+host+" (") ||
						!strings.Contains(got.stderr, "; nothing was changed\n") || strings.Contains(got.stderr, canary) {
						t.Errorf("coffer %s: %+v", line, got)
					}
				})
			}
			all.Wait()
		})
	}
}

func TestAServerThatIsNoUseIsLeftWithItsReason(t *testing.T) {
	t.Parallel()
	encrypted, bundle := tlsServer(t)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	refused := closed(t)
	handshake := listen(t, func(c net.Conn) {
		s := tls.Server(c, encrypted.TLS)
		if s.Handshake() == nil {
			silent(s)
		}
	})
	for name, test := range map[string]struct {
		url  string
		env  string
		exit int
		says string
	}{
		"answers a byte at a time": {url: "http://" + listen(t, dribble), exit: 6, says: "gave up: no progress for 3s while waiting for "},
		"accepts TLS and stops":    {url: "https://" + handshake, env: "AWS_CA_BUNDLE=" + bundle, exit: 6, says: "gave up: no progress for 3s while waiting for " + handshake},
		"never ends the handshake": {url: "https://" + listen(t, silent), exit: 6, says: "gave up: no progress for 3s while waiting for "},
		"resets after the header":  {url: "http://" + listen(t, resets), env: "COFFER_RETRIES=2", exit: 6, says: ""},
		"refuses":                  {url: "http://" + refused, env: "COFFER_RETRIES=1", exit: 6, says: "no answer from " + refused + " (connection refused)"},
		"has no address":           {url: "https://nonexistent.invalid", exit: 6, says: "no answer from nonexistent.invalid (no such host)"},
		"speaks plain HTTP": {
			url: "https://" + plain.Listener.Addr().String(), exit: 7,
			says: plain.Listener.Addr().String() + " speaks plain HTTP, not TLS\n  write the endpoint as http://",
		},
		"speaks TLS alone": {
			url: "http://" + encrypted.Listener.Addr().String(), exit: 7,
			says: encrypted.Listener.Addr().String() + " speaks TLS, not plain HTTP\n  write the endpoint as https://",
		},
		"has an unknown certificate": {
			url: encrypted.URL, exit: 7,
			says: "the certificate of " + encrypted.Listener.Addr().String() + " is not accepted: x509: certificate signed by unknown authority\n  check the host name",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var all sync.WaitGroup
			for _, backend := range backendsOnAWS {
				for _, line := range []string{"exec api -- true", "write api key -"} {
					b := atEndpoint(t, test.url, "COFFER_BACKEND="+backend, test.env)
					all.Go(func() {
						if got := b.run(line, canary); got.exit != test.exit || !strings.Contains(got.stderr, test.says) || got.stderr == "" || strings.Contains(got.stderr, canary) {
							t.Errorf("%s, coffer %s: %+v", backend, line, got)
						}
					})
				}
			}
			all.Wait()
		})
	}
}

// KMS and STS can be elsewhere than S3.
func TestAKeyServiceThatNeverAnswersIsNamed(t *testing.T) {
	t.Parallel()
	host := listen(t, silent)
	const arn = "arn:aws:kms:us-east-1:111122223333:key/0a1b2c3d-0000-4000-8000-000000000000"
	for name, test := range map[string]struct{ variable, line, says string }{
		"the alias of a key":    {"AWS_ENDPOINT_URL_KMS", "write api key - --kms-key-alias " + arn, host + " (ListAliases " + arn + ")"},
		"the key of an alias":   {"AWS_ENDPOINT_URL_KMS", "init --yes", host + " (DescribeKey alias/app)"},
		"credentials of a role": {"AWS_ENDPOINT_URL_STS", "read api key", host + " (AssumeRoleWithWebIdentity"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, s3test.Options{})
			b.env = append(b.env, test.variable+"=http://"+host, "COFFER_TIMEOUT=3s", "COFFER_RETRIES=10")
			if test.variable == "AWS_ENDPOINT_URL_STS" {
				token := filepath.Join(t.TempDir(), "token")
				if err := os.WriteFile(token, []byte("t"), 0o600); err != nil {
					t.Fatal(err)
				}
				b.env = append(b.env, "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SESSION_TOKEN=",
					"AWS_ROLE_ARN=arn:aws:iam::111122223333:role/r", "AWS_WEB_IDENTITY_TOKEN_FILE="+token)
			}
			got := b.run(test.line, canary)
			if got.exit != 6 || !strings.Contains(got.stderr, "gave up: no progress for 3s while waiting for "+test.says) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestTheEndOfAWaitTellsWhetherAChangeMayHaveBeenMade(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		matches func(*http.Request) bool
		line    string
		says    string
	}{
		"a put": {
			putOf("/api/db_password.json"), "write api db_password -",
			"; the change to api/db_password may have been made: run coffer history api db_password to check\n",
		},
		"the index after it": {
			putOf("__latest.json"), "write api db_password -", "; the change to api/db_password was made; an index may not be up to date: coffer doctor --fix repairs it\n",
		},
		"a delete": {
			func(r *http.Request) bool {
				return r.Method == http.MethodDelete && !strings.Contains(r.URL.Path, "__probe")
			}, "delete api old",
			"; the change to api/old may have been made: run coffer history api old to check\n",
		},
		"a listing before any change": {
			func(r *http.Request) bool { return r.Method == http.MethodGet && r.URL.Query().Get("prefix") == "api/" }, "write api db_password -",
			"; nothing was changed\n",
		},
	} {
		for _, applied := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				b := stalling(t, applied, test.matches)
				seed := newBenchOn(b)
				seed.do("write api old -", canary)
				got := b.run(test.line, canary)
				if got.exit != 6 || !strings.Contains(got.stderr, "gave up: no progress for 3s while waiting for 127.0.0.1:") || !strings.Contains(got.stderr, test.says) {
					t.Errorf("applied %v: %+v", applied, got)
				}
				stored := seed.run("read api db_password -q", "").exit == 0
				if strings.Contains(test.line, "write") && stored != (applied && name == "a put" || name == "the index after it") {
					t.Errorf("applied %v: is it stored? %v", applied, stored)
				}
			})
		}
	}
}

// A person sees within two seconds what is waited for, and Ctrl-C then ends it at once.
func TestAWaitIsToldAndAnInterruptEndsIt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		matches func(*http.Request) bool
		line    string
		told    string
		says    string
	}{
		"a read": {
			func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/api/db_password.json") }, "read api db_password",
			" (GetObject api/db_password.json), attempt 1 of 10 (Ctrl-C to stop, --timeout 10s to wait less)", "; nothing was changed\n",
		},
		"a put": {
			putOf("/api/db_password.json"), "write api db_password -",
			" (PutObject api/db_password.json under alias/app), attempt 1 of 10 (Ctrl-C to stop, --timeout 10s to wait less)",
			"the change to api/db_password may have been made: run coffer history api db_password to check\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := stalling(t, false, test.matches)
			b.env = append(b.env, "COFFER_TIMEOUT=50s")
			c := b.command(test.line)
			c.Stdin = strings.NewReader(canary)
			stderr, err := c.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewReader(stderr)
			first, err := lines.ReadString('\n')
			if err != nil || !strings.Contains(first, "coffer: waiting for 127.0.0.1:") || !strings.Contains(first, test.told) {
				t.Fatalf("told %q, %v", first, err)
			}
			_ = c.Process.Signal(os.Interrupt)
			var rest bytes.Buffer
			_, _ = lines.WriteTo(&rest)
			_ = c.Wait()
			if code := c.ProcessState.ExitCode(); code != 130 || !strings.Contains(rest.String(), test.says) || strings.Contains(rest.String(), "waiting for") {
				t.Errorf("exit code %d\n%s", code, &rest)
			}
		})
	}
}

func TestQuietWaitsInSilence(t *testing.T) {
	t.Parallel()
	b := atEndpoint(t, "http://"+listen(t, silent), "COFFER_TIMEOUT=2500ms")
	for line, lines := range map[string]int{"read api key -q": 2, "read api key": 3} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			got := b.run(line, "")
			if n := strings.Count(got.stderr, "\n"); got.exit != 6 || n != lines {
				t.Errorf("%d lines, want %d: %+v", n, lines, got)
			}
		})
	}
}

// A lock that another process holds is a wait as well.
func TestALockIsWaitedForNoLongerThanTheTimeout(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	b := &bench{T: t, env: append(ownEnvironment(home), "PATH="+os.Getenv("PATH"), "COFFER_BACKEND=local")}
	b.do("write api key -", canary)
	locks, err := filepath.Glob(filepath.Join(home, "data", "coffer", "~locks", "*"))
	if err != nil || len(locks) == 0 {
		t.Fatal(locks, err)
	}
	for _, path := range locks {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
			t.Fatal(err)
		}
	}
	got := b.run("write api key - --timeout 2s", canary+" 2")
	if got.exit != 6 || !strings.Contains(got.stderr, "gave up: no progress for 2s while waiting for the lock ") || !strings.Contains(got.stderr, "another process holds; nothing was changed\n") {
		t.Errorf("%+v", got)
	}
}

func TestAnUnknownAliasThatIsAnsweredWith500IsNamed(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	host := strings.TrimPrefix(b.URL, "http://")
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, "<Error><Code>InternalError</Code><Message>We encountered an internal error</Message></Error>")
			return
		}
		out := r.Clone(r.Context())
		out.RequestURI, out.URL.Scheme, out.URL.Host = "", "http", host
		answer, err := http.DefaultTransport.RoundTrip(out)
		if err != nil {
			return
		}
		defer func() { _ = answer.Body.Close() }()
		w.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(w, answer.Body)
	}))
	t.Cleanup(front.Close)
	at := strings.TrimPrefix(front.URL, "http://")
	b.env = append(b.env, "COFFER_ENDPOINT_URL="+front.URL)
	got := b.run("write api key - --kms-key-alias alias/typo -r 1", canary)
	if got.exit != 6 || !strings.Contains(got.stderr, "under alias/typo, at "+at) || !strings.Contains(got.stderr, "check that the alias exists there") {
		t.Errorf("one attempt: %+v", got)
	}
	got = b.run("write api key - --kms-key-alias alias/typo -r 10 --timeout 3s", canary)
	if got.exit != 6 || !strings.Contains(got.stderr, "while waiting for "+at+" (PutObject api/__probe/") || !strings.Contains(got.stderr, " under alias/typo)") ||
		!strings.Contains(got.stderr, "last try: 500 Internal Server Error") {
		t.Errorf("until the end: %+v", got)
	}
}

func TestAMissingCloudTrailIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	asked := 0
	trail := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		http.Error(w, "no such thing", http.StatusInternalServerError)
	}))
	t.Cleanup(trail.Close)
	b.env = append(b.env, "AWS_ENDPOINT_URL_CLOUDTRAIL="+trail.URL, "COFFER_RETRIES=10")
	b.do("write api key -", canary)
	if got := b.run("audit api --cloudtrail", ""); got.exit != 7 || asked != 1 {
		t.Errorf("asked %d times: %+v", asked, got)
	}
}

func TestTheTimeoutIsASetting(t *testing.T) {
	t.Parallel()
	b := atEndpoint(t, "http://"+listen(t, silent))
	config := filepath.Join(t.TempDir(), "config.yaml")
	text := "timeout: 200ms\ncontexts:\n  slow:\n    timeout: 300ms\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	without := &bench{T: t, env: append(append([]string(nil), b.env...), "COFFER_TIMEOUT=")}
	for _, test := range []struct {
		*bench
		line string
		exit int
		says string
	}{
		{b, "read api key --timeout 100ms --config " + config, 6, "no progress for 100ms"},
		{b, "read api key --config " + config, 6, "no progress for 3s"},
		{without, "read api key --config " + config, 6, "no progress for 200ms"},
		{without, "read api key --context slow --config " + config, 6, "no progress for 300ms"},
		{without, "read api key --timeout 0", 2, "--timeout: \"0\" is too short"},
		{without, "read api key --timeout 0s", 2, "--timeout: \"0s\" is too short"},
		{without, "read api key --timeout -5s", 2, "--timeout: "},
		{without, "read api key --timeout 30", 2, "--timeout: \"30\" is not a duration such as 30s or 2m"},
		{without, "read api key --timeout soon -b local", 2, "--timeout: \"soon\" is not a duration"},
	} {
		if got := test.run(test.line, ""); got.exit != test.exit || !strings.Contains(got.stderr, test.says) {
			t.Errorf("coffer %s: %+v", test.line, got)
		}
	}
	without.env = append(without.env, "COFFER_TIMEOUT=1x")
	if got := without.run("list api", ""); got.exit != 7 || !strings.Contains(got.stderr, "$COFFER_TIMEOUT: \"1x\" is not a duration") {
		t.Errorf("%+v", got)
	}
	if got := without.run("config --timeout 90s", ""); !strings.Contains(got.stdout, "timeout") || !strings.Contains(got.stdout, "90s") {
		t.Errorf("%+v", got)
	}
}

// A disk is no network: what it refuses is not tried again, and told as what it is.
func TestADiskThatRefusesIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	file := filepath.Join(home, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{"below a file": filepath.Join(file, "dir"), "where none can be made": "/proc/coffer/dir"} {
		b := &bench{T: t, env: append(ownEnvironment(t.TempDir()), "PATH="+os.Getenv("PATH"), "COFFER_BACKEND=local", "COFFER_DIR="+dir)}
		if got := b.run("write api key -", canary); got.exit != 1 || strings.Contains(got.stderr, "does not answer") || strings.Contains(got.stderr, "may or may not") {
			t.Errorf("%s: %+v", name, got)
		}
	}
	// No file may grow: what a full disk does.
	b := &bench{T: t, env: append(ownEnvironment(t.TempDir()), "PATH="+os.Getenv("PATH"), "COFFER_BACKEND=local")}
	b.do("write api key -", canary)
	program, err := exec.LookPath("coffer")
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), "sh", "-c", `trap "" XFSZ; ulimit -f 1; exec "$0" write api other -`, program)
	var stderr bytes.Buffer
	c.Env, c.Stdin, c.Stderr = b.env, strings.NewReader(strings.Repeat(canary, 1000)), &stderr
	_ = c.Run()
	if code := c.ProcessState.ExitCode(); code != 1 || !strings.Contains(stderr.String(), "file too large") {
		t.Errorf("exit code %d\n%s", code, &stderr)
	}
}
