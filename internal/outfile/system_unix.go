//go:build unix

package outfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// own reports whether a file belongs to the user who runs this.
func own(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}

// checkDirectory refuses a directory in which everybody may replace files, and one below
// such a directory: there everybody may replace the directory.
func checkDirectory(dir *os.Root, path string) error {
	info, err := dir.Stat(".")
	if err != nil {
		return refuse(path, err)
	}
	if replaceable(info) {
		return refuse(path, ErrDirectory)
	}
	above, err := filepath.Abs(path)
	if err != nil {
		return refuse(path, err)
	}
	if above, err = filepath.EvalSymlinks(above); err != nil {
		return refuse(path, err)
	}
	for above != filepath.Dir(above) {
		above = filepath.Dir(above)
		// A directory that may not be read cannot be checked, which is no reason to fail.
		if info, err := os.Stat(above); err == nil && replaceable(info) {
			return refuse(above, ErrDirectory)
		}
	}
	return nil
}

func replaceable(dir fs.FileInfo) bool {
	return dir.Mode().Perm()&0o002 != 0 && dir.Mode()&fs.ModeSticky == 0
}

// syncDirectory makes the rename last. A file system that cannot sync a directory has
// nothing to promise.
func syncDirectory(dir *os.Root) error {
	f, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}
