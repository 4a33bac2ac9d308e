// Package offline keeps what a command has read, for when the storage can't be reached. Each file has
// the secrets of one service, as one reader has read them from one store. It is encrypted with age to
// an identity in the keyring of the system, or else in a file that only its owner can read.
//
// What is encrypted says what it is for. So a file under another name, of another store or of another
// reader is never used, and neither is one that was changed.
package offline

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"filippo.io/age"

	"github.com/coffer-secrets/coffer/internal/outfile"
	"github.com/coffer-secrets/coffer/internal/plainfile"
	"github.com/coffer-secrets/coffer/internal/strictjson"
	"github.com/coffer-secrets/coffer/store"
)

// Longest is the longest time that a copy may be used.
const Longest = 30 * 24 * time.Hour

// The errors of [Cache.Get]; test with errors.Is.
var (
	ErrNone    = errors.New("nothing is cached")
	ErrDamaged = errors.New("the cache file is damaged, or is not for this service and reader")
	ErrSealed  = errors.New("the key of the cache is gone")
	ErrOwner   = errors.New("the cache belongs to another user")
)

const (
	suffix  = ".age"
	maxSize = 64 << 20 // of a file
	format  = 1
)

// Subject says what a copy is for. A copy is used only for an equal subject.
type Subject struct {
	Store   string `json:"store"`   // where the secrets are: everything that tells two stores apart
	Reader  string `json:"reader"`  // who reads: everything that is known without a request
	Service string `json:"service"` // as it was typed, with a label if there is one
}

// Copy is what was read of one service.
type Copy struct {
	Subject
	Place    string            // the store, for a person
	ReadAt   time.Time         // when its values were read from the storage
	Limit    time.Duration     // how long it may be used
	State    map[string]string // the revisions that the values have; nil if they aren't known
	Session  bool              // the reader's access key is one of a session
	Withheld []string          // the keys that aren't kept, because the owner of their alias forbids it
	Contents store.Contents
}

// Expires returns when the copy is too old to be used.
func (c *Copy) Expires() time.Time { return c.ReadAt.Add(c.Limit) }

// Age returns how long ago the values were read. It is negative if the clock was set back since.
func (c *Copy) Age(now time.Time) time.Duration { return now.Sub(c.ReadAt) }

// Options configure a cache.
type Options struct {
	Dir     string // of the copies; created with mode 0700
	KeyFile string // of the identity, if there is no keyring
	Keyring bool   // use the keyring of the system
}

// Cache is the directory of the copies. Its methods are safe for concurrent use by several processes.
type Cache struct {
	o    Options
	ring keyring // nil: none

	mu    sync.Mutex
	found []held // the identities that were found; none: not looked up yet
}

// New returns a cache. It makes no files.
func New(o Options) *Cache {
	c := &Cache{o: o}
	if o.Keyring {
		c.ring = systemKeyring("coffer:cache:" + digest(o.Dir))
	}
	return c
}

// path returns the file of a subject. The name says nothing of the service.
func (c *Cache) path(s Subject) string {
	return filepath.Join(c.o.Dir, digest(s.Store, s.Reader, s.Service)+suffix)
}

// digest returns a name for texts. Different lists of texts have different names.
func digest(texts ...string) string {
	h := sha256.New()
	for _, text := range texts {
		_, _ = fmt.Fprintf(h, "%d:%s", len(text), text)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Get returns the copy of a subject, of any age. Errors: [ErrNone], [ErrDamaged], [ErrSealed],
// [ErrOwner].
func (c *Cache) Get(s Subject) (*Copy, error) {
	found, _, err := c.open(c.path(s))
	switch {
	case err != nil:
		return nil, err
	case found.Subject != s:
		return nil, ErrDamaged
	}
	return found, nil
}

// Put keeps a copy instead of the one of the same subject.
func (c *Cache) Put(copied Copy) error {
	if err := c.makeDirectory(); err != nil {
		return err
	}
	identity, err := c.identityToSeal()
	if err != nil {
		return err
	}
	plain, err := strictjson.Marshal(toFile(copied))
	if err != nil {
		return err
	}
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, identity.Recipient())
	if err != nil {
		return err
	}
	if _, err := w.Write(plain); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return outfile.Write(c.path(copied.Subject), sealed.Bytes())
}

// Forget deletes the copy of a subject, and reports whether there was one.
func (c *Cache) Forget(s Subject) (bool, error) { return remove(c.path(s)) }

func remove(path string) (bool, error) {
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// open opens a file. sealed says where the identity is that opened it.
func (c *Cache) open(path string) (found *Copy, sealed string, err error) {
	body, err := readOwn(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, "", ErrNone
	case err != nil:
		return nil, "", err
	}
	identities, err := c.identities()
	if err != nil {
		return nil, "", err
	}
	for _, id := range identities {
		plain, err := decrypt(body, id)
		if errors.Is(err, ErrSealed) {
			continue
		}
		if found = fromFile(plain); err != nil || found == nil {
			return nil, "", ErrDamaged
		}
		return found, id.from, nil
	}
	return nil, "", ErrSealed
}

// decrypt returns no text of age, which quotes the file.
func decrypt(body []byte, id age.Identity) ([]byte, error) {
	r, err := age.Decrypt(bytes.NewReader(body), id)
	var other *age.NoIdentityMatchError
	switch {
	case errors.As(err, &other):
		return nil, ErrSealed
	case err != nil:
		return nil, ErrDamaged
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		return nil, ErrDamaged
	}
	return plain, nil
}

// readOwn returns the bytes of a file of the caller. Errors: [fs.ErrNotExist], [ErrDamaged], [ErrOwner].
func readOwn(path string) ([]byte, error) {
	body, err := plainfile.ReadItself(path, maxSize, checkOwner)
	switch {
	case errors.Is(err, plainfile.ErrLink), errors.Is(err, plainfile.ErrNotPlain), errors.Is(err, plainfile.ErrTooLarge):
		return nil, ErrDamaged
	case errors.Is(err, fs.ErrPermission): // to open it: it may be somebody else's
		if info, failed := os.Lstat(path); failed == nil {
			err = cmp.Or(checkOwner(info), err)
		}
	}
	return body, err
}

func checkOwner(info fs.FileInfo) error {
	if !plainfile.OwnedByCaller(info) {
		return ErrOwner
	}
	return nil
}

// makeDirectory creates the directory of the copies. In the home directory of another user, as with sudo,
// nothing is created.
func (c *Cache) makeDirectory() error {
	for above := filepath.Dir(c.o.Dir); ; above = filepath.Dir(above) {
		info, err := os.Stat(above)
		if err == nil && !plainfile.OwnedByCaller(info) {
			return &fs.PathError{Op: "use", Path: above, Err: ErrOwner}
		}
		if err == nil || above == filepath.Dir(above) {
			break
		}
	}
	if err := os.MkdirAll(c.o.Dir, 0o700); err != nil {
		return err
	}
	info, err := os.Lstat(c.o.Dir)
	switch {
	case err != nil:
		return err
	case !info.IsDir() || !plainfile.OwnedByCaller(info):
		return &fs.PathError{Op: "use", Path: c.o.Dir, Err: ErrOwner}
	case info.Mode().Perm() != 0o700:
		return os.Chmod(c.o.Dir, 0o700) //nolint:gosec // a directory
	}
	return nil
}

// Entry is one file of the cache.
type Entry struct {
	Copy
	Sealed string // where the identity is
	Err    error  // why the file can't be opened; then the rest is empty

	path string
}

// All returns what is in the cache, in the order of the names of the files.
func (c *Cache) All() ([]Entry, error) {
	files, err := os.ReadDir(c.o.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []Entry
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), suffix) {
			continue
		}
		e := Entry{path: filepath.Join(c.o.Dir, f.Name())}
		found, sealed, err := c.open(e.path)
		switch {
		case errors.Is(err, ErrNone):
			continue
		case err != nil:
			e.Err = err
		case c.path(found.Subject) != e.path:
			e.Err = ErrDamaged
		default:
			e.Copy, e.Sealed = *found, sealed
		}
		all = append(all, e)
	}
	return all, nil
}

// ForgetSessions deletes the copies of a service of a store that sessions have made, whoever's they were.
func (c *Cache) ForgetSessions(store, service string) {
	all, _ := c.All()
	for _, e := range all {
		if e.Err == nil && e.Session && e.Store == store && e.Service == service {
			_ = c.Remove(e)
		}
	}
}

// Remove deletes the file of an entry.
func (c *Cache) Remove(e Entry) error {
	_, err := remove(e.path)
	return err
}

// Sweep deletes the copies that are too old to be used, and what was left when a program was killed
// while it wrote one.
func (c *Cache) Sweep(now time.Time) {
	all, _ := c.All()
	for _, e := range all {
		if e.Err == nil && now.After(e.Expires()) {
			_ = c.Remove(e)
		}
	}
	files, _ := os.ReadDir(c.o.Dir)
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			continue
		}
		age := now.Sub(info.ModTime())
		left := strings.HasSuffix(f.Name(), ".tmp") && age > time.Hour // it exists for a moment
		if left || strings.HasSuffix(f.Name(), suffix) && age > Longest {
			_ = os.Remove(filepath.Join(c.o.Dir, f.Name()))
		}
	}
}

// Clear deletes every file of the cache, and the identity.
func (c *Cache) Clear() error {
	files, err := os.ReadDir(c.o.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	errs := []error{err}
	for _, f := range files {
		_, err := remove(filepath.Join(c.o.Dir, f.Name()))
		errs = append(errs, err)
	}
	return errors.Join(append(errs, c.destroyIdentity())...)
}
