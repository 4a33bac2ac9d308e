package local

import "github.com/coffer-secrets/coffer/store/internal/bucket/dirbucket"

// Aliases returns the key aliases that a directory of identities has one of, in the order of
// their files. A directory or file that cannot be read has none.
func Aliases(keyDir string) []string { return dirbucket.Aliases(keyDir) }
