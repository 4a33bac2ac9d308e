//go:build unix

package dirbucket_test

import (
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

func TestFailedWriteKeepsTheOldObject(t *testing.T) {
	// The other process may write no file of more than 4 KiB: the write fails half way, as it
	// does on a full disk.
	if isProcess(t, func(h home) {
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 4096, Max: 4096}); err != nil {
			t.Fatal(err)
		}
		_, err := h.open().Put(t.Context(), "api/a.json", []byte(strings.Repeat(canary, 10_000)), bucket.PutOptions{})
		wantError(t, err, bucket.ErrRefused, "too large")
		h.wantNoTemporaries(t)
	}) {
		return
	}
	h := newHome(t)
	h.put(t, "api/a.json", "old")
	h.together(t, 1)
	h.wantBody(t, "api/a.json", "old")
	h.wantNoTemporaries(t)
}
