//go:build unix

package run

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/coffer-secrets/coffer/internal/app"
)

// Replace becomes the command: signals, the terminal and the exit code are its own.
func Replace(_ context.Context, a *app.App, path string, argv, env []string) error {
	a.Restore()
	err := syscall.Exec(path, argv, env)
	if errors.Is(err, syscall.ENOENT) {
		return &app.ExitError{Code: app.ExitNoCommand, Err: fmt.Errorf("%s or its interpreter does not exist", path)}
	}
	return &app.ExitError{Code: app.ExitNotExecutable, Err: fmt.Errorf("%s cannot be executed: %w", path, err)}
}
