//go:build unix

package run

import "golang.org/x/sys/unix"

// ForbidCore disables core dumps, as the memory of this process has secrets. exec must call restore
// before it runs a command, which would inherit the limit.
func ForbidCore() (restore func()) {
	var before unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_CORE, &before) != nil {
		return func() {}
	}
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: 0, Max: before.Max})
	hideMemory()
	return func() { _ = unix.Setrlimit(unix.RLIMIT_CORE, &before) }
}
