// Package run is what running another program needs of the system: finding it, replacing this process
// by it, an editor as a child, and keeping the memory of this process to itself.
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

// FindCommand resolves a command before any secret can touch PATH, and before a request is
// made for one that does not exist. What stands in the current directory is run only when it is
// named so: Windows looks there before PATH, and anybody may have put it there.
func FindCommand(name string) (string, error) {
	path, err := exec.LookPath(name)
	// LookPath tells by ErrDot, unless GODEBUG=execerrdot=0 is set.
	implicit := errors.Is(err, exec.ErrDot) || err == nil && filepath.Base(name) == name && !filepath.IsAbs(path)
	switch {
	case implicit:
		err := fmt.Errorf("%q is found in the current directory or through a relative directory in PATH, and not run from there", name)
		return "", &app.ExitError{Code: app.ExitNoCommand, Err: app.WithHint(err, "to run it: "+"."+string(filepath.Separator)+path)}
	case err == nil:
		return path, nil
	case errors.Is(err, fs.ErrPermission):
		return "", &app.ExitError{Code: app.ExitNotExecutable, Err: fmt.Errorf("%q cannot be executed: %w", name, fs.ErrPermission)}
	case errors.Is(err, syscall.EISDIR):
		return "", &app.ExitError{Code: app.ExitNotExecutable, Err: fmt.Errorf("%q cannot be executed: it is a directory", name)}
	}
	return "", &app.ExitError{Code: app.ExitNoCommand, Err: fmt.Errorf("there is no command %q", name)}
}
