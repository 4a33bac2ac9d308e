//go:build !linux

package runfiles

// InMemory is always false: there is no portable way to know.
func InMemory(string) bool { return false }
