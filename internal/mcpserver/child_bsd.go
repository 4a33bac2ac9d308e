//go:build unix && !linux

package mcpserver

import "syscall"

// childAttributes has a child lead a session of its own, so that it has no terminal, and all of its
// processes can be ended at once.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
