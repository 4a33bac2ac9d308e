//go:build unix

package run

import "golang.org/x/sys/unix"

// ForbidCore keeps the memory of this process, which holds secrets, out of core files. It returns a
// function that puts the limit back, for the command that exec becomes: limits are inherited.
func ForbidCore() (restore func()) {
	var before unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_CORE, &before) != nil {
		return func() {}
	}
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: 0, Max: before.Max})
	hideMemory()
	return func() { _ = unix.Setrlimit(unix.RLIMIT_CORE, &before) }
}
