//go:build unix

package offline

import (
	"errors"
	"os"
	"syscall"
)

// lock waits for the lock of a file, which it creates.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); {
		case errors.Is(err, syscall.EINTR):
		case err != nil && !errors.Is(err, errors.ErrUnsupported): // a file system without locks: at worst a copy is lost
			_ = f.Close()
			return nil, os.NewSyscallError("flock", err)
		default:
			return func() { _ = f.Close() }, nil
		}
	}
}
