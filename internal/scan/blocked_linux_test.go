package scan

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestAnInterruptEndsAScanOfAFileThatBlocks. A lease has the kernel hold back whoever opens the file, for 45 seconds.
func TestAnInterruptEndsAScanOfAFileThatBlocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leased")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		t.Skip("this file system has no leases: ", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begin := time.Now()
	got := newScanner(t, nil, secretsNumbered(1)...)
	if err := got.Path(ctx, path, false); !errors.Is(err, context.DeadlineExceeded) || len(got.failed) > 0 {
		t.Error(err, got.failed)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}
