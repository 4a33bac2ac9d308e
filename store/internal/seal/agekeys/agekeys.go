// Package agekeys has the age keys of people and machines: identities, which open a file, and
// recipients, to which a file is sealed. They are age's own keys (X25519 and the hybrid of X25519 and
// ML-KEM), SSH keys (ed25519 and RSA) and those of age plugins.
package agekeys

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"filippo.io/age"

	"github.com/coffer-secrets/coffer/store"
)

// ErrNoIdentity means that there is no identity: no file, and no text. It is a [store.ErrConfiguration].
var ErrNoIdentity = fmt.Errorf("%w: no age identity", store.ErrConfiguration)

// Options say where the identities are. Text comes first; File is read if it is empty.
type Options struct {
	Text string // identities as an identity file has them, or an SSH private key
	From string // what errors call Text: "$COFFER_AGE_IDENTITY"
	File string // an identity file of age, also with a passphrase, or an SSH private key
	UI   UI
}

// Keyring has the identities of one person or machine. It reads them when they are first needed, and
// asks for a passphrase once. It is safe for concurrent use; one identity works at a time, as a person
// answers one question at a time.
type Keyring struct {
	o Options

	load func() ([]identity, error)
	mu   sync.Mutex // of the identities that may ask
}

// New returns a keyring. It reads nothing.
func New(o Options) *Keyring {
	k := &Keyring{o: o}
	k.load = sync.OnceValues(func() ([]identity, error) {
		all, err := k.read()
		slices.SortStableFunc(all, func(a, b identity) int { return int(a.kind) - int(b.kind) })
		return all, err
	})
	return k
}

// kind orders identities: the ones that ask nobody come first.
type kind int

const (
	native kind = iota
	ssh
	plugged
)

// identity is an identity with the recipient that belongs to it.
type identity struct {
	age.Identity
	kind      kind
	recipient string // "" if it can't be told, as of a plugin
}

// Identities returns the identities in the order in which they are to be tried: age's own, SSH keys,
// plugins. An identity that fails says "not for me", so that the next one is tried: [Failure] has the
// reason. The error is a [store.ErrConfiguration]; it quotes nothing of a key.
func (k *Keyring) Identities() ([]age.Identity, error) {
	all, err := k.load()
	if err != nil {
		return nil, err
	}
	out := make([]age.Identity, len(all))
	for i, id := range all {
		out[i] = id.Identity
	}
	return out, nil
}

// Recipients returns the recipients of the identities, as [Recipient.String] has them. Those of a plugin
// are only known if the identity file has them in a comment, as plugins write it.
func (k *Keyring) Recipients() ([]string, error) {
	all, err := k.load()
	if err != nil {
		return nil, err
	}
	var out []string
	for _, id := range all {
		if id.recipient != "" {
			out = append(out, id.recipient)
		}
	}
	return out, nil
}

// String says where the identities come from.
func (k *Keyring) String() string {
	if k.o.Text != "" {
		return k.o.From
	}
	return k.o.File
}

// failedError is an identity that could neither open a file nor tell that it can't. It counts as one
// that doesn't match: age.Decrypt would end with any other error, although the next identity may open
// the file.
type failedError struct{ reason error }

func (e *failedError) Error() string { return e.reason.Error() }

func (e *failedError) Unwrap() []error {
	if errors.Is(e.reason, ErrNotAsked) {
		return []error{age.ErrIncorrectIdentity, ErrNotAsked}
	}
	return []error{age.ErrIncorrectIdentity}
}

// Failure returns why identities failed, if err is what age.Decrypt returned about identities of a
// [Keyring]; "" if none of them did. It contains text of plugins: escape it before printing. The error is
// [ErrNotAsked] if one failed for that.
func Failure(err error) string {
	if failed := (*failedError)(nil); errors.As(err, &failed) {
		return failed.reason.Error()
	}
	return ""
}

// guarded is an identity that may ask, or run a program: one at a time, and once it has failed, not
// again.
type guarded struct {
	age.Identity
	mu     *sync.Mutex
	reason func(err error) error
	ended  func() error // the error of a person who gave no answer, with which all ends; nil: nobody is asked
	failed error
}

func (g *guarded) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failed != nil {
		return nil, g.failed
	}
	key, err := g.Identity.Unwrap(stanzas)
	if err == nil || errors.Is(err, age.ErrIncorrectIdentity) {
		return key, err
	}
	if g.failed = nil; g.ended != nil {
		g.failed = g.ended()
	}
	if g.failed == nil {
		g.failed = &failedError{g.reason(err)}
	}
	return nil, g.failed
}
