//go:build !unix

package s3bucket

import "os"

// ours leaves it to the system: its temporary directory is the user's own.
func ours(os.FileInfo) bool { return true }
