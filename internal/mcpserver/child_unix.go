//go:build unix

package mcpserver

import (
	"os"
	"os/exec"
	"syscall"
)

// askToEnd sends SIGTERM to the group of a process.
func askToEnd(process *exec.Cmd) { _ = syscall.Kill(-process.Process.Pid, syscall.SIGTERM) }

// kill kills what is left of the group of a process.
func kill(process *exec.Cmd) { _ = syscall.Kill(-process.Process.Pid, syscall.SIGKILL) }

// exitStatus returns the status of a process as a shell reports it.
func exitStatus(s *os.ProcessState) int {
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return 128 + int(w.Signal())
	}
	return s.ExitCode()
}
