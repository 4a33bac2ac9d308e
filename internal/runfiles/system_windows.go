package runfiles

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/windows"
)

// private is always true: the directory for temporary files is in the user's profile, whose access control
// list the new directory inherits.
func private(fs.FileInfo) bool { return true }

// lock locks a directory until the file is closed. Directories can't be locked here: it is a file beside it
// that is, of the same name but for its beginning, which changes.
func lock(dir string) (*os.File, error) {
	_, id, _ := strings.Cut(filepath.Base(dir), "-")
	f, err := os.OpenFile(filepath.Join(filepath.Dir(dir), "lock-"+id), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	if err := windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, new(windows.Overlapped)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// share does nothing: a program inherits no handles here, and the lock is this process's.
func share(f *os.File) (*os.File, error) { return f, nil }

// unlock ends the lock of a directory that was removed.
func unlock(f *os.File) error { return errors.Join(f.Close(), os.Remove(f.Name())) }
