//go:build unix

package plainfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/coffer-secrets/coffer/internal/plainfile"
)

const limit = 10

func accept(fs.FileInfo) error { return nil }

func TestOnlyAPlainFileUpToItsLimitIsRead(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, content := range map[string]string{"empty": "", "full": strings.Repeat("x", limit), "large": strings.Repeat("x", limit+1)} {
		if err := os.WriteFile(at(name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(
		syscall.Bind(fd, &syscall.SockaddrUnix{Name: at("socket")}), syscall.Close(fd),
		syscall.Mkfifo(at("pipe"), 0o600), os.Mkdir(at("directory"), 0o700),
		os.Symlink("full", at("link")), os.Symlink("pipe", at("link to pipe")), os.Symlink("nowhere", at("dangling")), os.Symlink("loop", at("loop")),
	)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct{ followed, itself error }{
		at("empty"):        {nil, nil},
		at("full"):         {nil, nil},
		at("large"):        {plainfile.ErrTooLarge, plainfile.ErrTooLarge},
		at("missing"):      {fs.ErrNotExist, fs.ErrNotExist},
		at("socket"):       {plainfile.ErrNotPlain, plainfile.ErrNotPlain},
		at("pipe"):         {plainfile.ErrNotPlain, plainfile.ErrNotPlain},
		at("directory"):    {plainfile.ErrNotPlain, plainfile.ErrNotPlain},
		"/dev/zero":        {plainfile.ErrNotPlain, plainfile.ErrNotPlain},
		at("link"):         {nil, plainfile.ErrLink},
		at("link to pipe"): {plainfile.ErrNotPlain, plainfile.ErrLink},
		at("dangling"):     {fs.ErrNotExist, plainfile.ErrLink},
		at("loop"):         {syscall.ELOOP, plainfile.ErrLink},
	} {
		body, err := plainfile.Read(name, limit)
		if !errors.Is(err, want.followed) || err != nil && body != nil {
			t.Errorf("%s: %d bytes, %v; want %v", name, len(body), err, want.followed)
		}
		body, err = plainfile.ReadItself(name, limit, accept)
		if !errors.Is(err, want.itself) || err != nil && body != nil {
			t.Errorf("%s itself: %d bytes, %v; want %v", name, len(body), err, want.itself)
		}
	}
	if body, err := plainfile.Read(at("link"), limit); err != nil || len(body) != limit {
		t.Errorf("%q, %v", body, err)
	}
}

// A file may grow after it was opened.
func TestAFileThatGrowsIsNotReadBeyondItsLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	body, err := plainfile.ReadItself(path, limit, func(fs.FileInfo) error { return os.WriteFile(path, make([]byte, limit+1), 0o600) })
	if !errors.Is(err, plainfile.ErrTooLarge) || body != nil {
		t.Errorf("%d bytes, %v", len(body), err)
	}
}

func TestNothingIsReadThatTheCheckRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused := errors.New("refused")
	body, err := plainfile.ReadItself(path, limit, func(info fs.FileInfo) error {
		if !plainfile.OwnedByCaller(info) || info.Size() != 1 {
			t.Error("it is asked about another file")
		}
		return refused
	})
	if !errors.Is(err, refused) || body != nil {
		t.Errorf("%q, %v", body, err)
	}
}
