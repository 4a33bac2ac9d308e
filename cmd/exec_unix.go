//go:build unix

package cmd

import (
	"context"
	"errors"
	"fmt"
	"syscall"
)

// replace becomes the command: signals, the terminal and the exit code are its own.
func (a *App) replace(_ context.Context, path string, argv, env []string) error {
	a.restore()
	err := syscall.Exec(path, argv, env)
	if errors.Is(err, syscall.ENOENT) {
		return &exitError{exitNoCommand, fmt.Errorf("%s or its interpreter does not exist", path)}
	}
	return &exitError{exitNotExecutable, fmt.Errorf("%s cannot be executed: %w", path, err)}
}
