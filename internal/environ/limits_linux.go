package environ

import "syscall"

// SystemLimits returns what execve passes here. One string is limited by MAX_ARG_STRLEN, 32
// pages with the NUL; everything together by a quarter of the stack's limit, but no less
// than 128 KiB and no more than 6 MiB (execve(2), "Limits on size of arguments and
// environment"; fs/exec.c, bprm_stack_limits). A program that a "#!" line starts gets its
// interpreter's name on top.
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
