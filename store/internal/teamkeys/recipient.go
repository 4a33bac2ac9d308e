package teamkeys

import (
	"errors"
	"fmt"
	"strings"

	"filippo.io/age"

	"github.com/coffer-secrets/coffer/store"
)

// Recipient is an age recipient. Its String is its only form: without a comment, in one spelling.
// [agekeys.Recipient] is one.
type Recipient interface {
	age.Recipient
	String() string
}

// ParseRecipient parses a native age recipient: age1... or age1pq1.... The error wraps
// [store.ErrInvalid], and doesn't quote the text, which may be an identity by mistake.
func ParseRecipient(text string) (Recipient, error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "age1pq1") {
		if r, err := age.ParseHybridRecipient(text); err == nil {
			return r, nil
		}
	} else if r, err := age.ParseX25519Recipient(text); err == nil {
		return r, nil
	}
	return nil, fmt.Errorf("%w: not an age recipient (age1... or age1pq1...)", store.ErrInvalid)
}

// CheckName returns an error that wraps [store.ErrInvalid] unless a member can have this name. It
// consists of letters, digits and "_.-@+:", at most 100 of them, and doesn't begin with "-".
func CheckName(name string) error {
	const marks = "_.-@+:"
	bad := strings.IndexFunc(name, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && !strings.ContainsRune(marks, r)
	})
	switch {
	case name == "":
		return fmt.Errorf("%w: the name of the member is empty", store.ErrInvalid)
	case len(name) > maxName:
		return fmt.Errorf("%w: the name of the member has %d bytes; the limit is %d", store.ErrInvalid, len(name), maxName)
	case bad >= 0:
		return fmt.Errorf("%w: member name %q: use letters, digits and %s", store.ErrInvalid, name, marks)
	case name[0] == '-':
		return fmt.Errorf("%w: member name %q begins with \"-\"", store.ErrInvalid, name)
	}
	return nil
}

// unlabelled wraps the file key for one member, and hides that the recipient is post-quantum: age
// refuses to write a file to such recipients and others, since the others are weaker. The members of
// a team hold the same key in any case, and each must be able to read it. Readers don't check labels
// (age 1.3.2 and 1.1.1, see TestAgeOpensAKeyObjectOfMixedMembers). Any other label means that the
// recipient must be alone.
type unlabelled struct {
	member string
	age.Recipient
}

const postQuantum = "postquantum"

// Wrap implements [age.Recipient].
func (u unlabelled) Wrap(fileKey []byte) (stanzas []*age.Stanza, err error) {
	labelled, ok := u.Recipient.(age.RecipientWithLabels)
	if !ok {
		stanzas, err = u.Recipient.Wrap(fileKey)
	} else {
		var labels []string
		stanzas, labels, err = labelled.WrapWithLabels(fileKey)
		for _, l := range labels {
			if err == nil && l != postQuantum {
				err = errors.New("it can't stand beside others")
			}
		}
	}
	if err != nil {
		return nil, &recipientError{u.member, err}
	}
	return stanzas, nil
}

// recipientError is the error about the recipient of a member.
type recipientError struct {
	member string
	err    error
}

func (e *recipientError) Error() string {
	return fmt.Sprintf("nothing can be encrypted for the member %s: %v", e.member, e.err)
}

func (e *recipientError) Unwrap() error { return e.err }
