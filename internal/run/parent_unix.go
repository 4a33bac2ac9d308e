//go:build unix

package run

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/term"
)

// notExecuted is the error of a command that was found and can't be run.
func notExecuted(path string, err error) error {
	if errors.Is(err, syscall.ENOENT) {
		return &app.ExitError{Code: app.ExitNoCommand, Err: fmt.Errorf("%s or its interpreter doesn't exist", path)}
	}
	return &app.ExitError{Code: app.ExitNotExecutable, Err: fmt.Errorf("%s can't be executed: %w", path, err)}
}

// status is how a child ended.
type status syscall.WaitStatus

// end ends this process as the child has ended.
func (s status) end() error {
	w := syscall.WaitStatus(s)
	switch {
	case w.Signaled():
		dieOf(w.Signal())
		return &app.ExitError{Code: 128 + int(w.Signal())}
	case w.ExitStatus() != 0:
		return &app.ExitError{Code: w.ExitStatus()}
	}
	return nil
}

// run runs the child until it ends.
func (p *program) run(signals <-chan os.Signal) (status, error) {
	if p.terminal != nil {
		return p.runOnTerminal(signals)
	}
	defer p.restoreTerminal(term.Save(p.a.Stdin)) // of now: the child may change the settings at once
	pid, err := p.fork(childAttributes())
	if err != nil {
		return 0, notExecuted(p.path, err)
	}
	p.started()
	ends := make(chan syscall.WaitStatus, 1)
	go func() { ends <- waitFor(pid, p.followStop(pid)) }()
	kill := func(s syscall.Signal) { _ = syscall.Kill(pid, s) }
	for {
		select {
		case w := <-ends:
			p.ended()
			return status(w), nil
		case s := <-signals:
			p.signaled(s)
			p.forward(pid, s.(syscall.Signal))
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

// restoreTerminal restores the settings that a terminal had before the child, if that was ended here: it
// may have had no time to do so.
func (p *program) restoreTerminal(restore func()) {
	if p.stopping != nil && inForeground() {
		restore()
	}
}

// fork starts the child with the limits that this process was started with.
func (p *program) fork(attributes *syscall.SysProcAttr) (pid int, err error) {
	p.a.Restore()
	defer func() { ForbidCore() }() // again
	files := make([]uintptr, len(p.files))
	for i, f := range p.files {
		_ = control(f, func(fd int) error { files[i] = uintptr(fd); return nil })
	}
	return syscall.ForkExec(p.path, p.argv, &syscall.ProcAttr{Env: p.env, Files: files, Sys: attributes})
}

// waitFor waits until a child ends. It calls stopped with the signal whenever one stops it. In process 1 it waits
// for all other children, too: see [Init].
func waitFor(pid int, stopped func(syscall.Signal)) syscall.WaitStatus {
	var w syscall.WaitStatus
	which := pid
	if IsInit() {
		which = -1
	}
	for {
		switch ended, err := syscall.Wait4(which, &w, syscall.WUNTRACED, nil); {
		case errors.Is(err, syscall.EINTR):
		case err != nil: // somebody else has waited for it
			return w
		case ended != pid: // its parent has ended before
		case w.Stopped():
			stopped(w.StopSignal())
		default:
			return w
		}
	}
}

// followStop returns a function that stops this process when the child was stopped alone. A Ctrl-Z
// stops both, as they are in one process group.
func (p *program) followStop(pid int) func(syscall.Signal) {
	return func(s syscall.Signal) {
		if s == syscall.SIGSTOP {
			stopSelf() // before the next line, or the child would read what is typed at the shell
			_ = syscall.Kill(pid, syscall.SIGCONT)
		}
	}
}

// catch returns a channel of the signals that are meant for the child. A signal that is ignored stays
// ignored, also in the child.
func (p *program) catch() chan os.Signal {
	signals := make(chan os.Signal, 64)
	for s := syscall.Signal(1); s < 65; s++ {
		switch s {
		case syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGCHLD, syscall.SIGURG, syscall.SIGPROF, syscall.SIGTTIN, syscall.SIGTTOU:
			continue // can't be caught, are this process's own, or must stop it
		case syscall.SIGILL, syscall.SIGTRAP, syscall.SIGABRT, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGSEGV, syscall.SIGSYS:
			continue // faults
		case syscall.SIGTSTP, syscall.SIGCONT, syscall.SIGWINCH:
			if p.terminal == nil {
				continue // the child gets them from the terminal, too
			}
		}
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	return signals
}

// forward passes a signal on to a child in this process's group. It has a signal of the keyboard
// already.
func (p *program) forward(pid int, s syscall.Signal) {
	switch s {
	case syscall.SIGPIPE: // this process's own
	case syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP:
		if !inForeground() {
			_ = syscall.Kill(pid, s)
		}
	default:
		_ = syscall.Kill(pid, s)
	}
}

// inForeground reports whether this process is in the foreground group of its terminal.
func inForeground() bool {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	defer func() { _ = tty.Close() }()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// control calls a function with the descriptor of a file, which stays non-blocking.
func control(f *os.File, do func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = do(int(fd)) })
	return errors.Join(err, failed)
}

// signalNamed returns a signal by its name, with or without SIG; 0 if there is none.
func signalNamed(name string) syscall.Signal {
	return unix.SignalNum("SIG" + strings.TrimPrefix(strings.ToUpper(name), "SIG"))
}

func nameOf(s syscall.Signal) string { return unix.SignalName(s) }
