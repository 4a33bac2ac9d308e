//go:build unix

package cmd_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/coffer-secrets/coffer/cmd"
	"github.com/coffer-secrets/coffer/internal/app"
)

// canary stands in every value, and nowhere else: standard error must never have it.
const canary = "canary-7f3a"

// fixedNow is a variable of these tests: the time that the program takes for now.
const fixedNow = "TEST_COFFER_NOW"

// TestMain makes the test binary the program too: under the name coffer, in the PATH. There it
// is aws as well, as far as the guides need that, and age's plugin.
func TestMain(m *testing.M) {
	coffer := func() {
		a := app.Process(app.Build{Version: "1.2.3", Commit: "abc1234", Date: "2026-11-28T12:00:00Z"})
		if now, err := time.Parse(time.RFC3339, os.Getenv(fixedNow)); err == nil {
			a.Now = func() time.Time { return now }
		}
		os.Exit(cmd.Main(os.Args[1:], a))
	}
	commands := map[string]func(){
		"coffer":            coffer,
		"age-plugin-coffer": coffer, // a link of this name
		"aws":               func() { os.Exit(awsCLI(os.Args[1:], os.Stdout, os.Stderr)) },
	}
	if blocking != nil {
		commands["blocking"] = blocking
	}
	testscript.Main(m, commands)
}

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true, // so that each command tells its exit code, with status
		RequireUniqueNames:  true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"status": status},
		Setup: func(e *testscript.Env) error {
			for _, v := range ownEnvironment(e.WorkDir) {
				name, value, _ := strings.Cut(v, "=")
				e.Setenv(name, value)
			}
			e.Setenv("V", canary)
			e.Setenv("RUNTIME", ownRuntime(e))
			return nil
		},
	})
}

// ownEnvironment keeps a run of the program away from the person who tests it.
func ownEnvironment(home string) []string {
	return []string{
		"HOME=" + home,
		"XDG_DATA_HOME=" + filepath.Join(home, "data"),
		"XDG_CONFIG_HOME=" + filepath.Join(home, "config"),
		"XDG_CACHE_HOME=" + filepath.Join(home, "cache"),
		"XDG_STATE_HOME=" + filepath.Join(home, "state"),
		"USER=ann",
		"AWS_EC2_METADATA_DISABLED=true",
		"GORACE=atexit_sleep_ms=0", // or each process of a -race run ends a second late
	}
}

// ownRuntime returns a runtime directory for one script: in memory or, if there is none, on the disk. The one
// that coffer takes by itself belongs to all processes of the user, and each of them tidies it.
func ownRuntime(e *testscript.Env) string {
	dir, err := os.MkdirTemp("/dev/shm", "coffer-test-")
	if err != nil {
		return e.WorkDir
	}
	e.Defer(func() { _ = os.RemoveAll(dir) })
	return dir
}

// status runs a command whose exit code must be the one given. A command that a signal ended
// has 128 plus the signal's number, as in a shell.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status CODE COMMAND [ARGUMENT...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		ts.Fatalf("%v", err)
	}
	if got := exitCode(exit); got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
	if strings.Contains(ts.ReadFile("stderr"), canary) {
		ts.Fatalf("standard error tells a value")
	}
}

func exitCode(exit *exec.ExitError) int {
	if exit == nil {
		return 0
	}
	if s, ok := exit.Sys().(syscall.WaitStatus); ok && s.Signaled() {
		return 128 + int(s.Signal())
	}
	return exit.ExitCode()
}
