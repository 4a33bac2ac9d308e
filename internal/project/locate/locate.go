// Package locate finds and reads a project's file. It is found from the working directory upwards, up to
// the root of the repository, so it may have come from somebody else. It is used only if it is a plain
// file of the caller, in a directory of the caller: the rule by which git uses a repository.
package locate

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/coffer-secrets/coffer/internal/project"
)

// Find returns the path of the file that holds for a directory: of this directory, or else of the nearest
// one above it, up to the root of the repository. That is the first directory with a .git, which is a file in
// worktrees and submodules. Without a repository only the directory itself counts. ok is false if there
// is no file. It doesn't open the file.
func Find(dir string) (path string, ok bool, err error) {
	if dir, err = filepath.EvalSymlinks(dir); err != nil { // as git does: the directory, not the way to it
		return "", false, err
	}
	for at := dir; ; at = filepath.Dir(at) {
		if file := filepath.Join(at, project.Name); path == "" && exists(file) {
			path = file
		}
		switch {
		case exists(filepath.Join(at, ".git")):
			return path, path != "", nil
		case at == filepath.Dir(at): // no repository
			path = filepath.Join(dir, project.Name)
			return path, exists(path), nil
		}
	}
}

// exists reports whether there is anything of this name, be it a link to nowhere. What can't be looked at
// is there, too: it ends the search rather than leading it on.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// User is who runs the program.
type User struct {
	UID  int // the effective user
	Sudo int // the user who called sudo, if UID is 0; else -1
}

// RefusedError is a file that is there and isn't used.
type RefusedError struct {
	Path, Reason string
	Distrusted   bool // it would be used if it were named on the command line
}

func (e *RefusedError) Error() string { return e.Path + " isn't used: " + e.Reason }

// Read returns the content of a file that was found. The error is a [*RefusedError] if the file isn't
// plain, or could be changed by another user.
func Read(path string, user User) ([]byte, error) {
	f, info, err := open(path, noFollow)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	dir := filepath.Dir(path)
	dirInfo, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	reason, err := foreignReason(path, info, "it", user)
	if reason == "" && err == nil {
		reason, err = foreignReason(dir, dirInfo, "its directory "+dir, user)
	}
	switch {
	case err != nil:
		return nil, err
	case reason != "":
		return nil, &RefusedError{path, reason, true}
	}
	return limited(f, path)
}

// ReadNamed returns the content of a file that was named on the command line: whoever names it trusts it.
func ReadNamed(path string) ([]byte, error) {
	f, _, err := open(path, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return limited(f, path)
}

// open opens a plain file. It never waits for a pipe.
func open(path string, flags int) (*os.File, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|noWait|flags, 0)
	if isLink(err) {
		return nil, nil, &RefusedError{path, "it is a symbolic link", true}
	}
	if err != nil {
		// A socket can't even be opened, and a directory can't on Windows.
		if info, failed := os.Lstat(path); failed == nil && !info.Mode().IsRegular() && info.Mode()&fs.ModeSymlink == 0 {
			return nil, nil, &RefusedError{Path: path, Reason: "it is not a plain file"}
		}
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &RefusedError{Path: path, Reason: "it is not a plain file"}
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// limited reads a file that has at most the size of a project's file.
func limited(f io.Reader, path string) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(f, project.MaxBytes+1))
	if err == nil && len(body) > project.MaxBytes {
		err = &RefusedError{Path: path, Reason: fmt.Sprintf("it is longer than %d bytes", project.MaxBytes)}
	}
	return body, err
}
