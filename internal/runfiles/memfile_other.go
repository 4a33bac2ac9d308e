//go:build !linux

package runfiles

import (
	"fmt"

	"github.com/coffer-secrets/coffer/store"
)

// MemoryFile exists only on Linux.
type MemoryFile struct{}

// NewMemoryFile returns an error that wraps [store.ErrUnsupported].
func NewMemoryFile(string) (*MemoryFile, error) {
	return nil, fmt.Errorf("%w: only Linux has files in memory without a name", store.ErrUnsupported)
}

// Path is used only on Linux.
func (*MemoryFile) Path() string { return "" }

// Write is used only on Linux.
func (*MemoryFile) Write([]byte) error { return nil }
