package local

import (
	"github.com/coffer-secrets/coffer/store/internal/bucket/dirbucket"
	"github.com/coffer-secrets/coffer/store/internal/seal/ageseal"
)

// File returns the path of an object's file in the directory of [Options.Dir].
func File(dir, object string) string { return dirbucket.File(dir, object) }

// Aliases returns the key aliases that have an identity in a directory, in the order of the files.
// It leaves out directories and files that cannot be read.
func Aliases(keyDir string) []string { return ageseal.Aliases(keyDir) }
