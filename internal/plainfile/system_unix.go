//go:build unix

package plainfile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

const (
	noFollow = syscall.O_NOFOLLOW
	noWait   = syscall.O_NONBLOCK // opening a FIFO returns before a writer has opened it
)

// isLink reports whether a file wasn't opened because it is a link. FreeBSD says EMLINK.
func isLink(err error) bool { return errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.EMLINK) }

// OwnedByCaller reports whether a file belongs to the effective user of this process.
func OwnedByCaller(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}
