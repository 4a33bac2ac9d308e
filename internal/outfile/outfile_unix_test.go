//go:build unix

package outfile

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// childPath tells the test's own program, started once more, to write a file too large.
const childPath = "OUTFILE_TEST_PATH"

func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		os.Exit(writeWithLimit(path))
	}
	os.Exit(m.Run())
}

// writeWithLimit writes 64 KiB where a file may have 4 KiB, as on a disk that is full then.
func writeWithLimit(path string) int {
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 4096, Max: 4096}); err != nil {
		fmt.Println("limit:", err)
		return 1
	}
	err := Write(path, []byte(strings.Repeat(canary, 64<<10/len(canary))))
	fmt.Println(err)
	if err == nil {
		return 1
	}
	return 0
}

func TestAFullDiskLeavesTheOldFile(t *testing.T) {
	for _, old := range []string{"", "old contents"} {
		dir := t.TempDir()
		path := filepath.Join(dir, "f")
		var want []string
		if old != "" {
			put(t, path, old)
			want = []string{"f"}
		}
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childPath+"="+path)
		out, err := child.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if text := string(out); !strings.Contains(text, path) || !strings.Contains(text, syscall.EFBIG.Error()) || strings.Contains(text, canary) {
			t.Errorf("the error is %q", text)
		}
		onlyHolds(t, dir, want...)
		if old != "" && contents(t, path) != old {
			t.Errorf("the file holds %q", contents(t, path))
		}
	}
}

func TestWriteRefusesPipesAndDevices(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "stdout") // as /dev/stdout
	if err := os.Symlink("/dev/null", link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, link, "/dev/null"} {
		refused(t, Write(path, []byte(canary)), ErrSpecial, path)
	}
	onlyHolds(t, dir, "fifo", "stdout")
}

func TestWriteRefusesAnotherUsersFile(t *testing.T) {
	path := "/etc/passwd" // whoever runs this, unless root
	if os.Geteuid() == 0 {
		path = filepath.Join(t.TempDir(), "theirs")
		put(t, path, "old")
		if err := os.Chown(path, 54321, -1); err != nil {
			t.Skip("root that may not give a file away:", err)
		}
	}
	before := contents(t, path)
	refused(t, Write(path, []byte(canary)), ErrOwner, path)
	if contents(t, path) != before {
		t.Error("the file changed")
	}
}

func TestWriteRefusesADirectoryWhereEverybodyMayReplaceFiles(t *testing.T) {
	open := filepath.Join(t.TempDir(), "open")
	below := filepath.Join(open, "below")
	if err := os.MkdirAll(below, 0o700); err != nil {
		t.Fatal(err)
	}
	chmod := func(mode fs.FileMode) {
		t.Helper()
		if err := os.Chmod(open, mode); err != nil {
			t.Fatal(err)
		}
	}
	chmod(0o777)
	refused(t, Write(filepath.Join(open, "f"), []byte(canary)), ErrDirectory, open)
	refused(t, Write(filepath.Join(below, "f"), []byte(canary)), ErrDirectory, open)
	onlyHolds(t, open, "below")
	onlyHolds(t, below)

	chmod(0o777 | fs.ModeSticky)
	for _, dir := range []string{open, below} {
		if err := Write(filepath.Join(dir, "f"), []byte(canary)); err != nil {
			t.Errorf("sticky: %v", err)
		}
	}
}

func TestADirectoryMayBeReachedThroughALink(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	if err := os.Mkdir(target, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("target", link); err != nil {
		t.Fatal(err)
	}
	if err := Write(filepath.Join(link, "f"), []byte("x")); err != nil {
		t.Fatal(err)
	}
	onlyHolds(t, target, "f")
}

func TestTheModeDoesNotDependOnTheUmask(t *testing.T) {
	old := syscall.Umask(0o777)
	defer syscall.Umask(old)
	path := filepath.Join(t.TempDir(), "f")
	if err := os.Chmod(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
