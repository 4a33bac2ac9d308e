//go:build unix

package agekeys

import "io/fs"

// exposed reports whether users other than the owner can read or write a file of this mode.
func exposed(mode fs.FileMode) bool { return mode.Perm()&0o077 != 0 }
