//go:build unix

package lockfile

import "syscall"

// noWait makes opening a FIFO return at once, before a writer has opened it.
const noWait = syscall.O_NONBLOCK
