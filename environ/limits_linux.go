package environ

import "syscall"

// SystemLimits returns the limits of execve on Linux. The limit of one string is MAX_ARG_STRLEN, 32
// pages with the NUL. The limit of all together is a quarter of the stack's limit, at least 128 KiB
// and at most 6 MiB (execve(2), "Limits on size of arguments and environment"; fs/exec.c,
// bprm_stack_limits). The interpreter's name of a script ("#!") counts in addition.
func SystemLimits() Limits {
	const (
		pages       = 32 * 4096
		least, most = 128 << 10, 6 << 20
	)
	total := least
	var stack syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_STACK, &stack); err == nil {
		total = max(least, int(min(stack.Cur/4, most)))
	}
	return Limits{Bytes: pages - 1, Total: total, Pointer: 8}
}
