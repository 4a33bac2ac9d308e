//go:build windows

package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"

	"github.com/coffer-secrets/coffer/internal/app"
)

// Replace runs the command as a child and returns its exit code as an [app.ExitError]; nil for 0.
// Windows can't replace a process.
func Replace(_ context.Context, a *app.App, path string, argv, env []string) error {
	child := &exec.Cmd{Path: path, Args: argv, Env: env, Stdin: a.Stdin, Stdout: a.Stdout, Stderr: a.Stderr}
	// The console sends Ctrl-C to both processes. This one must wait for the child.
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	defer signal.Stop(interrupts)
	err := child.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit):
		return &app.ExitError{Code: exit.ExitCode()}
	}
	return &app.ExitError{Code: app.ExitNotExecutable, Err: fmt.Errorf("%s can't be executed: %w", path, err)}
}
