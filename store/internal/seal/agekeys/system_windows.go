package agekeys

import "io/fs"

// exposed is always false: on Windows the mode of a file doesn't show who can read it.
func exposed(fs.FileMode) bool { return false }
