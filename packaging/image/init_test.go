package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// appVariable makes this test's program the application in the container.
const appVariable = "TEST_APPLICATION"

// application stands for a user's program: it prints what it sees, leaves an orphan behind that ends at once, and
// waits for SIGTERM.
func application() {
	if os.Getenv(appVariable) == "orphan" {
		return
	}
	if os.Getenv(appVariable) == "middle" { // its child outlives it, and becomes one of process 1
		start("orphan")
		return
	}
	terms := make(chan os.Signal, 1)
	signal.Notify(terms, syscall.SIGTERM)
	for range 3 {
		_ = start("middle").Wait()
	}
	secret := "missing"
	file, _ := os.ReadFile(os.Getenv("DB_PASSWORD_FILE")) //nolint:gosec // there is one with --file
	if os.Getenv("DB_PASSWORD") == canary || string(file) == canary {
		secret = "right"
	}
	fmt.Printf("pid %d uid %d secret %s\n", os.Getpid(), os.Getuid(), secret)
	select {
	case <-terms:
		fmt.Println("got SIGTERM")
		os.Exit(23)
	case <-time.After(time.Minute):
	}
}

func start(as string) *exec.Cmd {
	c := exec.Command("/app")
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr // without them it opens /dev/null, and the container has none
	c.Env = []string{appVariable + "=" + as}
	if err := c.Start(); err != nil {
		panic(err)
	}
	return c
}

const canary = "canary-of-the-image"

// container is an unpacked image with an application and a store, as process 1 sees it.
type container struct {
	root string
}

func unpacked(t *testing.T) container {
	t.Helper()
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("a Linux image runs on Linux alone")
	}
	if out, err := exec.CommandContext(t.Context(), "unshare", "--pid", "--fork", "--mount-proc", "true").CombinedOutput(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("no namespaces: %v %s", err, out)
		}
		t.Skipf("needs root and namespaces: %v %s", err, out)
	}
	all, _ := images(t, layoutOf(t))
	c := container{t.TempDir()}
	if err := os.Chmod(c.root, 0o755); err != nil { //nolint:gosec // of a container
		t.Fatal(err)
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	files := contents(t, all[0])
	files["app"] = self
	for path, data := range files {
		path = filepath.Join(c.root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // of a container
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o755); err != nil { //nolint:gosec // of a container
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"proc", "data", "dev"} {
		if err := os.Mkdir(filepath.Join(c.root, dir), 0o777); err != nil { //nolint:gosec // of a container
			t.Fatal(err)
		}
	}
	if err := os.Chown(filepath.Join(c.root, "data"), 65532, 65532); err != nil {
		t.Fatal(err)
	}
	write := c.command(t, "write", "-q", "api", "db_password", "-")
	write.Stdin = strings.NewReader(canary)
	if out, err := write.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	return c
}

// command runs coffer as process 1 of the container, as the image's user.
func (c container) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "unshare", append([]string{ //nolint:gosec // a test's
		"--pid", "--fork", "--kill-child", "--mount", "--mount-proc=" + filepath.Join(c.root, "proc"),
		"chroot", "--userspec=65532:65532", c.root, "/" + programPath,
	}, args...)...)
	cmd.Env = []string{
		"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME=/data", "TMPDIR=/data", "AWS_EC2_METADATA_DISABLED=true", "COFFER_BACKEND=local", appVariable + "=main",
	}
	return cmd
}

// TestProcess1OfAContainer: exec becomes the program, which is process 1, and the image's user. Where coffer stays in front of
// it, coffer passes signals on and leaves no zombies.
func TestProcess1OfAContainer(t *testing.T) {
	c := unpacked(t)
	for name, test := range map[string]struct {
		flags []string
		pid   int // of the application; 0 where coffer is in front
		says  string
	}{
		"exec":       {nil, 1, "pid 1 uid 65532 secret right"},
		"exec mask":  {[]string{"--mask"}, 0, "uid 65532 secret right"},
		"exec watch": {[]string{"--watch"}, 0, "uid 65532 secret right"},
		"exec file":  {[]string{"--file", "db_password"}, 0, "uid 65532 secret right"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append(append([]string{"exec"}, test.flags...), "api", "--", "/app")
			out, err := os.Create(filepath.Join(t.TempDir(), "out"))
			if err != nil {
				t.Fatal(err)
			}
			cmd := c.command(t, args...)
			cmd.Stdout, cmd.Stderr = out, out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			said := func() string {
				text, err := os.ReadFile(out.Name())
				if err != nil {
					t.Fatal(err)
				}
				return string(text)
			}
			eventually(t, "the application's line", said, func() bool { return strings.Contains(said(), test.says) })
			first := childOf(t, cmd.Process.Pid)
			if test.pid == 0 {
				eventually(t, "orphans gone", said, func() bool { return len(childrenOf(t, first)) == 1 })
			}
			if err := syscall.Kill(first, syscall.SIGTERM); err != nil { // docker stop does
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != 23 || !strings.Contains(said(), "got SIGTERM") {
				t.Errorf("exit code %d: %s", code, said())
			}
			if strings.Contains(said(), canary) {
				t.Error("a secret was printed")
			}
		})
	}
}

func eventually(t *testing.T, what string, said func() string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if is() {
			return
		}
	}
	t.Fatalf("not seen: %s. Output: %s", what, said())
}

// childOf returns the only child of a process: of unshare, that is process 1 of the container.
func childOf(t *testing.T, pid int) int {
	t.Helper()
	children := childrenOf(t, pid)
	if len(children) != 1 {
		t.Fatalf("children %v", children)
	}
	return children[0]
}

// childrenOf returns the children of a process, zombies too.
func childrenOf(t *testing.T, parent int) (children []int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		text, err := os.ReadFile(path) //nolint:gosec // of /proc
		if err != nil {
			continue // it has ended
		}
		_, after, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(after)
		if len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
				children = append(children, pid)
			}
		}
	}
	return children
}
