package mcpserver

import (
	"errors"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// childAttributes has a child lead a session of its own, so that it has no terminal, and all of its
// processes can be ended at once. The system kills it if this process is killed.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
}

// waitUntilEnded waits for the end of a process, and leaves its status to [exec.Cmd.Wait]. Until then
// no other process and no other group can get its number.
func waitUntilEnded(process *exec.Cmd) {
	for errors.Is(unix.Waitid(unix.P_PID, process.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
	}
}
