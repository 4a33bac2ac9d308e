package runfiles

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// MemoryFile is a file without a name, in memory, that the program which replaces this process inherits. It
// is gone with the last process that has it.
type MemoryFile struct{ file *os.File }

// NewMemoryFile creates an empty file, with mode 0600: without that it has mode 0777, which libpq and
// ssh-keygen refuse.
func NewMemoryFile(name string) (*MemoryFile, error) {
	// Linux 6.3 and newer may refuse files without this flag, older ones don't know it.
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	}
	if err != nil {
		return nil, fmt.Errorf("can't create a file in memory: %w", err)
	}
	f, err := share(os.NewFile(uintptr(fd), name))
	if err == nil {
		err = f.Chmod(0o600)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &MemoryFile{f}, nil
}

// Path returns the path of the file for the program, and for what it starts and lets inherit descriptors.
func (m *MemoryFile) Path() string { return "/proc/self/fd/" + strconv.Itoa(int(m.file.Fd())) }

// Write replaces the contents.
func (m *MemoryFile) Write(data []byte) error {
	if err := m.file.Truncate(0); err != nil {
		return err
	}
	_, err := m.file.WriteAt(data, 0)
	return err
}
