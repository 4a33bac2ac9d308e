//go:build unix

package lockfile_test

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/coffer-secrets/coffer/internal/lockfile"
	"github.com/coffer-secrets/coffer/store"
)

func TestALockFileIsAPlainFile(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, filepath.Dir(fifo), "/dev/null"} {
		if _, err := lockfile.Read(path); !errors.Is(err, store.ErrInvalid) || err.Error() != path+": it is not a plain file" {
			t.Errorf("%s: %v", path, err)
		}
	}
}
