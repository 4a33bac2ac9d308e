package ageseal

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"filippo.io/age"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/files"
	"github.com/coffer-secrets/coffer/store/internal/seal"
)

const (
	identitySuffix = ".age"
	aliasComment   = "# alias: "
)

// keyring is a directory of identity files. For reads, it parses them once. A put reads its
// identity file each time, so that nothing is encrypted to an identity that was removed.
type keyring struct {
	dir     string
	created func(alias, path string) // may be nil

	mu     sync.Mutex
	loaded bool
	files  []identityFile
}

// identityFile is one file of the key directory, as age-keygen would write it. All its identities
// decrypt objects; the first one encrypts. fault is the error if the file could not be used.
type identityFile struct {
	alias      string // from its comment; "" if it has none
	identities []*identity
	fault      error
}

// forAlias returns the identity of alias, and creates it if there is none.
func (k *keyring) forAlias(alias string) (*identity, error) {
	if alias == "" {
		return nil, seal.Fault{Err: bucket.ErrRefused, Reason: "no alias to encrypt the object under"}
	}
	if !namesFile(alias) {
		return nil, seal.Fault{Err: bucket.ErrRefused, Reason: fmt.Sprintf("no identity file can be named after %q", alias)}
	}
	if k.dir == "" {
		return nil, keyFault("no key directory is configured")
	}
	if err := checkKeyDirectory(k.dir); err != nil {
		return nil, err
	}
	path := k.path(alias)
	file := readIdentityFile(path)
	if errors.Is(file.fault, fs.ErrNotExist) {
		if err := k.create(path, alias); err != nil {
			return nil, err
		}
		file = readIdentityFile(path)
	}
	switch {
	case file.fault != nil:
		return nil, file.fault
	case file.alias != "" && file.alias != alias:
		return nil, keyFault(fmt.Sprintf("%s holds the identity of %s; %s would have the same file name", path, file.alias, alias))
	}
	return file.identities[0], nil
}

// path returns the path of an alias's identity file.
func (k *keyring) path(alias string) string {
	return filepath.Join(k.dir, strings.ReplaceAll(alias, "/", "_")+identitySuffix)
}

// known returns the id of an alias's identity. An id or a whole recipient whose identity exists here
// returns its id, and others return "". Unlike forAlias it creates nothing.
func (k *keyring) known(name string) (string, error) {
	if namesFile(name) && strings.Contains(name, "/") {
		file := readIdentityFile(k.path(name))
		switch {
		case errors.Is(file.fault, fs.ErrNotExist), file.fault == nil && file.alias != "" && file.alias != name:
			return "", nil
		case file.fault != nil:
			return "", file.fault
		}
		return file.identities[0].id(), nil
	}
	found, _, err := k.load(false)
	for _, file := range found {
		for _, identity := range file.identities {
			if id := identity.id(); id == name || strings.HasPrefix(name, id) && fmt.Sprint(identity.public()) == name {
				return id, nil
			}
		}
	}
	return "", err
}

// create creates an identity file. It is complete and on the disk before it gets its name. If two
// processes create one at the same time, the first link wins.
func (k *keyring) create(path, alias string) error {
	identity, err := age.GenerateHybridIdentity()
	if err != nil {
		return err
	}
	if err := files.MakeDirectory(k.dir); err != nil {
		return err
	}
	root, err := os.OpenRoot(k.dir)
	if err != nil {
		return &files.Unusable{Dir: k.dir, Err: err}
	}
	defer shut(root)
	text := fmt.Sprintf("%s%s\n# public key: %s\n%s\n", aliasComment, alias, identity.Recipient(), identity)
	temp := "~" + rand.Text()
	defer func() { _ = root.Remove(temp) }()
	if _, err := files.Write(root, temp, []byte(text)); err != nil {
		return err
	}
	err = root.Link(temp, filepath.Base(path))
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err == nil && k.created != nil {
		k.created(alias, path)
	}
	return files.SyncDirectory(root, ".")
}

// first calls try with all identities and returns the one that matched. If none matches, it reads
// the directory again: another process may have created an identity.
func (k *keyring) first(try func(age.Identity) error) (*identity, error) {
	for again := false; ; again = true {
		found, fresh, err := k.load(again)
		if err != nil {
			return nil, err
		}
		all := &anyOf{files: found}
		err = try(all)
		switch mismatch := (*age.NoIdentityMatchError)(nil); {
		case err == nil:
			return all.matched, nil
		case !errors.As(err, &mismatch):
			return nil, seal.Fault{Err: bucket.ErrTorn, Reason: "the file is incomplete, or not encrypted with age"} // age's error would quote a line of the file
		case fresh:
			return nil, k.noneFits(found)
		}
	}
}

// noneFits returns the error about an object that no identity decrypts.
func (k *keyring) noneFits(found []identityFile) error {
	for _, file := range found {
		if file.fault != nil {
			return file.fault
		}
	}
	return seal.Fault{Err: bucket.ErrDenied, Code: store.CodeNoIdentity, Reason: "no identity in " + k.dir + " opens it"}
}

// load returns the identity files in the order of their names, and whether they were read just now.
func (k *keyring) load(again bool) (found []identityFile, fresh bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.loaded && !again {
		return k.files, false, nil
	}
	if err := checkKeyDirectory(k.dir); err != nil {
		return nil, false, err
	}
	paths, err := identityPaths(k.dir)
	if err != nil {
		return nil, false, err
	}
	for _, path := range paths {
		if file := readIdentityFile(path); !errors.Is(file.fault, fs.ErrNotExist) {
			found = append(found, file)
		}
	}
	k.files, k.loaded = found, true
	return found, true, nil
}

func identityPaths(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if files.Missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), identitySuffix) && !strings.HasPrefix(e.Name(), "~") {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return slices.Clip(paths), nil
}

// checkKeyDirectory refuses a key directory in which other users can create identities: new secrets
// would be encrypted to theirs. A directory that does not exist yet is created with mode 0700
// later.
func checkKeyDirectory(dir string) error {
	stat, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return &files.Unusable{Dir: dir, Err: err}
	case !stat.IsDir():
		return keyFault(fmt.Sprintf("the key directory %s is %s", dir, kindOfFile(stat.Mode())))
	case files.Foreign(stat):
		return keyFault(fmt.Sprintf("the key directory %s belongs to another user: chown %d %s", dir, os.Geteuid(), dir))
	case files.WritableByOthers(stat.Mode()):
		return keyFault(fmt.Sprintf("others can write to the key directory %s (mode %04o): chmod go-w %s", dir, stat.Mode().Perm(), dir))
	}
	return nil
}

// readIdentityFile reads an identity file that only its owner can read. Its errors don't quote what
// cannot be parsed, as it may be most of a key.
func readIdentityFile(path string) identityFile {
	text, err := readPrivately(path)
	if err != nil {
		return identityFile{fault: err}
	}
	parsed, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil {
		return identityFile{fault: keyFault(path + " is not a file of age identities")}
	}
	file := identityFile{alias: aliasIn(string(text))}
	for _, p := range parsed {
		if identity := newIdentity(p); identity != nil {
			file.identities = append(file.identities, identity)
		}
	}
	if len(file.identities) == 0 {
		file.fault = keyFault(path + " contains no X25519 or hybrid identity")
	}
	return file
}

// readPrivately returns the content of a file that belongs to the caller and no other user can
// read. It reads regular files only: a FIFO would wait for a writer.
func readPrivately(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|files.WithoutWaiting, 0)
	if err != nil {
		return nil, unopened(path, err)
	}
	defer shut(f)
	stat, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !stat.Mode().IsRegular():
		return nil, notAFile(path, stat.Mode())
	case files.Foreign(stat):
		return nil, keyFault(fmt.Sprintf("%s belongs to another user: chown %d %s", path, os.Geteuid(), path))
	case files.Exposed(stat.Mode()):
		return nil, keyFault(fmt.Sprintf("%s can be read by others (mode %04o): chmod 600 %s", path, stat.Mode().Perm(), path))
	}
	return io.ReadAll(f)
}

// unopened explains why a file could not be opened: it is a socket, or a link to a missing file.
func unopened(path string, err error) error {
	if stat, failed := os.Lstat(path); failed == nil && !stat.Mode().IsRegular() {
		if target, failed := os.Stat(path); failed == nil {
			stat = target
		} else if files.Missing(failed) {
			return keyFault(fmt.Sprintf("%s is a broken symbolic link: remove it, or restore its target", path))
		}
		if !stat.Mode().IsRegular() && stat.Mode()&os.ModeSymlink == 0 {
			return notAFile(path, stat.Mode())
		}
	}
	return err
}

func notAFile(path string, mode os.FileMode) error {
	return keyFault(fmt.Sprintf("%s is %s, not a file of age identities: move it out of the key directory", path, kindOfFile(mode)))
}

func kindOfFile(mode os.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode.IsRegular():
		return "a file"
	case mode&os.ModeNamedPipe != 0:
		return "a FIFO"
	case mode&os.ModeSocket != 0:
		return "a socket"
	case mode&os.ModeDevice != 0:
		return "a device"
	}
	return "something else"
}

// aliasIn returns the alias in the comment of an identity file; "" if there is none.
func aliasIn(text string) string {
	for line := range strings.Lines(text) {
		if alias, ok := strings.CutPrefix(line, aliasComment); ok {
			return strings.TrimSpace(alias)
		}
	}
	return ""
}

// namesFile reports whether an alias can be converted to the name of an identity file.
func namesFile(alias string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	for part := range strings.SplitSeq(alias, "/") {
		if part == "" || strings.Trim(part, letters+"0123456789_-") != "" {
			return false
		}
	}
	return true
}

// shut closes a file that was only read, or whose close cannot lose data.
func shut(c io.Closer) { _ = c.Close() }
