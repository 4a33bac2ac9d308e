package run

import (
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// childAttributes has the system kill the child if this process is killed.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// dieOf ends this process by a signal. It returns if that can't be done.
func dieOf(s syscall.Signal) { raise(s) }

// stopSelf stops this process, and returns when it is continued.
func stopSelf() { raise(syscall.SIGSTOP) }

// raise sends this thread a signal with its default action: it stops or ends the process before raise
// returns. It returns at once if the system ignores the signal, as it does with the stop of a process
// whose session has nobody to continue it.
//
// Go's runtime keeps its own handler after signal.Stop and signal.Reset (Go 1.26, sigdisable in
// runtime/signal_unix.go), which ignores SIGTSTP and dumps the stack on SIGQUIT.
func raise(s syscall.Signal) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var byDefault, before [8]uint64 // struct sigaction of any processor; zero is SIG_DFL
	if !setAction(s, &byDefault, &before) && s != syscall.SIGKILL && s != syscall.SIGSTOP {
		return
	}
	_ = unix.Tgkill(os.Getpid(), unix.Gettid(), s)
	setAction(s, &before, nil)
}

func setAction(s syscall.Signal, to, before *[8]uint64) bool {
	const maskSize = 8
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(to)), uintptr(unsafe.Pointer(before)), maskSize, 0, 0) //nolint:gosec // the system call takes pointers
	return errno == 0
}

// stopAll stops the process group of this process, as Ctrl-Z does. It returns when this process is
// continued.
func stopAll(s syscall.Signal) {
	var ignored, before [8]uint64
	ignored[0] = 1 // SIG_IGN
	if setAction(s, &ignored, &before) {
		_ = syscall.Kill(0, s)
		setAction(s, &before, nil)
	}
	raise(s)
}
