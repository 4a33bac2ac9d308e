//go:build unix

package offline

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// childDir tells the test's own program, started once more, to put a copy where a file may have 4 KiB.
const childDir = "OFFLINE_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(putWithLimit(dir))
	}
	os.Exit(m.Run())
}

func putWithLimit(dir string) int {
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 200, Max: 200}); err != nil {
		return 3
	}
	err := New(Options{Dir: filepath.Join(dir, "cache", "secrets"), KeyFile: filepath.Join(dir, "state", "cache.key")}).Put(copyOf("service-a"))
	switch {
	case err == nil:
		return 2
	case errors.Is(err, syscall.EFBIG) && !strings.Contains(err.Error(), canary):
		return 1
	}
	return 4
}

func TestAFullDiskLeavesTheOldCopy(t *testing.T) {
	o := options(t)
	c := New(o)
	put(t, c, copyOf("service-a"))
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childDir+"="+filepath.Dir(filepath.Dir(o.Dir)))
	var exit *exec.ExitError
	if err := child.Run(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("the child: %v; want exit code 1", err)
	}
	if _, err := c.Get(subject("service-a")); err != nil {
		t.Error(err)
	}
	if files, err := filepath.Glob(filepath.Join(o.Dir, ".coffer-*")); len(files) > 0 || err != nil {
		t.Errorf("left: %v, %v", files, err)
	}
}

func TestAPipeIsNotWaitedFor(t *testing.T) {
	o := options(t)
	c := New(o)
	path := put(t, c, copyOf("service-a"))
	for _, file := range []string{path, o.KeyFile} {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(file, 0o600); err != nil {
			t.Fatal(err)
		}
		wantNone(t, New(o), subject("service-a"), ErrDamaged)
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		put(t, New(o), copyOf("service-a"))
	}
}

func TestTheDirectoryIsClosedToOthers(t *testing.T) {
	o := options(t)
	if err := os.MkdirAll(o.Dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(o.Dir, 0o777); err != nil {
		t.Fatal(err)
	}
	put(t, New(o), copyOf("service-a"))
	if info, err := os.Stat(o.Dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// TestNothingOfAnotherUserIsUsed: as with sudo that keeps HOME.
func TestNothingOfAnotherUserIsUsed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file to another user")
	}
	o := options(t)
	c := New(o)
	path := put(t, c, copyOf("service-a"))
	chown := func(path string, uid int) {
		t.Helper()
		if err := os.Chown(path, uid, -1); err != nil {
			t.Fatal(err)
		}
	}
	chown(path, 54321)
	wantNone(t, New(o), subject("service-a"), ErrOwner)
	chown(path, 0)
	chown(o.KeyFile, 54321)
	wantNone(t, New(o), subject("service-a"), ErrOwner)
	chown(o.KeyFile, 0)
	for _, dir := range []string{o.Dir, filepath.Dir(o.Dir)} {
		chown(dir, 54321)
		if err := New(o).Put(copyOf("service-b")); !errors.Is(err, ErrOwner) {
			t.Errorf("%s: %v", dir, err)
		}
		chown(dir, 0)
	}
	theirs := options(t)
	chown(filepath.Dir(filepath.Dir(theirs.Dir)), 54321)
	if err := New(theirs).Put(copyOf("service-a")); !errors.Is(err, ErrOwner) {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Dir(theirs.Dir)); err == nil {
		t.Error("a directory was made in another user's home")
	}
}
