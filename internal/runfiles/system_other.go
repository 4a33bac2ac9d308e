//go:build !unix && !windows

package runfiles

import (
	"errors"
	"io/fs"
	"os"
)

func private(fs.FileInfo) bool { return false }

func share(f *os.File) (*os.File, error) { return f, nil }

func lock(string) (*os.File, error) { return nil, errors.ErrUnsupported }

func unlock(*os.File) error { return nil }
