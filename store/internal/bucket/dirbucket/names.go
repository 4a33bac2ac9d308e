package dirbucket

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// Files whose names begin with "~" are not objects.
const (
	lockDir   = "~locks"
	namesLock = "names"
)

// fileName returns the path of an object's file below the directory. The segments of an object's
// name consist of letters, digits and "_.-!", and are not "." or "..", so every system allows them.
func fileName(object string) (string, error) {
	file, ok := encode(object)
	if !ok || !filepath.IsLocal(filepath.FromSlash(file)) {
		return "", fault{bucket.ErrRefused, "a file can't have this name"}
	}
	return file, nil
}

func encode(object string) (string, bool) {
	var file strings.Builder
	for i, segment := range strings.Split(object, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return "", false
		}
		if runtime.GOOS == "windows" && strings.HasSuffix(segment, ".") { // Windows drops a final dot
			return "", false
		}
		if i > 0 {
			file.WriteByte('/')
		}
		for _, c := range []byte(segment) {
			switch {
			case 'A' <= c && c <= 'Z':
				file.WriteByte('+')
				file.WriteByte(c + 'a' - 'A')
			case plain(c):
				file.WriteByte(c)
			default:
				return "", false
			}
		}
	}
	return file.String(), true
}

// decode returns the segment of an object's name that a file name encodes. ok is false if it is not
// an encoded name.
func decode(file string) (segment string, ok bool) {
	var name strings.Builder
	for i := 0; i < len(file); i++ {
		c := file[i]
		switch {
		case c == '+' && i+1 < len(file) && 'a' <= file[i+1] && file[i+1] <= 'z':
			i++
			name.WriteByte(file[i] - 'a' + 'A')
		case plain(c):
			name.WriteByte(c)
		default:
			return "", false
		}
	}
	return name.String(), true
}

// plain reports whether c is not escaped in file names.
func plain(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_' || c == '.' || c == '-' || c == '!'
}

// temporary returns the path of the temporary file of an object, in the same directory. It is
// always the same path, so that a writer finds the file that a crash has left. Its length is
// constant, so that the file system accepts it for every object.
func temporary(file string) string {
	sum := sha256.Sum256([]byte(path.Base(file)))
	return path.Join(path.Dir(file), "~"+hex.EncodeToString(sum[:16]))
}

// objectLock returns the name of an object's lock. All objects share 256 locks, so that there are
// not as many lock files as objects. No request holds two of them.
func objectLock(object string) string {
	sum := sha256.Sum256([]byte(object))
	return hex.EncodeToString(sum[:1])
}
