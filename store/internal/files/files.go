// Package files has what storage in files needs of the file system: changes that a crash doesn't
// undo, who can read and change a file, and which error of package bucket an error of the system is.
package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// Unusable is the error about a directory that can be neither opened nor created. Trying again
// doesn't help.
type Unusable struct {
	Dir string
	Err error
}

func (u *Unusable) Error() string {
	return fmt.Sprintf("can't use the directory %s: %v", u.Dir, bare(u.Err))
}

func (u *Unusable) Unwrap() error { return u.Err }

// bare returns the system's error, without the operation and the path.
func bare(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// Missing reports whether there is no such file, or a directory above it is missing.
func Missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// Kind returns the sentinel of an error of the system: a denial, a temporary failure, or else a
// permanent one. A full disk is not a network failure, and repeating the request does not help. An
// error of [os.Root] itself, such as a path that leaves the directory, has no errno and is permanent.
func Kind(err error) error {
	var whole *Unusable
	var errno syscall.Errno
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return bucket.ErrDenied
	case errors.As(err, &whole):
		return bucket.ErrRefused
	case errors.As(err, &errno) && passing(errno):
		return bucket.ErrUnavailable
	}
	return bucket.ErrRefused
}

// passing reports whether the same request may succeed soon: another process holds a resource, or a
// directory was removed during the request.
func passing(errno syscall.Errno) bool {
	switch errno {
	case syscall.EAGAIN, syscall.EINTR, syscall.EBUSY, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOENT:
		return true
	default:
		return held(errno)
	}
}

// MakeDirectory creates a directory and those above it, with mode 0700, and syncs its name to the
// disk. It returns nil if the directory exists, and otherwise an [*Unusable].
func MakeDirectory(dir string) error {
	if err := makeDirectory(dir); err != nil {
		return &Unusable{dir, err}
	}
	return nil
}

func makeDirectory(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(filepath.Dir(dir))
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	return SyncDirectory(root, ".")
}

// makeDirectoriesIn creates a directory below root and those above it, and syncs them to the disk.
func makeDirectoriesIn(root *os.Root, dir string) error {
	if err := root.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for dir != "." {
		dir = path.Dir(dir)
		if err := SyncDirectory(root, dir); err != nil {
			return err
		}
	}
	return nil
}

// Write creates a file with mode 0600, also if one exists, and missing directories above it. The
// data is on the disk when it returns, but the name may not be: the file is for [os.Root.Rename] or
// [os.Root.Link].
func Write(root *os.Root, temp string, data []byte) (fs.FileInfo, error) {
	if err := Remove(root, temp); err != nil {
		return nil, err
	}
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeDirectoriesIn(root, path.Dir(temp)); err != nil {
			return nil, err
		}
		f, err = root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	}
	if err != nil {
		return nil, err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	var stat fs.FileInfo
	if err == nil {
		stat, err = f.Stat()
	}
	return stat, errors.Join(err, f.Close())
}

// Remove removes a file. A missing one is not an error.
func Remove(root *os.Root, file string) error {
	if err := root.Remove(file); !Missing(err) {
		return err
	}
	return nil
}
