package local

import "github.com/coffer-secrets/coffer/store/internal/bucket/dirbucket"

// File returns the path of an object's file, as [Options.Dir] has it.
func File(dir, object string) string { return dirbucket.File(dir, object) }

// Aliases returns the key aliases that a directory of identities has one of, in the order of
// their files. A directory or file that cannot be read has none.
func Aliases(keyDir string) []string { return dirbucket.Aliases(keyDir) }
