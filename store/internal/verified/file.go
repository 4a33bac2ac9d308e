package verified

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/coffer-secrets/coffer/internal/plainfile"
	"github.com/coffer-secrets/coffer/internal/strictjson"
	"github.com/coffer-secrets/coffer/store/internal/files"
)

// The bounds of what is stored.
const (
	keySize  = 32
	maxFile  = 32 << 20 // bytes of a file
	maxFacts = 50_000   // in a file
	maxFiles = 64
	maxTotal = 64 << 20            // bytes of all files
	maxAge   = 90 * 24 * time.Hour // since a file was written
	leftover = time.Hour           // since a temporary file was written, whose process is gone then
)

const (
	suffix    = ".json"
	temporary = ".tmp"
	format    = 1
)

// fileJSON is a file. It has no name of a service or secret, and no value.
type fileJSON struct {
	Format  int                 `json:"format"`
	Objects map[string]factJSON `json:"objects"` // by tag
}

type factJSON struct {
	Version   int    `json:"version"`
	Created   string `json:"created,omitzero"`
	CreatedBy string `json:"created_by,omitzero"`
	Alias     string `json:"alias,omitzero"`
	Hash      string `json:"hash"`
}

var (
	errForeign = errors.New("it belongs to another user")
	errExposed = errors.New("other users can read it")
)

// readKey returns the key, or nil.
func (c *Cache) readKey() []byte {
	key, err := plainfile.ReadItself(c.o.KeyFile, keySize, func(info fs.FileInfo) error {
		if files.Exposed(info.Mode()) {
			return errExposed
		}
		return owned(info)
	})
	if err != nil || len(key) != keySize {
		return nil
	}
	return key
}

// makeKey creates the key, in place of a damaged one, and returns it, or nil. If another process makes one at the
// same time, one of the two keys stays, and what is hashed with the other is never believed.
func (c *Cache) makeKey() []byte {
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // never fails: crypto/rand ends the program instead
	if replace(c.o.KeyFile, key) != nil {
		return nil
	}
	return c.readKey()
}

// readFile returns the facts of a service; none if the file can't be used.
func (c *Cache) readFile(service string) map[string]factJSON {
	body, err := plainfile.ReadItself(c.path(service), maxFile, owned)
	var f fileJSON
	if err != nil || strictjson.Unmarshal(body, &f) != nil || f.Format != format || f.Objects == nil || len(f.Objects) > maxFacts {
		return map[string]factJSON{}
	}
	return f.Objects
}

func (c *Cache) write(service string, facts map[string]factJSON) {
	body, err := strictjson.Marshal(fileJSON{Format: format, Objects: facts})
	if err != nil || len(body) > maxFile || replace(c.path(service), body) != nil {
		return
	}
	c.sweep()
}

// path returns the file of a service. Its name doesn't say which.
func (c *Cache) path(service string) string {
	sum := sha256.Sum256([]byte(c.place() + "\x00" + service))
	return filepath.Join(c.o.Dir, hex.EncodeToString(sum[:16])+suffix)
}

// replace writes a file of mode 0600 in a directory of mode 0700. A reader sees the old content or the new one.
func replace(path string, body []byte) error {
	dir := filepath.Dir(path)
	if err := makeDirectory(dir); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir) // stays the same directory, even if another one is moved to its path
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	name := "." + filepath.Base(path) + "." + rand.Text() + temporary
	if _, err = files.Write(root, name, body); err == nil {
		err = root.Rename(name, filepath.Base(path))
	}
	if err != nil {
		_ = root.Remove(name)
	}
	return err
}

// makeDirectory creates a directory. In the home directory of another user, as with sudo, it creates nothing.
func makeDirectory(dir string) error {
	for above := dir; ; above = filepath.Dir(above) {
		info, err := os.Stat(above)
		switch {
		case err == nil:
			if err := owned(info); err != nil {
				return err
			}
			return os.MkdirAll(dir, 0o700)
		case !errors.Is(err, fs.ErrNotExist) || above == filepath.Dir(above):
			return err
		}
	}
}

func owned(info fs.FileInfo) error {
	if !plainfile.OwnedByCaller(info) {
		return errForeign
	}
	return nil
}

// sweep deletes files: those that are too old, what a killed process has left, and the oldest ones above the bounds.
func (c *Cache) sweep() {
	entries, err := os.ReadDir(c.o.Dir)
	if err != nil {
		return
	}
	now := c.o.Now()
	var kept []fs.FileInfo
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		age, left := now.Sub(info.ModTime()), strings.HasSuffix(info.Name(), temporary)
		switch {
		case left && age > leftover, strings.HasSuffix(info.Name(), suffix) && age > maxAge:
			c.remove(info)
		case strings.HasSuffix(info.Name(), suffix):
			kept = append(kept, info)
		}
	}
	slices.SortFunc(kept, func(a, b fs.FileInfo) int { return cmp.Compare(b.ModTime().UnixNano(), a.ModTime().UnixNano()) }) // the newest first
	total := int64(0)
	for i, info := range kept {
		if total += info.Size(); i >= maxFiles || total > maxTotal {
			c.remove(info)
		}
	}
}

func (c *Cache) remove(info fs.FileInfo) { _ = os.Remove(filepath.Join(c.o.Dir, info.Name())) }
