package outfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

const canary = "canary-7f3a"

// contents returns what is in a file.
func contents(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// put makes a file without the package's help.
func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// names returns what is in a directory.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	list := make([]string, len(entries))
	for i, e := range entries {
		list[i] = e.Name()
	}
	return list
}

// onlyHolds fails when a temporary file was left behind.
func onlyHolds(t *testing.T, dir string, want ...string) {
	t.Helper()
	if got := names(t, dir); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("the directory holds %q, want %q", got, want)
	}
}

// refused fails unless the error is want, names path and shows no data.
func refused(t *testing.T, err, want error, path string) {
	t.Helper()
	var pathErr *fs.PathError
	if !errors.Is(err, want) || !errors.As(err, &pathErr) || pathErr.Path != path {
		t.Errorf("error is %v; want one of %q that says: %v", err, path, want)
		return
	}
	if strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), ".tmp") {
		t.Errorf("the text is %q", err)
	}
}

// TestWhatAKilledProcessLeftIsRemovedByTheNext: a process that is killed between its write and its rename leaves a
// file with secrets. That of a running one is younger.
func TestWhatAKilledProcessLeftIsRemovedByTheNext(t *testing.T) {
	dir := t.TempDir()
	old := time.Now().Add(-2 * time.Hour)
	for _, name := range []string{".coffer-OLD.tmp", ".coffer-old", "old.tmp", ".coffer-NEW.tmp"} {
		put(t, filepath.Join(dir, name), canary)
		if name == ".coffer-NEW.tmp" {
			continue
		}
		if err := os.Chtimes(filepath.Join(dir, name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, ".coffer-DIR.tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(dir, ".coffer-DIR.tmp"), old, old); err != nil {
		t.Fatal(err)
	}
	if err := Write(filepath.Join(dir, "out"), []byte("text")); err != nil {
		t.Fatal(err)
	}
	onlyHolds(t, dir, ".coffer-DIR.tmp", ".coffer-NEW.tmp", ".coffer-old", "old.tmp", "out")
}

func TestWriteMakesAFileForItsOwnerAlone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "secrets.env")
	for _, text := range []string{canary, "", strings.Repeat("x", 3<<20)} {
		if err := Write(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got := contents(t, path); got != text {
			t.Errorf("%d bytes, want %d", len(got), len(text))
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if runtime.GOOS != "windows" && info.Mode() != 0o600 {
			t.Errorf("mode is %v", info.Mode())
		}
	}
	onlyHolds(t, dir, "secrets.env")
}

func TestWriteTightensTheModeOfWhatItReplaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	put(t, path, "old")
	before, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	if err := Write(path, []byte(canary)); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	// Whoever had the old file open does not see the new one.
	data := make([]byte, 16)
	if n, _ := before.Read(data); string(data[:n]) != "old" {
		t.Errorf("the old file holds %q", data[:n])
	}
}

func TestWriteTakesAPathWithoutADirectory(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := Write("plain", []byte("x")); err != nil {
		t.Fatal(err)
	}
	onlyHolds(t, dir, "plain")
}

func TestWriteTakesTheLongestName(t *testing.T) {
	dir := t.TempDir()
	name := strings.Repeat("n", 255)
	if runtime.GOOS == "windows" {
		name = name[:100] // a path has 260 characters there
	}
	if err := Write(filepath.Join(dir, name), []byte("x")); err != nil {
		t.Fatal(err)
	}
	onlyHolds(t, dir, name)
}

func TestWriteRefusesWhatNamesNoFile(t *testing.T) {
	dir := t.TempDir()
	sub := filepath.Join(dir, "sub")
	if err := os.Mkdir(sub, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir + "/", sub, sub + "/..", sub + "/."} {
		refused(t, Write(path, []byte(canary)), errIsDirectory, path)
	}
	refused(t, Write("", []byte(canary)), fs.ErrNotExist, "")
	if err := Write(filepath.Join(dir, "none", "f"), []byte(canary)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error is %v", err)
	}
	onlyHolds(t, dir, "sub")
}

func TestWriteNeverFollowsALink(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(t.TempDir(), "victim")
	put(t, victim, "old")
	for name, target := range map[string]string{"to-file": victim, "dangling": filepath.Join(dir, "none"), "to-directory": filepath.Dir(victim)} {
		link := filepath.Join(dir, name)
		if err := os.Symlink(target, link); err != nil {
			t.Skip("this system makes no links:", err)
		}
		refused(t, Write(link, []byte(canary)), ErrSymlink, link)
	}
	if got := contents(t, victim); got != "old" {
		t.Errorf("the link's target holds %q", got)
	}
	onlyHolds(t, dir, "dangling", "to-directory", "to-file")
}

func TestWriteLeavesTheOtherNamesOfAFileAlone(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "f"), filepath.Join(dir, "other")
	put(t, path, "old")
	if err := os.Link(path, other); err != nil {
		t.Skip("this file system makes no links:", err)
	}
	if err := Write(path, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, other); got != "old" {
		t.Errorf("the other name holds %q", got)
	}
}

func TestReadersSeeOneWholeFileOrTheOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	versions := []string{strings.Repeat("a", 1<<16), strings.Repeat("b", 1<<17)}
	if err := Write(path, []byte(versions[0])); err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	for _, text := range versions {
		writers.Go(func() {
			for range 20 {
				if err := Write(path, []byte(text)); err != nil && runtime.GOOS != "windows" {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	for reading := true; reading; {
		select {
		case <-done:
			reading = false
		default:
			if got := contents(t, path); got != versions[0] && got != versions[1] {
				t.Fatalf("a reader saw %d bytes", len(got))
			}
		}
	}
	onlyHolds(t, filepath.Dir(path), "f")
}

func TestUpdateTouchesOnlyWhatChanges(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	update := func(text string, want bool) {
		t.Helper()
		if changed, err := Update(path, []byte(text)); changed != want || err != nil || contents(t, path) != text {
			t.Errorf("changed is %v, %v; want %v", changed, err, want)
		}
	}
	update(canary, true)
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	update(canary, false)
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("an unchanged file was replaced: %v", err)
	}
	update(canary+"2", true)
	update(canary+"3", true)
	update("", true)
	if runtime.GOOS != "windows" {
		if err := os.Chmod(path, 0o640); err != nil {
			t.Fatal(err)
		}
		update("", true)
		link := filepath.Join(dir, "link")
		if err := os.Symlink(path, link); err != nil {
			t.Fatal(err)
		}
		_, err := Update(link, nil)
		refused(t, err, ErrSymlink, link)
	}
	if changed, err := Update(filepath.Join(dir, "no", "f"), nil); err == nil || changed {
		t.Errorf("without a directory: %v, %v", changed, err)
	}
}
