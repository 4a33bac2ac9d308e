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
