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

// syncDirectory syncs the names in a directory to the disk. Some file systems don't support that
// for directories, and return EINVAL.
func syncDirectory(root *os.Root, dir string) error {
	f, err := root.Open(dir)
	if err != nil {
		return err
	}
	defer shut(f)
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// exposed reports whether users other than the owner can read or write a file of this mode.
func exposed(mode os.FileMode) bool { return mode.Perm()&0o077 != 0 }

// writableByOthers reports whether users other than the owner can add and replace files in a
// directory.
func writableByOthers(mode os.FileMode) bool { return mode.Perm()&0o022 != 0 }

// foreign reports whether a file or directory belongs to neither the caller nor root.
func foreign(info os.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Uid != 0 && int(stat.Uid) != os.Geteuid()
}

// withoutWaiting opens a FIFO at once, even without a writer.
const withoutWaiting = syscall.O_NONBLOCK

// held reports whether another process holds the file, or its file server was restarted.
func held(errno syscall.Errno) bool { return errno == syscall.ESTALE || errno == syscall.ETXTBSY }
