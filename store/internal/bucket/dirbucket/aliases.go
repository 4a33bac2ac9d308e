package dirbucket

import "path/filepath"

// File returns the path of an object's file in the directory of a bucket. A name that no object
// can have stands for itself.
func File(dir, object string) string {
	if file, ok := encode(object); ok {
		object = file
	}
	return filepath.Join(dir, filepath.FromSlash(object))
}

// Aliases returns the aliases that the identity files of a directory name, in the order of the
// files. What cannot be used as an identity names none.
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
