//go:build unix

package files

import (
	"errors"
	"os"
	"syscall"
)

// SyncDirectory syncs the names in a directory to the disk. Some file systems don't support that
// for directories, and return EINVAL.
func SyncDirectory(root *os.Root, dir string) error {
	f, err := root.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// Exposed reports whether users other than the owner can read or write a file of this mode.
func Exposed(mode os.FileMode) bool { return mode.Perm()&0o077 != 0 }

// WritableByOthers reports whether users other than the owner can add and replace files in a
// directory.
func WritableByOthers(mode os.FileMode) bool { return mode.Perm()&0o022 != 0 }

// Foreign reports whether a file or directory belongs to neither the caller nor root.
func Foreign(info os.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Uid != 0 && int(stat.Uid) != os.Geteuid()
}

// WithoutWaiting opens a FIFO at once, even without a writer.
const WithoutWaiting = syscall.O_NONBLOCK

// held reports whether another process holds the file, or its file server was restarted.
func held(errno syscall.Errno) bool { return errno == syscall.ESTALE || errno == syscall.ETXTBSY }
