package environ

// SystemLimits returns what CreateProcess passes here: 32,767 characters a variable.
func SystemLimits() Limits { return Limits{Units: 32767} }
