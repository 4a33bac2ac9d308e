// Package kmsd is a key service for test servers: named keys in memory that can be denied,
// disabled and deleted while the server runs. It speaks as much of KES as MinIO asks for,
// and issues OIDC tokens for the sessions of web identities.
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

// State is what a key can be used for.
type State string

// The states of a key.
const (
	Enabled  State = "enabled"
	Disabled State = "disabled"
	Denied   State = "denied" // to the server, whoever asks it
	Deleted  State = "deleted"
)

// The ways in which a key is refused.
var (
	ErrNotFound   = errors.New("key does not exist")
	ErrExists     = errors.New("key already exists")
	ErrNotAllowed = errors.New("not authorized: insufficient permissions") // denied, or disabled: KES has one word for both
	ErrCiphertext = errors.New("decryption failed: ciphertext is not authentic")
)

// Keys holds keys by name. The zero value is empty and ready; all methods are safe for
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

// NewKeys returns keys with these names, enabled.
func NewKeys(names ...string) *Keys {
	k := &Keys{}
	for _, name := range names {
		_ = k.Create(name) // a name given twice is one key
	}
	return k
}

// Create makes an enabled key. The same name always gets the same material, so that what a
// server sealed can be opened after a restart. [ErrExists].
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

// SetState changes what a key can be used for from the next request on. [ErrNotFound]; an
// unknown state is an error.
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

// State returns the state of a key. [ErrNotFound].
func (k *Keys) State(name string) (State, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keys[name] == nil {
		return "", ErrNotFound
	}
	return k.keys[name].state, nil
}

// Calls returns how often each operation was asked for: "generate", "decrypt", ...
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

// usable returns a key that may be used now.
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

// seal encrypts with associated data, which open demands again.
func (k *key) seal(plaintext, associated []byte) []byte {
	aead := k.aead()
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails: crypto/rand ends the program instead
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
		panic(err) // 32 bytes are a key of AES-256
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
