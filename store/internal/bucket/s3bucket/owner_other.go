//go:build !unix

package s3bucket

import "os"

// ours is always true: on these systems the temporary directory belongs to the user.
func ours(os.FileInfo) bool { return true }
