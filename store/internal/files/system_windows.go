package files

import (
	"os"
	"syscall"

	"golang.org/x/sys/windows"
)

// SyncDirectory does nothing: Windows writes the names in directories to its journal.
func SyncDirectory(*os.Root, string) error { return nil }

// Exposed is always false: on Windows the mode of a file doesn't show who can read it.
func Exposed(os.FileMode) bool { return false }

// WritableByOthers and Foreign are always false, for the same reason.
func WritableByOthers(os.FileMode) bool { return false }
func Foreign(os.FileInfo) bool          { return false }

const WithoutWaiting = 0 // no FIFOs in the file system

// held reports whether another process holds the file.
func held(errno syscall.Errno) bool {
	return errno == windows.ERROR_SHARING_VIOLATION || errno == windows.ERROR_LOCK_VIOLATION
}
