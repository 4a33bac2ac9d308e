//go:build !linux && !darwin && !windows

package environ

// SystemLimits returns no limits, as those of this system are not known.
func SystemLimits() Limits { return Limits{} }
