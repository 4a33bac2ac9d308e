//go:build unix

package locate

import (
	"fmt"
	"io/fs"
	"syscall"
)

// foreignReason returns why a file or a directory is not only the caller's; "" if it is. Root's is as good:
// root may change everything.
func foreignReason(_ string, info fs.FileInfo, what string, user User) (string, error) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch uid := int(stat.Uid); {
	case !ok:
		return what + " has no known owner", nil
	case uid != user.UID && uid != 0 && (user.UID != 0 || uid != user.Sudo):
		return fmt.Sprintf("%s belongs to another user (uid %d)", what, uid), nil
	case info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0:
		return what + " can be changed by every user", nil
	}
	return "", nil
}
