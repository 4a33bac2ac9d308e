// Package locate finds and reads a project's file. It is found from the working directory upwards, up to
// the root of the repository, so it may have come from somebody else. It is used only if it is a plain
// file of the caller, in a directory of the caller: the rule by which git uses a repository.
package locate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/coffer-secrets/coffer/internal/plainfile"
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
	body, err := plainfile.ReadItself(path, project.MaxBytes, func(info fs.FileInfo) error { return checkOwner(path, info, user) })
	return body, explain(path, err)
}

// ReadNamed returns the content of a file that was named on the command line: whoever names it trusts it.
func ReadNamed(path string) ([]byte, error) {
	body, err := plainfile.Read(path, project.MaxBytes)
	return body, explain(path, err)
}

// checkOwner returns a [*RefusedError] if another user could change the file, or replace it in its directory.
func checkOwner(path string, info fs.FileInfo, user User) error {
	dir := filepath.Dir(path)
	dirInfo, err := os.Stat(dir)
	if err != nil {
		return err
	}
	reason, err := foreignReason(path, info, "it", user)
	if reason == "" && err == nil {
		reason, err = foreignReason(dir, dirInfo, "its directory "+dir, user)
	}
	if err == nil && reason != "" {
		err = &RefusedError{path, reason, true}
	}
	return err
}

// explain makes a [*RefusedError] of why a file isn't read.
func explain(path string, err error) error {
	switch {
	case errors.Is(err, plainfile.ErrLink):
		return &RefusedError{path, plainfile.ErrLink.Error(), true}
	case errors.Is(err, plainfile.ErrNotPlain):
		return &RefusedError{Path: path, Reason: plainfile.ErrNotPlain.Error()}
	case errors.Is(err, plainfile.ErrTooLarge):
		return &RefusedError{Path: path, Reason: fmt.Sprintf("it is longer than %d bytes", project.MaxBytes)}
	}
	return err
}
