package store

import (
	"fmt"
	"log/slog"
)

// Salt is a random text that a store keeps with each version of a secret, and as secretly: only who can read
// the value has it. It keys the fingerprint of the version. A fingerprint doesn't help to guess the value
// as long as the salt is unknown, so it prints as "[redacted]". Equal salts are ==.
type Salt struct{ text string }

// NewSalt makes a Salt of a text; of "" the zero Salt, which is none.
func NewSalt(text string) Salt { return Salt{text} }

// Reveal returns the text.
func (s Salt) Reveal() string { return s.text }

// String returns "[redacted]".
func (Salt) String() string { return redacted }

// GoString returns "[redacted]".
func (Salt) GoString() string { return redacted }

// Format prints "[redacted]" for every verb.
func (Salt) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue returns "[redacted]".
func (Salt) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns "[redacted]", for JSON too.
func (Salt) MarshalText() ([]byte, error) { return []byte(redacted), nil }
