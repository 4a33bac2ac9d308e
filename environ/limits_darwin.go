package environ

// SystemLimits returns the limit of execve on macOS: ARG_MAX, 1 MiB, including the pointers.
func SystemLimits() Limits { return Limits{Total: 1 << 20, Pointer: 8} }
