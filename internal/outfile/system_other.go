//go:build !unix

package outfile

import (
	"io/fs"
	"os"
)

// ownedByCaller is always true: here the owner and the permissions are in the access control list,
// which a new file inherits from its directory.
func ownedByCaller(fs.FileInfo) bool { return true }

// onlyForOwner is always true, for the same reason.
func onlyForOwner(fs.FileInfo) bool { return true }

// checkDirectory checks nothing here, for the same reason.
func checkDirectory(*os.Root, string) error { return nil }

// syncDirectory does nothing: a directory can't be synced here.
func syncDirectory(*os.Root) error { return nil }
