//go:build unix && !linux

package run

import (
	"errors"
	"os"
	"syscall"
)

func childAttributes() *syscall.SysProcAttr { return nil }

func (p *program) runOnTerminal(<-chan os.Signal) (status, error) { return 0, errors.ErrUnsupported }

// dieOf ends this process by a signal. It returns if that can't be done.
func dieOf(s syscall.Signal) {
	if s == syscall.SIGKILL {
		_ = syscall.Kill(os.Getpid(), s)
	}
}

// stopSelf stops this process.
func stopSelf() { _ = syscall.Kill(os.Getpid(), syscall.SIGSTOP) }
