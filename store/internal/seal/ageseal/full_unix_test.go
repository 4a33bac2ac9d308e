//go:build unix

package ageseal_test

import (
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/seal/ageseal"
)

// TestAFullDiskLeavesNoIdentity: half of one would lock everybody out of what is sealed to the whole.
func TestAFullDiskLeavesNoIdentity(t *testing.T) {
	if dir := os.Getenv(keysVariable); dir != "" { // the other process, which may write no file of more than 1 KiB
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 1024, Max: 1024}); err != nil {
			t.Fatal(err)
		}
		sealed, _, err := ageseal.New(ageseal.Options{Dir: dir}).Seal(t.Context(), app, "api/a.json", nil)
		wantError(t, err, bucket.ErrRefused, "too large")
		if sealed != nil {
			t.Error("it sealed all the same")
		}
		return
	}
	h := newHome(t)
	racing(t, h.KeyDir, 1)
	if left, err := os.ReadDir(h.KeyDir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
