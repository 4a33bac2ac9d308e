//go:build unix

package run

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/coffer-secrets/coffer/internal/app"
)

// Replace replaces this process by the command, which then has its signals, terminal and exit code. It
// returns only on an error.
func Replace(_ context.Context, a *app.App, path string, argv, env []string) error {
	a.Restore()
	err := syscall.Exec(path, argv, env)
	if errors.Is(err, syscall.ENOENT) {
		return &app.ExitError{Code: app.ExitNoCommand, Err: fmt.Errorf("%s or its interpreter doesn't exist", path)}
	}
	return &app.ExitError{Code: app.ExitNotExecutable, Err: fmt.Errorf("%s can't be executed: %w", path, err)}
}
