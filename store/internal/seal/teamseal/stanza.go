package teamseal

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"filippo.io/age"
	"golang.org/x/crypto/chacha20poly1305"
)

const (
	// KeySize is the size of an alias key in bytes.
	KeySize = 32

	stanzaType  = "coffer-alias"
	saltSize    = 32
	fileKeySize = 16
	keyIDSize   = 16
	wrapLabel   = "coffer alias key wrap"
	keyIDLabel  = "coffer alias key id"
)

// Key is an alias key.
type Key struct {
	Alias  string
	ID     string // [KeyID] of the others
	Secret [KeySize]byte
}

// NewKey returns a random key.
func NewKey(alias string) Key {
	k := Key{Alias: alias}
	_, _ = rand.Read(k.Secret[:]) // never fails: crypto/rand ends the program instead
	k.ID = KeyID(alias, k.Secret)
	return k
}

// Format hides the key from every way of printing in Go.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.ID) }

// KeyID returns the id of an alias key: the first 16 bytes of an HMAC of the alias under it, in
// hexadecimal digits. So nobody can make another key with the same id, and the keys of two aliases have
// different ones.
func KeyID(alias string, secret [KeySize]byte) string {
	mac := hmac.New(sha256.New, secret[:])
	mac.Write(withLength([]byte(keyIDLabel), alias))
	return hex.EncodeToString(mac.Sum(nil)[:keyIDSize])
}

func isKeyID(s string) bool {
	return len(s) == 2*keyIDSize && strings.Trim(s, "0123456789abcdef") == ""
}

// Stanza is the stanza of a sealed object. Nothing in it is authenticated before [Stanza.Unwrap].
type Stanza struct {
	Alias, KeyID, Name string

	salt, wrapped []byte
}

var errStanza = errors.New("not a valid stanza of a team's key")

// ParseStanza parses a stanza of an age header. Its errors quote nothing of it.
func ParseStanza(s *age.Stanza) (Stanza, error) {
	if s.Type != stanzaType || len(s.Args) != 4 || len(s.Body) != fileKeySize+chacha20poly1305.Overhead || !isKeyID(s.Args[1]) {
		return Stanza{}, errStanza
	}
	alias, err := unescape(s.Args[0])
	if err != nil {
		return Stanza{}, err
	}
	name, err := unescape(s.Args[3])
	if err != nil {
		return Stanza{}, err
	}
	salt, err := base64.RawStdEncoding.Strict().DecodeString(s.Args[2])
	if err != nil || len(salt) != saltSize || base64.RawStdEncoding.EncodeToString(salt) != s.Args[2] { // Go's decoder passes over line breaks
		return Stanza{}, errStanza
	}
	return Stanza{Alias: alias, KeyID: s.Args[1], Name: name, salt: salt, wrapped: s.Body}, nil
}

// unescape accepts only what [url.PathEscape] writes, so that a stanza has one form.
func unescape(word string) (string, error) {
	text, err := url.PathUnescape(word)
	if err != nil || text == "" || url.PathEscape(text) != word {
		return "", errStanza
	}
	return text, nil
}

// Unwrap returns the file key. It fails unless the stanza was made with the key, for the alias and
// the name that it has.
func (s Stanza) Unwrap(k Key) ([]byte, error) {
	aead, err := wrapper(k, s.salt)
	if err != nil {
		return nil, err
	}
	var nonce [chacha20poly1305.NonceSize]byte
	return aead.Open(nil, nonce[:], s.wrapped, boundTo(s.Alias, s.KeyID, s.Name))
}

// wrap returns the stanza for a file key of an object.
func wrap(k Key, name string, fileKey []byte) (*age.Stanza, error) {
	var salt [saltSize]byte
	_, _ = rand.Read(salt[:]) // never fails
	aead, err := wrapper(k, salt[:])
	if err != nil {
		return nil, err
	}
	var nonce [chacha20poly1305.NonceSize]byte // each salt makes a key that is used once
	return &age.Stanza{
		Type: stanzaType,
		Args: []string{url.PathEscape(k.Alias), k.ID, base64.RawStdEncoding.EncodeToString(salt[:]), url.PathEscape(name)},
		Body: aead.Seal(nil, nonce[:], fileKey, boundTo(k.Alias, k.ID, name)),
	}, nil
}

func wrapper(k Key, salt []byte) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, k.Secret[:], salt, wrapLabel, chacha20poly1305.KeySize)
	if err != nil {
		return nil, err
	}
	return chacha20poly1305.New(key)
}

// boundTo returns the additional data of a wrap.
func boundTo(alias, keyID, name string) []byte {
	return withLength(withLength(withLength(nil, alias), keyID), name)
}

// withLength appends the length of a text in bytes, as a big-endian number of eight, and the text.
func withLength(to []byte, text string) []byte {
	return append(binary.BigEndian.AppendUint64(to, uint64(len(text))), text...)
}
