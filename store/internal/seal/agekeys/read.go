package agekeys

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"unicode/utf8"

	"filippo.io/age"
	"filippo.io/age/armor"
	"filippo.io/age/plugin"

	"github.com/coffer-secrets/coffer/internal/plainfile"
	"github.com/coffer-secrets/coffer/store"
)

// fileLimit is more than any identity file has.
const fileLimit = 1 << 20

func (k *Keyring) read() ([]identity, error) {
	if k.o.Text != "" {
		return k.parse([]byte(k.o.Text), k.o.From, "")
	}
	if k.o.File == "" {
		return nil, ErrNoIdentity
	}
	text, err := readPrivate(k.o.File)
	if err != nil {
		return nil, err
	}
	return k.parse(text, k.o.File, k.o.File)
}

// readPrivate returns the content of a file that belongs to the caller and that no other user can read. It
// follows links, and reads plain files only.
func readPrivate(path string) ([]byte, error) {
	text, err := plainfile.ReadChecked(path, fileLimit, func(info fs.FileInfo) error { return checkPrivate(path, info) })
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		if public, readErr := plainfile.Read(path, fileLimit); readErr == nil && isPublic(public) { // everybody may read it
			return nil, publicKey(path)
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %s doesn't exist", ErrNoIdentity, path)
	case errors.Is(err, store.ErrConfiguration):
		return nil, err
	case errors.Is(err, plainfile.ErrTooLarge):
		return nil, notIdentities(path)
	case err != nil:
		return nil, fmt.Errorf("%w: the identity: %w", store.ErrConfiguration, err)
	}
	return text, nil
}

// isPublic reports whether a file has a recipient or the public part of an SSH key, and nothing before it.
func isPublic(text []byte) bool {
	text = bytes.TrimSpace(text)
	for _, begin := range []string{"age1", "ssh-", "ecdsa-", "sk-ssh-"} {
		if bytes.HasPrefix(text, []byte(begin)) {
			return true
		}
	}
	return false
}

// publicKey returns the error of a public key in the place of an identity.
func publicKey(path string) error {
	if private, ok := strings.CutSuffix(path, ".pub"); ok {
		return fmt.Errorf("%w: %s is the public key: name the private one, %s", store.ErrConfiguration, path, private)
	}
	return fmt.Errorf("%w: %s is a public key: name the file of the private one, which begins with AGE-SECRET-KEY or -----BEGIN", store.ErrConfiguration, path)
}

// Fingerprint tells the identities of o apart from any others, without asking anybody. Nothing of a key follows
// from it. An identity file that is encrypted anew has another fingerprint. Errors are those of
// [Keyring.Identities] about the file.
func Fingerprint(o Options) (string, error) {
	text := []byte(o.Text)
	var err error
	switch {
	case o.Text != "":
	case o.File == "":
		err = ErrNoIdentity
	default:
		text, err = readPrivate(o.File)
	}
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(append([]byte("age identities\n"), bytes.TrimSpace(text)...))
	return hex.EncodeToString(sum[:16]), nil
}

func notIdentities(from string) error {
	return fmt.Errorf("%w: %s is neither a file of age identities nor an SSH private key", store.ErrConfiguration, from)
}

// parse parses the identities in text. from names it in errors; file is its path, "" if it is none. An error
// quotes nothing of it.
func (k *Keyring) parse(text []byte, from, file string) ([]identity, error) {
	trimmed := bytes.TrimSpace(text)
	switch {
	case bytes.HasPrefix(text, []byte("age-encryption.org/")):
		return k.decrypt(bytes.NewReader(text), from)
	case bytes.HasPrefix(trimmed, []byte(armor.Header)):
		return k.decrypt(armor.NewReader(bytes.NewReader(trimmed)), from)
	case bytes.HasPrefix(trimmed, []byte("-----BEGIN")):
		id, err := k.sshIdentity(append(trimmed, '\n'), from, file)
		return []identity{id}, err
	case !utf8.Valid(text):
		return nil, notIdentities(from)
	case file != "" && isPublic(text):
		return nil, publicKey(from)
	}
	return k.lines(string(text), from)
}

// decrypt asks for the passphrase of an identity file.
func (k *Keyring) decrypt(sealed io.Reader, from string) ([]identity, error) {
	plain, err := age.Decrypt(sealed, &asked{ask: func() (string, error) { return k.o.UI.passphrase("Passphrase of " + from + ": ") }})
	var text []byte
	if err == nil {
		text, err = io.ReadAll(io.LimitReader(plain, fileLimit))
	}
	var mismatch *age.NoIdentityMatchError
	var silent *unanswered
	switch {
	case errors.Is(err, errWrongPassphrase):
		return nil, fmt.Errorf("%w: the passphrase of %s is wrong", store.ErrConfiguration, from)
	case errors.Is(err, ErrNotAsked), errors.As(err, &silent):
		return nil, fmt.Errorf("%w: the passphrase of %s: %w", store.ErrConfiguration, from, err)
	case errors.As(err, &mismatch):
		return nil, fmt.Errorf("%w: %s is encrypted, but not with a passphrase", store.ErrConfiguration, from)
	case err != nil:
		return nil, fmt.Errorf("%w: %s is encrypted with age, and damaged", store.ErrConfiguration, from)
	}
	return k.lines(string(text), from)
}

// asked is an identity whose passphrase is asked for, once the file turns out to have one.
type asked struct{ ask func() (string, error) }

var errWrongPassphrase = errors.New("wrong passphrase")

func (i *asked) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	if len(stanzas) != 1 || stanzas[0].Type != "scrypt" {
		return nil, age.ErrIncorrectIdentity
	}
	passphrase, err := i.ask()
	if err != nil {
		return nil, err
	}
	opens, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, errWrongPassphrase // it was empty
	}
	key, err := opens.Unwrap(stanzas)
	if errors.Is(err, age.ErrIncorrectIdentity) {
		return nil, errWrongPassphrase
	}
	return key, err
}

// lines parses the lines of an identity file. The recipient of a plugin's identity is in the comment
// before it: "# Recipient: age1yubikey1...", "# public key: age1tpm1...".
func (k *Keyring) lines(text, from string) ([]identity, error) {
	var all []identity
	var commented string
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if comment, ok := strings.CutPrefix(line, "#"); ok {
			if words := strings.Fields(comment); len(words) > 0 && strings.HasPrefix(words[len(words)-1], "age1") {
				commented = words[len(words)-1]
			}
			continue
		}
		if line == "" {
			continue
		}
		id, ok := k.line(line, commented)
		commented = ""
		if strings.HasPrefix(line, "age1") || strings.HasPrefix(line, "ssh-") {
			return nil, fmt.Errorf("%w: %s: line %d is a recipient, the public part of a key: an identity begins with AGE-", store.ErrConfiguration, from, number)
		}
		if !ok {
			return nil, fmt.Errorf("%w: %s: line %d is not an age identity", store.ErrConfiguration, from, number)
		}
		all = append(all, id)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: %s has no age identity", store.ErrConfiguration, from)
	}
	return all, nil
}

// line parses one identity. It returns no error of age's: that may quote the line.
func (k *Keyring) line(text, commented string) (identity, bool) {
	switch {
	case strings.HasPrefix(text, "AGE-SECRET-KEY-PQ-1"):
		if id, err := age.ParseHybridIdentity(text); err == nil {
			return identity{id, native, id.Recipient().String()}, true
		}
	case strings.HasPrefix(text, "AGE-SECRET-KEY-1"):
		if id, err := age.ParseX25519Identity(text); err == nil {
			return identity{id, native, id.Recipient().String()}, true
		}
	case strings.HasPrefix(text, "AGE-PLUGIN-"):
		name, _, err := plugin.ParseIdentity(text)
		if err != nil {
			break
		}
		g := &guarded{Identity: pluginIdentity{name, text, k.o.UI}, mu: &k.mu, reason: func(err error) error { return err }}
		return identity{g, plugged, commented}, true
	}
	return identity{}, false
}

// checkPrivate returns an error if a file can be read by others, or belongs to another user.
func checkPrivate(path string, info fs.FileInfo) error {
	switch {
	case !plainfile.OwnedByCaller(info):
		return fmt.Errorf("%w: the identity %s belongs to another user: chown %d %s", store.ErrConfiguration, path, os.Geteuid(), path)
	case exposed(info.Mode()):
		return fmt.Errorf("%w: the identity %s can be read by others (mode %04o): chmod 600 %s", store.ErrConfiguration, path, info.Mode().Perm(), path)
	}
	return nil
}
