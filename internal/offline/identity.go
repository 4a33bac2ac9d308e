package offline

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"

	"github.com/coffer-secrets/coffer/internal/outfile"
)

// keyring keeps one text in a store of the system that asks nobody. The errors of get are errNoKey, and
// any other if the keyring can't be used.
type keyring interface {
	get() (string, error)
	set(text string) error // also prolongs the life of a key that ends
	remove() error
	String() string
}

var errNoKey = errors.New("no key in the keyring")

// held is an identity, and where it is.
type held struct {
	*age.X25519Identity
	from string
}

// identities returns the identities that can open a copy. There may be two: a keyring that works now may
// have been missing when a copy was made. The error is [ErrSealed] if there is none.
func (c *Cache) identities() ([]held, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.found) > 0 {
		return c.found, nil
	}
	var all []held
	if id := c.inKeyring(); id != nil {
		all = append(all, held{id, c.ring.String()})
	}
	switch id, err := c.identityInFile(); {
	case err == nil:
		all = append(all, held{id, c.o.KeyFile})
	case !errors.Is(err, fs.ErrNotExist) && len(all) == 0:
		return nil, err
	}
	if len(all) == 0 {
		return nil, ErrSealed
	}
	c.found = all
	return all, nil
}

// identityToSeal returns the identity for new copies, and creates it if there is none.
func (c *Cache) identityToSeal() (*age.X25519Identity, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.found = nil
	if id := c.inKeyring(); id != nil {
		_ = c.ring.set(id.String())
		return id, nil
	}
	unlock, err := lock(filepath.Join(c.o.Dir, "lock")) // two identities made at once would lose a copy
	if err != nil {
		return nil, err
	}
	defer unlock()
	if id := c.inKeyring(); id != nil {
		return id, nil
	}
	fresh, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, err
	}
	if c.ring != nil && c.ring.set(fresh.String()) == nil {
		if id := c.inKeyring(); id != nil && id.String() == fresh.String() {
			return id, nil
		}
	}
	id, err := c.identityInFile()
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrDamaged) {
		return id, err
	}
	if err := os.MkdirAll(filepath.Dir(c.o.KeyFile), 0o700); err != nil {
		return nil, err
	}
	return fresh, outfile.Write(c.o.KeyFile, []byte(fresh.String()+"\n"))
}

// inKeyring returns the identity in the keyring, or nil.
func (c *Cache) inKeyring() *age.X25519Identity {
	if c.ring == nil {
		return nil
	}
	text, err := c.ring.get()
	if err != nil {
		return nil
	}
	id, err := age.ParseX25519Identity(text)
	if err != nil { // its text would quote the identity
		return nil
	}
	return id
}

// identityInFile reads the identity of the file. Errors: [fs.ErrNotExist], [ErrDamaged], [ErrOwner].
func (c *Cache) identityInFile() (*age.X25519Identity, error) {
	text, err := readOwn(c.o.KeyFile)
	if err != nil {
		return nil, err
	}
	id, err := age.ParseX25519Identity(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, ErrDamaged
	}
	return id, nil
}

// destroyIdentity deletes the identity, so that no copy of a copy can be opened.
func (c *Cache) destroyIdentity() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.found = nil
	var errs []error
	if c.ring != nil {
		if _, err := c.ring.get(); err == nil {
			errs = append(errs, c.ring.remove())
		}
	}
	_, err := remove(c.o.KeyFile)
	return errors.Join(append(errs, err)...)
}
