// Package plainfile reads files that somebody else may have put there, or a pipe or a device in their place. It
// waits for no pipe, and reads no device and no more bytes than the caller expects.
package plainfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// Why a file isn't read; test with errors.Is.
var (
	ErrNotPlain = errors.New("it is not a plain file")
	ErrLink     = errors.New("it is a symbolic link")
	ErrTooLarge = errors.New("it is too large")
)

// Read returns the content of a plain file with at most limit bytes, or of the one that a link leads to.
// Errors: [ErrNotPlain], [ErrTooLarge], and those of [os.Open].
func Read(path string, limit int) ([]byte, error) {
	return read(path, 0, limit, func(fs.FileInfo) error { return nil })
}

// ReadChecked is [Read] of what check accepts. Errors besides: those of check.
func ReadChecked(path string, limit int, check func(fs.FileInfo) error) ([]byte, error) {
	return read(path, 0, limit, check)
}

// ReadItself is [Read] that follows no link, and reads only what check accepts. Errors besides: [ErrLink], and
// those of check.
func ReadItself(path string, limit int, check func(fs.FileInfo) error) ([]byte, error) {
	return read(path, noFollow, limit, check)
}

func read(path string, flags, limit int, check func(fs.FileInfo) error) ([]byte, error) {
	f, info, err := open(path, flags)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	if err := check(info); err != nil {
		return nil, err
	}
	if info.Size() > int64(limit) {
		return nil, refused(path, ErrTooLarge)
	}
	body, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err == nil && len(body) > limit { // it has grown
		return nil, refused(path, ErrTooLarge)
	}
	return body, err
}

// open opens a plain file.
func open(path string, flags int) (*os.File, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|noWait|flags, 0)
	if flags == noFollow && isLink(err) {
		return nil, nil, refused(path, ErrLink)
	}
	if err != nil {
		// A socket can't even be opened, and a directory can't on Windows.
		if info, failed := os.Lstat(path); failed == nil && !info.Mode().IsRegular() && info.Mode()&fs.ModeSymlink == 0 {
			return nil, nil, refused(path, ErrNotPlain)
		}
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = refused(path, ErrNotPlain)
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

func refused(path string, why error) error { return &fs.PathError{Op: "read", Path: path, Err: why} }
