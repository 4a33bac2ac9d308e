//go:build !unix

package outfile

import (
	"io/fs"
	"os"
)

// onlyForOwner is always true: here the permissions are in the access control list, which a new file
// inherits from its directory.
func onlyForOwner(fs.FileInfo) bool { return true }

// checkDirectory checks nothing here, for the same reason.
func checkDirectory(*os.Root, string) error { return nil }

// syncDirectory does nothing: a directory can't be synced here.
func syncDirectory(*os.Root) error { return nil }
