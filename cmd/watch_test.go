//go:build unix

package cmd_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/s3kms"
)

// server is a program that says with which value it runs, and runs until it is ended.
const server = `trap 'echo ending; exit 0' TERM
echo started with $K
while :; do sleep 0.05; done
`

// running is a run of the program that goes on while the test does something.
type running struct {
	*bench
	program *exec.Cmd
	lines   *bufio.Scanner
	said    []string
}

// start runs exec without a terminal. Its output and its messages are one stream.
func start(b *bench, flags, script string) *running {
	b.Helper()
	return startIn(b, b.TempDir(), flags, script)
}

// startIn is start in a directory.
func startIn(b *bench, dir, flags, script string) *running {
	b.Helper()
	out, in, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	r := &running{bench: b, program: b.command("exec " + flags + " -- sh " + b.file(script)), lines: bufio.NewScanner(out)}
	r.program.Dir, r.program.Stdout, r.program.Stderr, r.program.SysProcAttr = dir, in, in, &syscall.SysProcAttr{Setsid: true}
	if err := r.program.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = out.Close() })
	_ = in.Close()
	return r
}

// sees waits for a line with a text, behind those that were seen before.
func (r *running) sees(text string) string {
	r.Helper()
	for r.lines.Scan() {
		r.said = append(r.said, r.lines.Text())
		if strings.Contains(r.lines.Text(), text) {
			return r.lines.Text()
		}
	}
	r.Fatalf("no line has %q:\n%s", text, strings.Join(r.said, "\n"))
	return ""
}

func (r *running) signal(s syscall.Signal) {
	r.Helper()
	if err := r.program.Process.Signal(s); err != nil {
		r.Fatal(err)
	}
}

// ends waits for the end, and returns the exit code and everything that was said.
func (r *running) ends() (int, string) {
	r.Helper()
	for r.lines.Scan() {
		r.said = append(r.said, r.lines.Text())
	}
	err := r.program.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.Fatal(err)
	}
	return exitCode(exit), strings.Join(r.said, "\n") + "\n"
}

func (r *running) wantEnd(code int, said string) {
	r.Helper()
	if exit, all := r.ends(); exit != code || all != said {
		r.Errorf("exit code %d, want %d; said\n%swant\n%s", exit, code, all, said)
	}
}

func TestWatchRestartsOnceForAHundredWrites(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	b.do("write api k -", canary+"-0")
	b.do("write api other -", canary)
	r := start(b, "--watch --interval 1s --only k api", server)
	r.sees("started with " + canary + "-0")
	writer, err := s3kms.New(t.Context(), b.clientConfig(), s3kms.Options{Bucket: "b", KeyAlias: "alias/app"})
	if err != nil {
		t.Fatal(err)
	}
	var writing atomic.Bool
	var written atomic.Int32
	b.Fault(func(q s3test.Request) *s3test.Fault { // twenty before each of its listings, however slow the machine is
		if q.Op != "ListObjectsV2" || written.Load() == 100 || !writing.CompareAndSwap(false, true) {
			return nil
		}
		defer writing.Store(false)
		for range 20 {
			value := store.NewValue(fmt.Sprint(canary, "-", written.Add(1)))
			if _, err := writer.Write(t.Context(), store.ID{Service: "api", Key: "k"}, value, store.WriteOptions{}); err != nil {
				t.Error(err)
			}
		}
		return nil
	})
	r.sees("started with " + canary + "-100")
	b.do("write -q api k -", canary+"-100")    // a new version of the same value
	b.do("write -q api other -", canary+"new") // a secret that it wasn't given
	requests := make(chan bool, 100)
	b.Fault(func(s3test.Request) *s3test.Fault {
		requests <- true
		return nil
	})
	for range 6 { // it reads the changes, and nothing comes of that
		<-requests
	}
	r.signal(syscall.SIGTERM)
	r.wantEnd(0, "started with "+canary+"-0\ncoffer: api/k changed: restarting sh\nending\nstarted with "+canary+"-100\nending\n")
}

func TestWatchKillsWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	b.do("write api k -", "one")
	r := start(b, "--watch --interval 1s --grace 100ms api", "trap '' TERM\n[ $K = one ] || exit 7\necho $K\nwhile :; do sleep 1; done")
	r.sees("one")
	b.do("write api k -", "two")
	r.wantEnd(7, "one\ncoffer: api/k changed: restarting sh\n")
}

func TestWatchSendsASignalOrEnds(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	b.do("write api k -", "one")
	hup := start(b, "--watch --interval 1s --on-change signal:hup api", "trap 'echo hup $K; exit 4' HUP\necho on\nwhile :; do sleep 0.05; done")
	exit := start(b, "--watch --interval 1s --on-change exit api", "trap 'exit 5' TERM\necho on\nwhile :; do sleep 0.05; done")
	hup.sees("on")
	exit.sees("on")
	b.do("write api k -", "two")
	hup.wantEnd(4, "on\ncoffer: api/k changed: sending SIGHUP to sh\nhup one\n")
	exit.wantEnd(5, "on\ncoffer: api/k changed: ending sh\n")
}

// TestWatchPassesSignalsOn: those that end the command end coffer with its status.
func TestWatchPassesSignalsOn(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	b.do("write api k -", "one")
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1} {
		caught := start(b, "--watch api", fmt.Sprintf("trap 'echo caught; exit 3' %d\necho on\nwhile :; do sleep 0.05; done", s))
		caught.sees("on")
		caught.signal(s)
		caught.wantEnd(3, "on\ncaught\n")
		dead := start(b, "--watch api", "echo on; exec sleep 100")
		dead.sees("on")
		dead.signal(s)
		dead.wantEnd(128+int(s), "on\n")
	}
}

// TestASignalDuringARestartEndsIt: whoever stops coffer then doesn't want a new one.
func TestASignalDuringARestartEndsIt(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	b.do("write api k -", "one")
	r := start(b, "--watch --interval 1s api", "trap 'echo $((n=n+1)); [ $n = 1 ] || exit 6' TERM\necho on\nwhile :; do sleep 0.05; done")
	r.sees("on")
	b.do("write api k -", "two")
	r.sees("1")
	r.signal(syscall.SIGTERM)
	r.wantEnd(6, "on\ncoffer: api/k changed: restarting sh\n1\n2\n")
}

// TestAChangeWaitsForACommandThatIsEnding: a graceful end that takes a while is no time for a restart.
func TestAChangeWaitsForACommandThatIsEnding(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	b.do("write api k -", "one")
	r := start(b, "--watch --interval 1s api", "trap 'echo ending; until [ -e go ]; do sleep 0.05; done; exit 6' TERM\ncd "+t.TempDir()+"; pwd; while :; do sleep 0.05; done")
	dir := r.sees("/")
	r.signal(syscall.SIGTERM)
	r.sees("ending")
	b.do("write api k -", "two")
	r.sees("api/k changed: restarting sh")
	if err := os.WriteFile(dir+"/go", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.wantEnd(6, dir+"\nending\ncoffer: api/k changed: restarting sh\n")
}

func TestWatchOutlivesTheStorage(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	b.do("write api k -", canary+"-one")
	b.do("write api must -", canary+"one")
	fault := func(f *s3test.Fault) { b.Fault(func(s3test.Request) *s3test.Fault { return f }) }
	b.env = append(b.env, "COFFER_TIMEOUT=5s")
	r := start(b, "--verbose --watch --interval 1s --require must api", strings.ReplaceAll(server, "$K", "${K##*-}"))
	r.sees("started with one")
	for _, f := range []*s3test.Fault{
		{Kind: s3test.Hang}, {Kind: s3test.Drop}, {Kind: s3test.Garbage}, {Kind: s3test.Answer, Status: 503, Code: "SlowDown"}, {Kind: s3test.Answer, Status: 403, Code: "AccessDenied"},
	} {
		fault(f)
		r.sees("sh goes on with the secrets that it has")
		fault(nil)
		r.sees("the secrets can be read again")
	}
	b.do("delete api must --yes", "")
	r.sees(`key "must"`)
	b.do("write api k -", canary+"-two")
	b.do("write api must -", canary+"two")
	r.sees("the secrets can be read again")
	r.sees("changed: restarting sh")
	r.sees("ending")
	r.sees("started with two")
	fault(&s3test.Fault{Kind: s3test.Answer, Status: 403, Code: "AccessDenied"})
	r.sees("not allowed")
	r.signal(syscall.SIGTERM)
	exit, all := r.ends()
	if n := strings.Count(all, "goes on with"); exit != 0 || n != 7 || strings.Count(all, "started") != 2 || strings.Contains(all, canary) {
		t.Errorf("exit code %d, %d failures:\n%s", exit, n, all)
	}
}

func TestWatchOnMoto(t *testing.T) {
	t.Parallel()
	for _, backend := range []string{"ssm", "secretsmanager"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			b := onMoto(t, "ap-south-2", backend)
			service := "watched-" + backend
			b.do("write "+service+" k -", "one")
			r := start(b, "--watch --interval 1s "+service, server)
			r.sees("started with one")
			b.do("write "+service+" k -", "two")
			r.sees(service + "/k changed: restarting sh")
			r.sees("started with two")
			r.signal(syscall.SIGTERM)
			if exit, all := r.ends(); exit != 0 || strings.Count(all, "coffer:") != 1 {
				t.Errorf("exit code %d\n%s", exit, all)
			}
		})
	}
}

// TestWatchHidesOldAndNewValues: together with --mask.
func TestWatchHidesOldAndNewValues(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	b.do("write api k -", canary+"-old")
	r := start(b, "--mask --watch --interval 1s api", "echo $K is not "+canary+"-old\ntrap 'exit 0' TERM; case $K in *old) while :; do sleep 0.05; done;; esac; exit 9")
	r.sees("*** is not ***")
	b.do("write api k -", canary+"-new")
	r.wantEnd(9, "*** is not ***\ncoffer: api/k changed: restarting sh\n*** is not ***\ncoffer: 4 secrets hidden in the output: api/k (4)\n")

	file := b.file("")
	b.do("write api k -", canary+"-old")
	r = start(b, "--mask --watch --interval 1s --on-change signal:USR1 api", "trap 'cat "+file+"; exit' USR1; echo on; while :; do sleep 0.05; done")
	r.sees("on")
	if err := os.WriteFile(file, []byte(canary+"-new\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.do("write api k -", canary+"-new")
	r.wantEnd(0, "on\ncoffer: api/k changed: sending SIGUSR1 to sh\n***\ncoffer: 1 secret hidden in the output: api/k (1)\n")
}

// TestWatchKeepsFilesAndReferencesCurrent: together with --file and --resolve.
func TestWatchKeepsFilesAndReferencesCurrent(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	b.do("write api k -", canary+"-one")
	b.do("write other ref -", canary+"-one")
	b.env = append(b.env, "REF=coffer://other/ref")
	show := `echo ${REF##*-} $(sed 's/.*-//' $K_FILE) $K_FILE`
	r := start(b, "--watch --interval 1s --on-change signal:USR1 --resolve --file k api", "trap '"+show+"' USR1; "+show+"; while :; do sleep 0.05; done")
	file := strings.TrimPrefix(r.sees("one one /"), "one one ")
	b.do("write api k -", canary+"-two")
	r.sees("one two " + file)
	r.signal(syscall.SIGTERM)
	if exit, all := r.ends(); exit != 143 {
		t.Errorf("exit code %d\n%s", exit, all)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is left: %v", file, err)
	}
	r = start(b, "--watch --interval 1s --resolve --file k api", show+"; [ ${REF##*-} != three ] || exit 8; while :; do sleep 0.05; done")
	r.sees("one two /")
	b.do("write other ref -", canary+"-three")
	r.sees("coffer: other/ref changed: restarting sh")
	r.sees("three two /")
	if exit, all := r.ends(); exit != 8 || strings.Contains(all, canary) {
		t.Errorf("exit code %d\n%s", exit, all)
	}
}

// TestWatchUsesTheProjectsFile: its services, and what it requires.
func TestWatchUsesTheProjectsFile(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	b.do("write api k -", "one")
	b.do("write api url -", "https://one.example")
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/coffer.yaml", []byte("services: [api]\nkeys:\n  url: {type: url}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := startIn(b, dir, "--watch --interval 1s", server)
	r.sees("started with one")
	b.do("write api url -", "no-url")
	r.sees("url")
	b.do("write api k -", "two")
	b.do("write api url -", "https://two.example")
	r.sees("the secrets can be read again")
	r.sees("changed: restarting sh")
	r.sees("started with two")
	r.signal(syscall.SIGTERM)
	if exit, all := r.ends(); exit != 0 || strings.Count(all, "started") != 2 {
		t.Errorf("exit code %d\n%s", exit, all)
	}
}
