package dirbucket

import "path/filepath"

// File returns the path of an object's file in the directory of a bucket. A name that is not a
// valid object name is used unchanged.
func File(dir, object string) string {
	if file, ok := encode(object); ok {
		object = file
	}
	return filepath.Join(dir, filepath.FromSlash(object))
}

// Aliases returns the aliases of the identity files in a directory, in the order of the files. It
// skips files that cannot be used.
func Aliases(keyDir string) []string {
	paths, err := identityPaths(keyDir)
	if err != nil {
		return nil
	}
	var aliases []string
	for _, path := range paths {
		if file := readIdentityFile(path); file.fault == nil && file.alias != "" {
			aliases = append(aliases, file.alias)
		}
	}
	return aliases
}
