package mcpserver

import (
	"os"
	"os/exec"
	"syscall"
)

func childAttributes() *syscall.SysProcAttr { return nil }

// askToEnd ends the process: Windows has no way to ask one without a window.
func askToEnd(process *exec.Cmd) { kill(process) }

// kill kills the process. Those that it has started live on.
func kill(process *exec.Cmd) { _ = process.Process.Kill() }

func exitStatus(s *os.ProcessState) int { return s.ExitCode() }
