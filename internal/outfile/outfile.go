// Package outfile writes secrets to a file atomically, with mode 0600 and never through a symbolic
// link; and in the same way what isn't secret.
package outfile

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/coffer-secrets/coffer/internal/plainfile"
)

// The errors of [Write]; test with errors.Is.
var (
	ErrSymlink   = errors.New("is a symbolic link")
	ErrSpecial   = errors.New("is a pipe or a device, not a file; redirect standard output to it")
	ErrOwner     = errors.New("belongs to another user")
	ErrDirectory = errors.New("anyone may replace files in it: world-writable and not sticky")
)

var errIsDirectory = errors.New("is a directory")

// Write replaces the file at path by one with the given contents and mode 0600. It writes a new file
// in the same directory, syncs it, renames it over path, and syncs the directory. On an error it
// removes the new file, and path stays as it was; the error says so. What a killed process has left in
// the directory is removed after an hour by the next.
//
// Errors are [*fs.PathError]. If path exists, it must be a regular file of the caller: otherwise the
// error is ErrSymlink, ErrSpecial or ErrOwner. It is ErrDirectory if everybody may replace files in
// the directory or in one above it. Symbolic links in the directory part of path are followed.
func Write(path string, data []byte) error { return write(path, data, private) }

// WritePublic is [Write] for contents that aren't secret: the mode of the file is that of any new file.
func WritePublic(path string, data []byte) error { return write(path, data, 0o666) }

const private = 0o600

func write(path string, data []byte, mode fs.FileMode) error {
	name := filepath.Base(path)
	if path == "" {
		return pathError(path, fs.ErrNotExist)
	}
	if os.IsPathSeparator(path[len(path)-1]) || name == "." || name == ".." {
		return pathError(path, errIsDirectory)
	}
	// The open handle stays the same directory, even if another one is moved to its path.
	dir, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return unwritten(path, err)
	}
	defer func() { _ = dir.Close() }()
	if err := checkDirectory(dir, filepath.Dir(path)); err != nil {
		return err
	}
	if err := checkTarget(dir, path, name); err != nil {
		return err
	}
	return replace(dir, path, name, data, mode)
}

// Update is [Write], unless the file has these contents and mode 0600 already: then it isn't touched, and
// changed is false.
func Update(path string, data []byte) (changed bool, err error) {
	if unchanged(path, data) {
		return false, nil
	}
	if err := Write(path, data); err != nil {
		return false, err
	}
	return true, nil
}

// unchanged reports whether a file is as Write would make it.
func unchanged(path string, data []byte) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() != int64(len(data)) || !plainfile.OwnedByCaller(info) || !onlyForOwner(info) {
		return false
	}
	old, err := os.ReadFile(path)
	return err == nil && bytes.Equal(old, data)
}

// checkTarget returns an error if path is anything but a regular file of the caller.
func checkTarget(dir *os.Root, path, name string) error {
	info, err := dir.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return pathError(path, err)
	case info.Mode()&fs.ModeSymlink != 0:
		// /dev/stdout is a link to the file of standard output.
		if target, err := os.Stat(path); err == nil && !target.Mode().IsRegular() && !target.IsDir() {
			return pathError(path, ErrSpecial)
		}
		return pathError(path, ErrSymlink)
	case info.IsDir():
		return pathError(path, errIsDirectory)
	case !info.Mode().IsRegular():
		return pathError(path, ErrSpecial)
	case !plainfile.OwnedByCaller(info):
		return pathError(path, ErrOwner)
	}
	return nil
}

// The names of temporary files begin so. One that is older than tooOld was left by a process that was killed.
const (
	temporary = ".coffer-"
	tooOld    = time.Hour
)

// sweep removes what killed processes of the caller have left in dir: what is older than the file that was just
// created, by the clock of the file system. What can't be removed does no harm.
func sweep(dir *os.Root, created *os.File) {
	now, err := created.Stat()
	if err != nil {
		return
	}
	left, err := fs.Glob(dir.FS(), temporary+"*.tmp")
	if err != nil {
		return
	}
	for _, name := range left {
		info, err := dir.Lstat(name)
		if err == nil && info.Mode().IsRegular() && plainfile.OwnedByCaller(info) && now.ModTime().Sub(info.ModTime()) > tooOld {
			_ = dir.Remove(name)
		}
	}
}

// replace writes a new file and renames it to name.
func replace(dir *os.Root, path, name string, data []byte, mode fs.FileMode) (err error) {
	temp := temporary + rand.Text() + ".tmp"
	// With O_EXCL a symbolic link at the name is not followed.
	f, err := dir.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return unwritten(path, err)
	}
	sweep(dir, f)
	defer func() {
		if err != nil {
			_ = dir.Remove(temp)
		}
	}()
	if err := writeAndClose(f, data, mode); err != nil {
		return unwritten(path, err)
	}
	if err := dir.Rename(temp, name); err != nil {
		return unwritten(path, err)
	}
	if err := syncDirectory(dir); err != nil {
		return pathError(path, fmt.Errorf("the file is written, but may not survive a power failure: %w", err))
	}
	return nil
}

// writeAndClose writes, syncs and closes f.
func writeAndClose(f *os.File, data []byte, mode fs.FileMode) (err error) {
	defer func() { err = errors.Join(err, f.Close()) }()
	if mode == private { // whatever the umask is
		if err := f.Chmod(mode); err != nil {
			return err
		}
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Sync()
}

// unwritten is pathError for a file that stays as it was.
func unwritten(path string, err error) error {
	wrapped := pathError(path, err)
	var at *fs.PathError
	if errors.As(wrapped, &at) {
		at.Err = fmt.Errorf("%w; nothing was written", at.Err)
	}
	return wrapped
}

// pathError returns err with path instead of the name of the temporary file.
func pathError(path string, err error) error {
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
