//go:build !linux

package mcpserver

import "os/exec"

// waitUntilEnded waits for the end of a process, and has its status.
func waitUntilEnded(process *exec.Cmd) { _ = process.Wait() }
