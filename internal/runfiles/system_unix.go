//go:build unix

package runfiles

import (
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/coffer-secrets/coffer/internal/plainfile"
)

// private reports whether a directory belongs to the effective user of this process, and nobody else can
// use it.
func private(info fs.FileInfo) bool {
	return plainfile.OwnedByCaller(info) && info.Mode().Perm()&0o077 == 0
}

// lock locks a directory until the file is closed, also by those that share it. The error is there at once
// if another process has locked it.
func lock(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	err = control(f, func(fd int) error { return syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB) })
	if err != nil {
		_ = f.Close()
		return nil, &fs.PathError{Op: "lock", Path: dir, Err: err}
	}
	return f, nil
}

// share replaces a file by one that programs which this process starts inherit, as a descriptor that a shell
// doesn't use.
func share(f *os.File) (*os.File, error) {
	var shared *os.File
	err := control(f, func(fd int) error {
		n, err := unix.FcntlInt(uintptr(fd), syscall.F_DUPFD, firstInherited)
		if err == nil {
			shared = os.NewFile(uintptr(n), f.Name())
		}
		return err
	})
	if err != nil {
		return f, err
	}
	return shared, f.Close()
}

// firstInherited is the lowest descriptor that programs inherit. The ones below are their own: shells use up
// to 9, and run's leader of a terminal up to 5.
const firstInherited = 10

// control calls f with the descriptor of a file.
func control(file *os.File, f func(fd int) error) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = f(int(fd)) }); err != nil {
		return err
	}
	return failed
}

// unlock ends the lock of a directory that was removed.
func unlock(f *os.File) error { return f.Close() }
