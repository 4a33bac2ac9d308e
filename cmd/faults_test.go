//go:build unix

package cmd_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// The bounds that users are promised: a word after two seconds of silence, an end after five.
const (
	aWord  = 2500 * time.Millisecond
	theEnd = 6 * time.Second
)

// onThisMachine is a bound with what a busy machine adds to it: ten times what a start of the program takes now.
func (b *bench) onThisMachine(bound time.Duration) time.Duration {
	b.Helper()
	start := time.Now()
	b.do("version", "")
	return bound + 10*time.Since(start)
}

// fault is a server, or what leads to it, that only a person can mend.
type fault struct {
	env  []string
	exit int
	says string
}

// faultsOfServers are met by every backend on AWS.
func faultsOfServers(t *testing.T) map[string]fault {
	encrypted, _ := tlsServer(t)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "log in first", http.StatusProxyAuthRequired)
	}))
	t.Cleanup(proxy.Close)
	ssh := listen(t, func(c net.Conn) { // what comes before the request, net/http drops: then the connection is closed
		_, _ = c.Read(make([]byte, 1))
		_, _ = io.WriteString(c, "SSH-2.0-OpenSSH_9.2\r\n")
		_, _ = io.Copy(io.Discard, c) // to close before all is read resets the connection, and its answer is lost
	})
	nobody := closed(t)
	at := func(url string) []string { return []string{"COFFER_ENDPOINT_URL=" + url} }
	return map[string]fault{
		"refuses":                     {at("http://" + nobody), 6, "no answer from " + nobody + " (connection refused)"},
		"hangs up":                    {at("http://" + listen(t, func(net.Conn) {})), 6, "no answer from 127.0.0.1:"},
		"has no address":              {at("https://nonexistent.invalid"), 6, "no answer from nonexistent.invalid (no such host)"},
		"speaks plain HTTP":           {at("https://" + plain.Listener.Addr().String()), 7, "speaks plain HTTP, not TLS\n  write the endpoint as http://"},
		"speaks TLS alone":            {at("http://" + encrypted.Listener.Addr().String()), 7, "speaks TLS, not plain HTTP\n  write the endpoint as https://"},
		"has an unknown certificate":  {at(encrypted.URL), 7, "is not accepted: x509: certificate signed by unknown authority\n  check the host name"},
		"speaks another protocol":     {at("http://" + ssh), 7, ssh + " doesn't speak HTTP\n  check the port"},
		"is behind no proxy":          {[]string{"COFFER_ENDPOINT_URL=", "COFFER_S3_BUCKET=bucket", "HTTPS_PROXY=http://" + nobody}, 7, " can't be used: " + nobody + ": connection refused\n  check HTTPS_PROXY"},
		"is behind a proxy that asks": {[]string{"COFFER_ENDPOINT_URL=", "COFFER_S3_BUCKET=bucket", "HTTPS_PROXY=" + proxy.URL}, 7, " returned 407 Proxy Authentication Required\n  check HTTPS_PROXY"},
	}
}

func TestPermanentFaultsEndAtOnce(t *testing.T) {
	t.Parallel()
	for name, fault := range faultsOfServers(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var all sync.WaitGroup
			for _, backend := range backendsOnAWS {
				for _, line := range []string{"exec api -- true", "write api key -"} {
					b := atEndpoint(t, "", slices.Concat(fault.env, []string{"COFFER_BACKEND=" + backend, "COFFER_TIMEOUT="})...)
					all.Go(func() { b.wantsEnd(line, fault) })
				}
			}
			all.Wait()
		})
	}
	nobody := closed(t)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("x.y.z"), 0o600); err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "log in first", http.StatusProxyAuthRequired)
	}))
	t.Cleanup(proxy.Close)
	without := []string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY="}
	for name, test := range map[string]struct {
		line string
		fault
	}{
		"STS":                            {"list api", fault{append(without, "AWS_ROLE_ARN=arn:aws:iam::123456789012:role/r", "AWS_WEB_IDENTITY_TOKEN_FILE="+token, "AWS_ENDPOINT_URL_STS=http://"+nobody), 7, "no answer from the STS at http://" + nobody + ": connection refused"}},
		"the credentials of a container": {"list api", fault{append(without, "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://"+nobody+"/c"), 7, nobody + " (connection refused)"}},
		"an instance's metadata":         {"list api", fault{append(without, "AWS_EC2_METADATA_DISABLED=false", "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://"+nobody), 7, nobody}},
		"CloudTrail":                     {"audit api --cloudtrail", fault{[]string{"AWS_ENDPOINT_URL_CLOUDTRAIL=http://" + nobody}, 6, "cloudtrail:LookupEvents in us-east-1: no answer from " + nobody}},
		"KMS":                            {"policy check reader api", fault{[]string{"AWS_ENDPOINT_URL_KMS=http://" + nobody}, 6, nobody}},
		"a proxy of plain HTTP":          {"list api --allow-http", fault{[]string{"COFFER_ENDPOINT_URL=http://minio.invalid", "HTTP_PROXY=" + proxy.URL}, 7, " returned 407 Proxy Authentication Required\n  check HTTPS_PROXY"}},
		"more attempts":                  {"list api -r 50", fault{[]string{"COFFER_ENDPOINT_URL=http://" + nobody, "AWS_MAX_ATTEMPTS=50"}, 6, nobody}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			atEndpoint(t, "http://"+nobody, append(test.env, "COFFER_TIMEOUT=")...).wantsEnd(test.line, test.fault)
		})
	}
}

// wantsEnd runs a command that must end soon, with the fault's words, and show no secret.
func (b *bench) wantsEnd(line string, f fault) {
	b.Helper()
	start := time.Now()
	got := b.run(line, canary)
	if took := time.Since(start); got.exit != f.exit || !strings.Contains(got.stderr, f.says) || strings.Contains(got.stderr, canary) || took > theEnd && took > b.onThisMachine(theEnd) {
		b.Errorf("coffer %s ended after %v: %+v\nwant exit code %d and %q", line, took, got, f.exit, f.says)
	}
}

// net/http logs what a server sends after its response. It is no concern of the user's, and may be anything.
func TestWhatAServerSendsUnaskedIsNotPrinted(t *testing.T) {
	t.Parallel()
	b := atEndpoint(t, "http://"+listen(t, func(c net.Conn) {
		requests := bufio.NewReader(c)
		for {
			if _, err := http.ReadRequest(requests); err != nil {
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"+canary)
		}
	}))
	if got := b.run("history api key", ""); got.exit == 0 || got.stderr == "" || strings.Contains(got.stderr, canary) || strings.Contains(got.stderr, "nsolicited") {
		t.Errorf("%+v", got)
	}
}

// A user's fewer attempts are obeyed, and no number of attempts raises the three of a refusal. The
// port is one that hangs up, so that the attempts can be counted.
func TestPermanentFaultsEndAtOnceWithFewAttempts(t *testing.T) {
	t.Parallel()
	for retries, want := range map[string]int32{"1": 1, "2": 2, "3": 3, "10": 3, "50": 3} {
		t.Run(retries, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			host := listen(t, func(c net.Conn) {
				first := make([]byte, 1) // not a handshake, with which the program tries whether TLS is spoken there
				if n, _ := c.Read(first); n == 1 && first[0] == 'G' {
					asked.Add(1)
				}
			})
			got := atEndpoint(t, "http://"+host, "COFFER_TIMEOUT=", "COFFER_RETRIES="+retries).run("services", "")
			if n := asked.Load(); n != want || got.exit != 6 {
				t.Errorf("%d attempts, want %d: %+v", n, want, got)
			}
		})
	}
}

// A server may go while a command runs.
func TestPermanentFaultsEndAtOnceInTheMiddle(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	target, err := url.Parse(b.URL)
	if err != nil {
		t.Fatal(err)
	}
	next, asked := httputil.NewSingleHostReverseProxy(target), atomic.Int32{}
	front := httptest.NewUnstartedServer(nil)
	front.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 { // the first request is answered, and then nobody listens
			_ = front.Listener.Close()
			next.ServeHTTP(w, r)
			return
		}
		panic(http.ErrAbortHandler)
	})
	front.Start()
	t.Cleanup(front.Close)
	b.env = append(b.env, "COFFER_ENDPOINT_URL="+front.URL, "COFFER_RETRIES=50")
	b.wantsEnd("write api key -", fault{exit: 6, says: "(connection refused); nothing was changed"})
}

func TestPermanentFaultsEndAtOnceOnADisk(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	file, locked := filepath.Join(home, "file"), filepath.Join(home, "locked")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(locked, 0o500); err != nil {
		t.Fatal(err)
	}
	below := filepath.Join(file, "dir")
	for name, test := range map[string]struct {
		line, setting, dir, why string
		exit                    int
	}{
		"secrets below a file":         {"write api key -", "COFFER_DIR", below, "not a directory; nothing was written", 1},
		"secrets in a file":            {"write api key -", "COFFER_DIR", file, "not a directory; nothing was written", 1},
		"secrets where nothing can be": {"write api key -", "COFFER_DIR", "/proc/coffer/dir", "no such file or directory; nothing was written", 1},
		"secrets that may not be":      {"write api key -", "COFFER_DIR", filepath.Join(locked, "dir"), "permission denied; nothing was written", 5},
		"keys below a file":            {"write api key -", "COFFER_KEY_DIR", below, "not a directory; nothing was written", 1},
		"keys where nothing can be":    {"write api key -", "COFFER_KEY_DIR", "/proc/coffer/dir", "no such file or directory; nothing was written", 1},
		"a list below a file":          {"list api", "COFFER_DIR", below, "not a directory", 1},
		"exec below a file":            {"exec api -- true", "COFFER_DIR", below, "not a directory", 1},
		"services below a file":        {"services", "COFFER_DIR", below, "not a directory", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.exit == 5 && os.Geteuid() == 0 {
				t.Skip("root may write everywhere")
			}
			b := onDisk(t, test.setting+"="+test.dir)
			b.wantsEnd(test.line, fault{exit: test.exit, says: "can't use the directory " + test.dir + ": " + test.why})
		})
	}
	t.Run("an output file", func(t *testing.T) {
		t.Parallel()
		b := onDisk(t)
		b.do("write api key -", canary)
		b.wantsEnd("export api --out "+filepath.Join(below, "x"), fault{exit: 1, says: "write " + filepath.Join(below, "x") + ": not a directory; nothing was written"})
		b.wantsEnd("export api --out /proc/coffer/x", fault{exit: 1, says: "write /proc/coffer/x: no such file or directory; nothing was written"})
	})
	t.Run("a disk that is full", func(t *testing.T) { // no file may grow: what the system says there is the same
		t.Parallel()
		b := onDisk(t)
		b.do("write api key -", canary)
		program, err := exec.LookPath("coffer")
		if err != nil {
			t.Fatal(err)
		}
		c := exec.CommandContext(t.Context(), "sh", "-c", `trap "" XFSZ; ulimit -f 1; exec "$0" write api other -`, program)
		var stderr strings.Builder
		c.Env, c.Stdin, c.Stderr = b.env, strings.NewReader(strings.Repeat(canary, 1000)), &stderr
		_ = c.Run()
		if code := c.ProcessState.ExitCode(); code != 1 || !strings.Contains(stderr.String(), "data/coffer/api/") || !strings.HasSuffix(stderr.String(), "file too large; nothing was written\n") {
			t.Errorf("exit code %d\n%s", code, stderr.String())
		}
	})
}

func onDisk(t *testing.T, more ...string) *bench {
	t.Helper()
	return &bench{T: t, env: append(append(ownEnvironment(t.TempDir()), "PATH="+os.Getenv("PATH"), "COFFER_BACKEND=local"), more...)}
}

// Whatever a command waits for, it says so after two seconds: what, which attempt, and how to
// stop; and it ends by the timeout.
func TestWaitingIsNeverSilent(t *testing.T) {
	t.Parallel()
	nobody, host := closed(t), listen(t, silent)
	token := filepath.Join(t.TempDir(), "token")
	profiles := filepath.Join(t.TempDir(), "config")
	for path, text := range map[string]string{token: "x.y.z", profiles: "[profile slow]\nregion = us-east-1\ncredential_process = exec sleep 5 2>/dev/null\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	without := []string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY="}
	const stop = "(Ctrl-C to stop, --timeout 10s to wait less)\n"
	for name, test := range map[string]struct {
		line, told string
		env        []string
	}{
		"a refused port": {"exec api -- true", "coffer: waiting for " + nobody + " (ListObjectsV2 api/), attempt 2 of 3, last try: connection refused, and 1 more request (Ctrl-C to stop)\n", []string{"COFFER_ENDPOINT_URL=http://" + nobody}},
		"S3":             {"exec api -- true", "coffer: waiting for " + host + " (ListObjectsV2 api/), attempt 1 of 10, and 1 more request " + stop, nil},
		"STS": {
			"list api", "coffer: waiting for " + host + " (AssumeRoleWithWebIdentity), attempt 1 of 10", append(without,
				"AWS_ROLE_ARN=arn:aws:iam::123456789012:role/r", "AWS_WEB_IDENTITY_TOKEN_FILE="+token, "AWS_ENDPOINT_URL_STS=http://"+host),
		},
		"the credentials of a container":  {"list api", "coffer: waiting for " + host + " (credentials of the container)", append(without, "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://"+host+"/c")},
		"an instance's metadata":          {"list api", "coffer: waiting for " + host + " (instance metadata)", append(without, "AWS_EC2_METADATA_DISABLED=false", "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://"+host)},
		"a credential process":            {"list api", "coffer: waiting for credential_process (credentials)", append(without, "AWS_PROFILE=slow", "AWS_CONFIG_FILE="+profiles)},
		"the identity, for three seconds": {"whoami --region us-east-1", "coffer: waiting for " + host + " (GetCallerIdentity), attempt 1 of 10, and 1 more request (Ctrl-C to stop)\n", nil},
		"CloudTrail":                      {"audit api --cloudtrail", "coffer: waiting for " + host + " (LookupEvents), attempt 1 of 10 " + stop, []string{"AWS_ENDPOINT_URL_CLOUDTRAIL=http://" + host}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := atEndpoint(t, "http://"+host, append(test.env, "COFFER_TIMEOUT=")...)
			told, after := b.firstLine(test.line)
			// The two requests of exec and of whoami go out together: either may be the first.
			told = strings.NewReplacer("(GetObject api/__kms_alias_app__latest.json)", "(ListObjectsV2 api/)", "(DescribeKey alias/app)", "(GetCallerIdentity)").Replace(told)
			if !strings.HasPrefix(told, test.told) || after > aWord && after > b.onThisMachine(aWord) {
				t.Errorf("told %q after %v, want %q", told, after, test.told)
			}
			if told, _ := b.firstLine(strings.Replace(test.line, " ", " -q --timeout 2500ms ", 1)); strings.Contains(told, "coffer: waiting") {
				t.Errorf("with -q: %q", told)
			}
		})
	}
}

// firstLine returns the first line that a command writes to standard error, and when. Then it stops
// the command.
func (b *bench) firstLine(line string) (told string, after time.Duration) {
	b.Helper()
	c := b.command(line)
	stderr, err := c.StderrPipe()
	if err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = c.Wait() }()
	lines := bufio.NewReader(stderr)
	if told, err = lines.ReadString('\n'); err != nil {
		b.Errorf("coffer %s told nothing: %v", line, err)
	}
	after = time.Since(start)
	_ = c.Process.Signal(syscall.SIGKILL)
	_, _ = io.Copy(io.Discard, lines)
	return told, after
}

// A server that answers after it refused gets all its attempts again, and the line says so.
func TestWaitingIsNeverSilentAboutTheRightNumber(t *testing.T) {
	t.Parallel()
	front := httptest.NewUnstartedServer(nil)
	asked := atomic.Int32{}
	front.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 1 { // hangs up
			c, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_ = c.Close()
			}
			return
		}
		w.WriteHeader(http.StatusInternalServerError)
	})
	front.Start()
	t.Cleanup(front.Close)
	got := atEndpoint(t, front.URL, "COFFER_TIMEOUT=4s", "COFFER_RETRIES=50").run("services", "")
	if strings.Contains(got.stderr, " of 3, last try: 500") || !strings.Contains(got.stderr, " of 50, last try: 500 Internal Server Error") {
		t.Errorf("%+v", got)
	}
}

// A wrong setting is a matter of configuration, and named.
func TestWrongSettingsExitWithSeven(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	for name, f := range map[string]fault{
		"another region":      {[]string{"AWS_REGION=eu-west-1"}, 7, "\n  the bucket is in another region: set --region or COFFER_AWS_REGION"},
		"no region":           {[]string{"AWS_REGION=eu west"}, 7, "AWS_REGION"},
		"FIPS":                {[]string{"AWS_USE_FIPS_ENDPOINT=true"}, 7, "AWS_USE_FIPS_ENDPOINT"},
		"dual-stack":          {[]string{"AWS_USE_DUALSTACK_ENDPOINT=true"}, 7, "AWS_USE_DUALSTACK_ENDPOINT"},
		"a missing CA bundle": {[]string{"AWS_CA_BUNDLE=/nonexistent.pem"}, 7, "nonexistent.pem"},
	} {
		for _, line := range []string{"list api", "exec api -- true", "write api key -"} {
			other := &bench{T: t, Server: b.Server, env: slices.Concat(b.env, f.env)}
			other.Run(name+": "+line, func(t *testing.T) {
				other.T = t
				other.wantsEnd(line, f)
			})
		}
	}
}
