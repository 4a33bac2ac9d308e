// Package kmsd is a key service for test servers: named keys in memory that can be denied, disabled
// and deleted while the server runs. It implements the part of KES that MinIO uses, and issues OIDC
// tokens for web identity sessions.
package kmsd

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// State is the state of a key.
type State string

// The states of a key.
const (
	Enabled  State = "enabled"
	Disabled State = "disabled"
	Denied   State = "denied" // denied to the server, for every caller
	Deleted  State = "deleted"
)

// The errors of keys.
var (
	ErrNotFound   = errors.New("key does not exist")
	ErrExists     = errors.New("key already exists")
	ErrNotAllowed = errors.New("not authorized: insufficient permissions") // denied or disabled: KES has one error for both
	ErrCiphertext = errors.New("decryption failed: ciphertext is not authentic")
)

// Keys stores keys by name. The zero value is empty and ready to use. All methods are safe for
// concurrent use.
type Keys struct {
	mu    sync.Mutex
	keys  map[string]*key
	calls map[string]int
}

type key struct {
	material [sha256.Size]byte
	state    State
}

// NewKeys returns enabled keys with these names.
func NewKeys(names ...string) *Keys {
	k := &Keys{}
	for _, name := range names {
		_ = k.Create(name) // the same name twice is one key
	}
	return k
}

// Create creates an enabled key. The same name always gets the same key material, so that a
// restarted server can decrypt what it encrypted before. The error is [ErrExists] if the key
// exists.
func (k *Keys) Create(name string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keys[name] != nil {
		return ErrExists
	}
	if k.keys == nil {
		k.keys = map[string]*key{}
	}
	k.keys[name] = &key{material: sha256.Sum256([]byte("material of " + name)), state: Enabled}
	return nil
}

// SetState changes the state of a key, from the next request on. The error is [ErrNotFound] if the
// key doesn't exist. An unknown state is an error too.
func (k *Keys) SetState(name string, s State) error {
	if !slices.Contains([]State{Enabled, Disabled, Denied, Deleted}, s) {
		return fmt.Errorf("%q is no state of a key", s)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keys[name] == nil {
		return ErrNotFound
	}
	k.keys[name].state = s
	return nil
}

// State returns the state of a key. The error is [ErrNotFound] if the key doesn't exist.
func (k *Keys) State(name string) (State, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keys[name] == nil {
		return "", ErrNotFound
	}
	return k.keys[name].state, nil
}

// Calls returns how often each operation was called: "generate", "decrypt", ...
func (k *Keys) Calls() map[string]int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.calls)
}

func (k *Keys) count(operation string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.calls == nil {
		k.calls = map[string]int{}
	}
	k.calls[operation]++
}

func (k *Keys) names() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Sorted(maps.Keys(k.keys))
}

// usable returns the key if it is enabled.
func (k *Keys) usable(name string) (*key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	found := k.keys[name]
	switch {
	case found == nil, found.state == Deleted:
		return nil, ErrNotFound
	case found.state != Enabled:
		return nil, ErrNotAllowed
	}
	return found, nil
}

// seal encrypts with associated data, which open needs to decrypt.
func (k *key) seal(plaintext, associated []byte) []byte {
	aead := k.aead()
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails: crypto/rand crashes the program instead
	return aead.Seal(nonce, nonce, plaintext, associated)
}

func (k *key) open(ciphertext, associated []byte) ([]byte, error) {
	aead := k.aead()
	if len(ciphertext) < aead.NonceSize() {
		return nil, ErrCiphertext
	}
	nonce, sealed := ciphertext[:aead.NonceSize()], ciphertext[aead.NonceSize():]
	plaintext, err := aead.Open(nil, nonce, sealed, associated)
	if err != nil {
		return nil, ErrCiphertext
	}
	return plaintext, nil
}

func (k *key) aead() cipher.AEAD {
	block, err := aes.NewCipher(k.material[:])
	if err != nil {
		panic(err) // 32 bytes are a valid AES-256 key
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // AES has blocks of 16 bytes
	}
	return aead
}

func (k *key) hmac(message []byte) []byte {
	mac := hmac.New(sha256.New, k.material[:])
	mac.Write(message)
	return mac.Sum(nil)
}
