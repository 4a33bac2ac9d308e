//go:build unix

package dirbucket

import (
	"errors"
	"os"
	"syscall"
)

// tryLockFile locks f without waiting, and reports whether it could.
func tryLockFile(f *os.File) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

// lockFile waits for the lock of f. The lock belongs to this open file, so it excludes other
// goroutines as well as other processes.
func lockFile(f *os.File) error {
	for {
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); !errors.Is(err, syscall.EINTR) {
			return os.NewSyscallError("flock", err)
		}
	}
}

// unlockFile releases the lock of f.
func unlockFile(f *os.File) { _ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }
