//go:build unix

package runfiles

import (
	"bufio"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const canary = "canary-7f3a"

// home returns a getenv with a runtime directory of the test's own, and its place.
func home(t *testing.T) (getenv func(string) string, place string) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	dir, err := os.MkdirTemp("/dev/shm", "coffer-test-") //nolint:usetesting // in memory
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return func(name string) string { return map[string]string{"XDG_RUNTIME_DIR": dir}[name] }, filepath.Join(dir, "coffer")
}

func create(t *testing.T, getenv func(string) string) *Dir {
	t.Helper()
	d, err := Create(getenv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Remove() })
	return d
}

// names returns what is in a directory.
func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func wantMode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	if info, err := os.Lstat(path); err != nil || info.Mode() != want {
		t.Errorf("%s: %v, %v; want %v", path, info.Mode(), err, want)
	}
}

func TestTheFilesOfARunAreForItsOwnerAloneAndGoneAfterIt(t *testing.T) {
	getenv, place := home(t)
	d, other := create(t, getenv), create(t, getenv)
	for _, text := range []string{canary, "", strings.Repeat("x", 1<<20)} {
		if err := d.Write("tls_key", []byte(text)); err != nil {
			t.Fatal(err)
		}
		if data, err := os.ReadFile(d.Path("tls_key")); string(data) != text || err != nil {
			t.Errorf("%d bytes, %v; want %d", len(data), err, len(text))
		}
	}
	wantMode(t, d.Path("tls_key"), 0o600)
	wantMode(t, filepath.Dir(d.Path("tls_key")), fs.ModeDir|0o700)
	wantMode(t, place, fs.ModeDir|0o700)
	if err := os.Mkdir(d.Path("left"), 0o500); err != nil { // by the program
		t.Fatal(err)
	}
	if err := d.Remove(); err != nil {
		t.Fatal(err)
	}
	if left := names(t, place); len(left) != 1 || filepath.Join(place, left[0]) != filepath.Dir(other.Path("x")) {
		t.Errorf("there is %q", left)
	}
}

func TestSweepRemovesWhatAKilledProcessLeftAndNothingElse(t *testing.T) {
	getenv, place := home(t)
	killed, living := create(t, getenv), create(t, getenv)
	for _, d := range []*Dir{killed, living} {
		if err := d.Write("key", []byte(canary)); err != nil {
			t.Fatal(err)
		}
	}
	_ = killed.lock.Close() // as the system does
	young, old := filepath.Join(place, newPrefix+"young"), filepath.Join(place, newPrefix+"old")
	for _, dir := range []string{young, old, filepath.Join(place, "mine")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	if err := os.Chtimes(old, now, now.Add(-2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	Sweep(getenv, now)
	if got := names(t, place); len(got) != 3 || got[0] != "mine" || filepath.Join(place, got[1]) != young {
		t.Errorf("there is %q", got)
	}
	if data, err := os.ReadFile(living.Path("key")); string(data) != canary {
		t.Errorf("the living run's file: %q, %v", data, err)
	}
}

// TestTheFilesStayWhileTheProgramLives: the process that made them was killed, the program that it has started
// wasn't.
func TestTheFilesStayWhileTheProgramLives(t *testing.T) {
	getenv, place := home(t)
	d := create(t, getenv)
	program := exec.CommandContext(t.Context(), "sh", "-c", "echo started; read end")
	in, err := program.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	_ = d.lock.Close()
	Sweep(getenv, time.Now())
	if got := names(t, place); len(got) != 1 {
		t.Errorf("while the program lives there is %q", got)
	}
	_ = in.Close()
	_ = program.Wait()
	Sweep(getenv, time.Now())
	if got := names(t, place); len(got) != 0 {
		t.Errorf("after the program's end there is %q", got)
	}
}

func TestAPlaceThatOthersCanUseIsNotUsed(t *testing.T) {
	for name, plant := range map[string]func(place string) error{
		"readable by others": func(place string) error { return os.Mkdir(place, 0o755) },
		"a link":             func(place string) error { return os.Symlink(os.TempDir(), place) },
		"a file":             func(place string) error { return os.WriteFile(place, nil, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			getenv, place := home(t)
			if err := plant(place); err != nil {
				t.Fatal(err)
			}
			d := create(t, getenv)
			if strings.HasPrefix(d.Path("x"), place) {
				t.Errorf("the files are in %s", d.Path("x"))
			}
			Sweep(getenv, time.Now())
		})
	}
}

func TestWithoutMemoryTheFilesAreOnTheDiskAndItSaysSo(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	p := place{filepath.Join(t.TempDir(), "coffer"), false}
	d, err := createIn(p)
	if err != nil {
		t.Fatal(err)
	}
	if d.InMemory() {
		t.Error("a directory on the disk is said to be in memory")
	}
	if err := d.Remove(); err != nil {
		t.Error(err)
	}
	if dir, memory := TempDir(func(string) string { return "relative" }); !filepath.IsAbs(dir) || memory != InMemory(dir) {
		t.Errorf("%s, %v", dir, memory)
	}
}
