package run

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

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

// catch returns a channel of the interrupts of the console, which sends them to the child, too.
func (p *program) catch() chan os.Signal {
	interrupts := make(chan os.Signal, 8)
	signal.Notify(interrupts, os.Interrupt)
	return interrupts
}

// run runs the child until it ends. Windows has no SIGTERM: a restart ends the child at once.
func (p *program) run(interrupts <-chan os.Signal) (status, error) {
	child := &exec.Cmd{Path: p.path, Args: p.argv, Env: p.env, Stdin: p.files[0], Stdout: p.files[1], Stderr: p.files[2]}
	if err := child.Start(); err != nil {
		return 0, &app.ExitError{Code: app.ExitNotExecutable, Err: fmt.Errorf("%s can't be executed: %w", p.path, err)}
	}
	p.started()
	ends := make(chan error, 1)
	go func() { ends <- child.Wait() }()
	kill := func(syscall.Signal) { _ = child.Process.Kill() }
	for {
		select {
		case err := <-ends:
			p.ended()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				return 0, err
			}
			return status(child.ProcessState.ExitCode()), nil
		case s := <-interrupts:
			p.signaled(s)
		case env := <-p.Changes:
			if len(ends) == 0 { // it has not ended by itself
				p.changed(env, kill)
			}
		case <-p.hold:
			p.released(kill)
		case <-p.stopping:
			kill(syscall.SIGKILL)
		}
	}
}

func signalNamed(string) syscall.Signal { return 0 }

func nameOf(s syscall.Signal) string { return s.String() }
