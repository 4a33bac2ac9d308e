package environ

// SystemLimits returns the limit of CreateProcess: 32,767 UTF-16 code units per variable.
func SystemLimits() Limits { return Limits{Units: 32767} }
