//go:build unix

package s3age

import "io/fs"

// writableByOthers reports whether users other than the owner can add and replace files in a
// directory.
func writableByOthers(mode fs.FileMode) bool { return mode.Perm()&0o022 != 0 }
