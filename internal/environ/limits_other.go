//go:build !linux && !darwin && !windows

package environ

// SystemLimits returns no limits: what this system passes is not known beforehand.
func SystemLimits() Limits { return Limits{} }
