// Package outfile writes secrets to a file that only its owner can read, whole or not at
// all, and never through a link.
package outfile

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The refusals of [Write]; test with errors.Is.
var (
	ErrSymlink   = errors.New("is a symbolic link")
	ErrSpecial   = errors.New("is a pipe or a device, not a file; redirect standard output to it")
	ErrOwner     = errors.New("belongs to another user")
	ErrDirectory = errors.New("anyone may replace files in it: world-writable and not sticky")
)

var errIsDirectory = errors.New("is a directory")

// Write makes path a file with these contents and mode 0600, or leaves what was there as it
// was. It writes a new file beside path, syncs it, renames it over path, and syncs the
// directory; on an error the new file is removed.
//
// Errors are [*fs.PathError]. What stands at path must be nothing, or a regular file of the
// caller's own: else ErrSymlink, ErrSpecial or ErrOwner. ErrDirectory where the directory,
// or one above it, lets everybody replace what is in it. Links among the directories of
// path are followed, once.
func Write(path string, data []byte) error {
	name := filepath.Base(path)
	if path == "" {
		return refuse(path, fs.ErrNotExist)
	}
	if os.IsPathSeparator(path[len(path)-1]) || name == "." || name == ".." {
		return refuse(path, errIsDirectory)
	}
	// From here on the directory is an open handle: nobody can put another in its place.
	dir, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	if err := checkDirectory(dir, filepath.Dir(path)); err != nil {
		return err
	}
	if err := checkTarget(dir, path, name); err != nil {
		return err
	}
	return replace(dir, path, name, data)
}

// checkTarget refuses to replace anything but a regular file of the caller's own.
func checkTarget(dir *os.Root, path, name string) error {
	info, err := dir.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return refuse(path, err)
	case info.Mode()&fs.ModeSymlink != 0:
		// /dev/stdout is a link to what standard output is.
		if target, err := os.Stat(path); err == nil && !target.Mode().IsRegular() && !target.IsDir() {
			return refuse(path, ErrSpecial)
		}
		return refuse(path, ErrSymlink)
	case info.IsDir():
		return refuse(path, errIsDirectory)
	case !info.Mode().IsRegular():
		return refuse(path, ErrSpecial)
	case !own(info):
		return refuse(path, ErrOwner)
	}
	return nil
}

// replace puts a new file in the place of name.
func replace(dir *os.Root, path, name string, data []byte) (err error) {
	temp := ".coffer-" + rand.Text() + ".tmp"
	// With O_EXCL the last part of a name is never followed as a link.
	f, err := dir.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return refuse(path, err)
	}
	defer func() {
		if err != nil {
			_ = dir.Remove(temp)
		}
	}()
	if err := fill(f, data); err != nil {
		return refuse(path, err)
	}
	if err := dir.Rename(temp, name); err != nil {
		return refuse(path, err)
	}
	if err := syncDirectory(dir); err != nil {
		return refuse(path, fmt.Errorf("it is written, but may not survive a power failure: %w", err))
	}
	return nil
}

// fill writes, syncs and closes f.
func fill(f *os.File, data []byte) (err error) {
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Chmod(0o600); err != nil { // whatever the umask
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Sync()
}

// refuse names path in an error; the names of temporary files say nothing to anybody.
func refuse(path string, err error) error {
	var pathErr *fs.PathError
	var linkErr *os.LinkError
	switch {
	case errors.As(err, &pathErr):
		err = pathErr.Err
	case errors.As(err, &linkErr):
		err = linkErr.Err
	}
	return &fs.PathError{Op: "write", Path: path, Err: err}
}
