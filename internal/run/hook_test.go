package run

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/app"
)

func TestACommandIsSplitAsAShellDoes(t *testing.T) {
	for text, want := range map[string][]string{
		"nginx -s reload":                     {"nginx", "-s", "reload"},
		"  a\t b\n":                           {"a", "b"},
		`sh -c 'kill -HUP "$(cat pid)" && x'`: {"sh", "-c", `kill -HUP "$(cat pid)" && x`},
		`a "b c" d\ e f"g"'h'`:                {"a", "b c", "d e", "fgh"},
		`a "" ''`:                             {"a", "", ""},
		`a "\"\\\n" '\n' \"`:                  {"a", `"\\n`, `\n`, `"`},
		"a=b c%d {} !x @ ^ größe":             {"a=b", "c%d", "{}", "!x", "@", "^", "größe"},
	} {
		got, err := Words(text)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
		if sh, err := exec.LookPath("sh"); err == nil {
			output, err := exec.CommandContext(t.Context(), sh, "-c", `printf '%s\0' `+text).Output()
			if shells := strings.Split(strings.TrimSuffix(string(output), "\x00"), "\x00"); err != nil || !slices.Equal(got, shells) {
				t.Errorf("%q is %q, and for a shell %q, %v", text, got, shells, err)
			}
		}
	}
}

func TestWhatNeedsAShellIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"": "empty", " \t": "empty", "a 'b": "within quotes", `a "b`: "within quotes", `a\`: "within quotes, or with a backslash",
		"a && b": "& is for a shell", "a; b": "; is for a shell", "a | b": "| is for", "a > b": "> is for", "a $X": "$ is for", `a "$X"`: "$ is for", "a `b`": "` is for",
		"a *": "* is for", "a ~": "~ is for", "a # b": "# is for", "(a)": "( is for",
	} {
		if got, err := Words(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestAHookThatFailsSaysWhich(t *testing.T) {
	a := &app.App{Stdout: os.Stdout, Stderr: os.Stderr}
	if _, err := Hook(a, []string{"no-such-program"}); err == nil {
		t.Error("a command that isn't there is accepted")
	}
	hook, err := Hook(a, []string{"false"})
	if err != nil {
		t.Fatal(err)
	}
	if err := hook(t.Context()); err == nil || err.Error() != "false failed: exit status 1" {
		t.Errorf("error is %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := hook(ctx); err == nil || err.Error() != "false wasn't run: context canceled" {
		t.Errorf("error is %v", err)
	}
}

// TestAnEndWaitsForAHook, for a while.
func TestAnEndWaitsForAHook(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no fifos and no signals")
	}
	for _, c := range []struct {
		script   string
		patience time.Duration
		want     string
	}{
		{"echo started >started; read line <end; touch done", time.Hour, ""},
		{"echo started >started; exec sleep 1000", time.Millisecond, "sh failed: signal: terminated"},
	} {
		dir := t.TempDir()
		for _, name := range []string{"started", "end"} {
			if out, err := exec.CommandContext(t.Context(), "mkfifo", filepath.Join(dir, name)).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
		path, err := FindCommand("sh")
		if err != nil {
			t.Fatal(err)
		}
		h := &hook{app: &app.App{Environ: os.Environ(), Stdout: os.Stdout, Stderr: os.Stderr}, path: path, argv: []string{"sh", "-c", "cd " + dir + "; " + c.script}, patience: c.patience}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- h.run(ctx) }()
		if _, err := os.ReadFile(filepath.Join(dir, "started")); err != nil {
			t.Fatal(err)
		}
		cancel()
		said := ""
		if c.want == "" {
			if err := os.WriteFile(filepath.Join(dir, "end"), []byte("on\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := <-ended; err != nil {
			said = err.Error()
		}
		if _, err := os.Stat(filepath.Join(dir, "done")); said != c.want || (err == nil) != (c.want == "") {
			t.Errorf("%s: %q, %v; want %q", c.script, said, err, c.want)
		}
	}
}

func TestASignalGoesOnlyWhereAProcessFileSays(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no signals")
	}
	if _, err := SignalTo("HUPP", "x"); err == nil {
		t.Error("there is a signal HUPP")
	}
	child := exec.CommandContext(t.Context(), "sleep", "1000")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "pid")
	send, err := SignalTo("sigterm", path)
	if err != nil {
		t.Fatal(err)
	}
	wraps := strconv.FormatUint(1<<32+uint64(child.Process.Pid), 10)
	for _, text := range []string{wraps, "2147483648", "", "x", "0", "1", "-1", "-" + strconv.Itoa(child.Process.Pid), "12x", strings.Repeat("9", 40)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := send(t.Context()); err == nil || !strings.HasSuffix(err.Error(), " has no process id") {
			t.Errorf("%q is taken for a process", text)
		}
	}
	if err := os.WriteFile(path, []byte(strconv.Itoa(child.Process.Pid)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := send(t.Context()); err == nil {
		t.Error("a file that everybody can write is read")
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := send(t.Context()); err != nil {
		t.Error(err)
	}
	var exit *exec.ExitError
	if err := child.Wait(); !errors.As(err, &exit) || exit.String() != "signal: terminated" {
		t.Errorf("the process ended with %v", err)
	}
	if err := send(t.Context()); err == nil {
		t.Error("a process that has ended gets a signal")
	}
}
