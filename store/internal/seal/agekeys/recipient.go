package agekeys

import (
	"errors"
	"fmt"
	"strings"

	"filippo.io/age"
	"filippo.io/age/plugin"
	"filippo.io/age/tag"

	"github.com/coffer-secrets/coffer/store"
)

// Recipient is a public key to which a file is sealed. It hides the labels of age's own type, with which
// age refuses to seal one file to keys of different strength: what a member of a team can open is
// decided by the team.
type Recipient struct {
	age.Recipient // only Wrap, whatever the type behind it has
	text, comment string
}

// Wrap implements [age.Recipient]. It is here so that a type's WrapWithLabels isn't promoted.
func (r Recipient) Wrap(fileKey []byte) ([]*age.Stanza, error) { return r.Recipient.Wrap(fileKey) }

// String returns the recipient in one spelling: two texts of the same key are equal.
func (r Recipient) String() string { return r.text }

// Comment returns the comment of an SSH public key, or the one word in the comment line before another key, such as
// "ann@laptop"; "" if there is none.
func (r Recipient) Comment() string { return r.comment }

// recipientLimit is more than any recipient has: an RSA key of 16,384 bits takes 2,800 characters.
const recipientLimit = 8 << 10

// ParseRecipient parses a recipient: "age1...", "age1pq1...", that of a plugin, or an SSH public key. text
// may be the content of a .pub file or of a file of recipients, but must have exactly one. The
// error is a [store.ErrInvalid], and never quotes text: it may be a private key.
func ParseRecipient(text string, ui UI) (Recipient, error) {
	var found, name string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "":
		case strings.HasPrefix(line, "#"):
			if words := strings.Fields(line[1:]); len(words) == 1 && found == "" {
				name = words[0]
			}
		case strings.HasPrefix(line, "AGE-") || strings.HasPrefix(line, "-----BEGIN"):
			return Recipient{}, fmt.Errorf("%w: this is a private key, not a recipient: give the public part, which begins with age1 or ssh-", store.ErrInvalid)
		case found != "":
			return Recipient{}, fmt.Errorf("%w: there is more than one recipient: give one", store.ErrInvalid)
		default:
			found = line
		}
	}
	if found == "" {
		return Recipient{}, fmt.Errorf("%w: the recipient is empty", store.ErrInvalid)
	}
	r, err := parseOne(found, ui)
	if err != nil {
		return Recipient{}, fmt.Errorf("%w: this is not a recipient: %w", store.ErrInvalid, err)
	}
	if r.comment == "" {
		r.comment = name
	}
	return r, nil
}

func parseOne(text string, ui UI) (Recipient, error) {
	if len(text) > recipientLimit {
		return Recipient{}, errors.New("it is too long")
	}
	damaged := errors.New("it is incomplete or mistyped")
	keep := func(r age.Recipient, err error) (Recipient, error) {
		if err != nil {
			return Recipient{}, damaged
		}
		return Recipient{Recipient: r, text: text}, nil // bech32 has one spelling in lower case
	}
	switch {
	case strings.HasPrefix(text, "ssh-") || strings.HasPrefix(text, "ecdsa-") || strings.HasPrefix(text, "sk-"):
		return parseSSH(text)
	case strings.HasPrefix(text, "age1tag1"), strings.HasPrefix(text, "age1tagpq1"):
		r, err := tag.ParseRecipient(text)
		return keep(r, err)
	case strings.HasPrefix(text, "age1pq1"):
		r, err := age.ParseHybridRecipient(text)
		return keep(r, err)
	case strings.HasPrefix(text, "age1") && strings.Count(text, "1") > 1:
		name, _, err := plugin.ParseRecipient(text)
		if err != nil {
			return Recipient{}, damaged
		}
		return Recipient{Recipient: pluginRecipient{name, text, ui}, text: text}, nil
	case strings.HasPrefix(text, "age1"):
		r, err := age.ParseX25519Recipient(text)
		return keep(r, err)
	}
	return Recipient{}, errors.New("it begins neither with age1 nor with ssh-ed25519 or ssh-rsa")
}
