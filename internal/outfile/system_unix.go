//go:build unix

package outfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// onlyForOwner reports whether a file has the mode that Write gives it.
func onlyForOwner(info fs.FileInfo) bool { return info.Mode() == 0o600 }

// checkDirectory returns an error if everybody may replace files in a directory or in one above it,
// which would allow them to replace the directory itself.
func checkDirectory(dir *os.Root, path string) error {
	info, err := dir.Stat(".")
	if err != nil {
		return pathError(path, err)
	}
	if replaceable(info) {
		return pathError(path, ErrDirectory)
	}
	above, err := filepath.Abs(path)
	if err != nil {
		return pathError(path, err)
	}
	if above, err = filepath.EvalSymlinks(above); err != nil {
		return pathError(path, err)
	}
	for above != filepath.Dir(above) {
		above = filepath.Dir(above)
		// A directory above that can't be examined is no error.
		if info, err := os.Stat(above); err == nil && replaceable(info) {
			return pathError(above, ErrDirectory)
		}
	}
	return nil
}

// replaceable reports whether everybody may replace files in a directory.
func replaceable(dir fs.FileInfo) bool {
	return dir.Mode().Perm()&0o002 != 0 && dir.Mode()&fs.ModeSticky == 0
}

// syncDirectory syncs the rename to the disk. It ignores that a file system can't sync directories.
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
