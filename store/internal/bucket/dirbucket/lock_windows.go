package dirbucket

import (
	"os"

	"golang.org/x/sys/windows"
)

// tryLockFile locks f without waiting, and reports whether it could.
func tryLockFile(f *os.File) bool {
	return lockFileEx(f, windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY) == nil
}

// lockFile waits for the lock of f. The lock belongs to this open file, so it excludes other
// goroutines as well as other processes.
func lockFile(f *os.File) error {
	return os.NewSyscallError("LockFileEx", lockFileEx(f, windows.LOCKFILE_EXCLUSIVE_LOCK))
}

func lockFileEx(f *os.File, flags uint32) error {
	return windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, new(windows.Overlapped))
}

// unlockFile releases the lock of f at once. Closing f would release it with a delay.
func unlockFile(f *os.File) {
	_ = windows.UnlockFileEx(windows.Handle(f.Fd()), 0, 1, 0, new(windows.Overlapped))
}
