package environ

// SystemLimits returns what execve passes here: ARG_MAX, 1 MiB, with the pointers.
func SystemLimits() Limits { return Limits{Total: 1 << 20, Pointer: 8} }
