//go:build unix

package s3bucket

import (
	"os"
	"syscall"
)

// ours reports whether a file belongs to this user, and no other user has a permission for it.
func ours(info os.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid() && info.Mode().Perm()&0o077 == 0
}
