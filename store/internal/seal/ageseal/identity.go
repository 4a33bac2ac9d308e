package ageseal

import (
	"errors"
	"sync"

	"filippo.io/age"
)

// identity is one identity of a file.
type identity struct {
	age.Identity
	public func() age.Recipient
	id     func() string // names it in a [bucket.Seal]
}

// idSize is the size of the id of a hybrid identity. The whole recipient has 1,959 characters, too
// many for a table or an error. Its first ones find its file: "grep ID KEYDIR/*".
const idSize = 32

// newIdentity returns an identity that age has parsed; nil if it is of a type that has no recipient
// here.
func newIdentity(parsed age.Identity) *identity {
	var public func() age.Recipient
	switch i := parsed.(type) {
	case *age.X25519Identity:
		public = func() age.Recipient { return i.Recipient() }
	case *age.HybridIdentity:
		public = func() age.Recipient { return i.Recipient() }
	default:
		return nil
	}
	return &identity{parsed, public, sync.OnceValue(func() string { return idOf(public()) })}
}

// idOf returns the recipient as age writes it, or if it is a hybrid one, the beginning of that.
func idOf(r age.Recipient) string {
	switch r := r.(type) {
	case *age.HybridRecipient:
		return r.String()[:idSize]
	case *age.X25519Recipient:
		return r.String()
	}
	return ""
}

// anyOf is the identities of files as one, which remembers the one that matched: an age header does
// not name its recipient.
type anyOf struct {
	files   []identityFile
	matched *identity
}

// Unwrap implements [age.Identity].
func (a *anyOf) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	for _, file := range a.files {
		for _, identity := range file.identities {
			key, err := identity.Unwrap(stanzas)
			if errors.Is(err, age.ErrIncorrectIdentity) {
				continue
			}
			a.matched = identity
			return key, err
		}
	}
	return nil, age.ErrIncorrectIdentity
}
