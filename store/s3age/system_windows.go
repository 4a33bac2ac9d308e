package s3age

import "io/fs"

// writableByOthers is always false: on Windows the mode of a directory doesn't show who can write to it.
func writableByOthers(fs.FileMode) bool { return false }
