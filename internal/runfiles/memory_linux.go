package runfiles

import "golang.org/x/sys/unix"

// InMemory reports whether files in a directory are in memory, or in swap, and never on a disk. It is
// false if the directory can't be written.
func InMemory(dir string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(dir, &fs) == nil && (fs.Type == unix.TMPFS_MAGIC || fs.Type == unix.RAMFS_MAGIC) && unix.Access(dir, unix.W_OK) == nil
}
