// Package run has what running another program needs of the system: finding the program, replacing
// this process by it, running an editor, and keeping secrets out of core dumps.
package run

import (
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/coffer-secrets/coffer/internal/app"
)

// FindCommand returns the path of a command. exec calls it first, so that no secret can change PATH
// for the lookup, and an unknown command costs no request. A program in the current directory is
// found only by a name with a path, as in "./tool": Windows searches there before PATH, and another
// user may have put it there. The error is an [app.ExitError].
func FindCommand(name string) (string, error) {
	path, err := exec.LookPath(name)
	// LookPath returns ErrDot for this, unless GODEBUG=execerrdot=0 is set.
	implicit := errors.Is(err, exec.ErrDot) || err == nil && filepath.Base(name) == name && !filepath.IsAbs(path)
	switch {
	case implicit:
		err := fmt.Errorf("refusing to run %q from the current directory or a relative directory in PATH", name)
		return "", &app.ExitError{Code: app.ExitNoCommand, Err: app.WithHint(err, "to run it: "+"."+string(filepath.Separator)+path)}
	case err == nil:
		return path, nil
	case errors.Is(err, fs.ErrPermission):
		return "", &app.ExitError{Code: app.ExitNotExecutable, Err: fmt.Errorf("%q can't be executed: %w", name, fs.ErrPermission)}
	case errors.Is(err, syscall.EISDIR):
		return "", &app.ExitError{Code: app.ExitNotExecutable, Err: fmt.Errorf("%q can't be executed: it is a directory", name)}
	}
	return "", &app.ExitError{Code: app.ExitNoCommand, Err: fmt.Errorf("command not found: %q", name)}
}
