package run

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"

	"github.com/coffer-secrets/coffer/internal/app"
)

// status is the exit code of a child.
type status int

func (s status) end() error {
	if s == 0 {
		return nil
	}
	return &app.ExitError{Code: int(s)}
}

// run runs the child until it ends. The console sends Ctrl-C to both processes.
func (p *program) run() (status, error) {
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	defer signal.Stop(interrupts)
	child := &exec.Cmd{Path: p.path, Args: p.argv, Env: p.env, Stdin: p.files[0], Stdout: p.files[1], Stderr: p.files[2]}
	if err := child.Start(); err != nil {
		return 0, &app.ExitError{Code: app.ExitNotExecutable, Err: fmt.Errorf("%s cannot be executed: %w", p.path, err)}
	}
	p.started()
	err := child.Wait()
	p.ended()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, err
	}
	return status(child.ProcessState.ExitCode()), nil
}
