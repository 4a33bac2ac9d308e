package store

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"unicode/utf8"
)

// MaxValue is the largest value that the S3 and local backends keep, in bytes.
const MaxValue = 1 << 20

const redacted = "[redacted]"

// Value is a secret's value. It never prints itself: every way that fmt, log/slog and
// the encoding packages have of turning it into text gives "[redacted]". Only
// [Value.Reveal] tells it.
type Value struct{ s string }

// NewValue makes a Value of any string. [Value.Check] tells whether it can be stored.
func NewValue(s string) Value { return Value{s} }

// Reveal returns the secret text.
func (v Value) Reveal() string { return v.s }

// Len returns the length in bytes.
func (v Value) Len() int { return len(v.s) }

// Check reports why a value cannot be kept: it is not UTF-8 (JSON would replace the
// bytes in silence), holds a NUL (no environment can carry it) or is larger than
// [MaxValue]. The error wraps [ErrInvalid] and tells the offset or size, never the value.
func (v Value) Check() error {
	if len(v.s) > MaxValue {
		return invalid("the value has %d bytes; at most %d can be kept", len(v.s), MaxValue)
	}
	if i := strings.IndexByte(v.s, 0); i >= 0 {
		return invalid("the value holds a NUL at byte %d, which no environment can carry", i)
	}
	if !utf8.ValidString(v.s) {
		return invalid("the value is not UTF-8 text (byte %d)", firstInvalid(v.s))
	}
	return nil
}

func firstInvalid(s string) int {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(s)
}

// String returns "[redacted]".
func (Value) String() string { return redacted }

// GoString returns "[redacted]".
func (Value) GoString() string { return redacted }

// Format prints "[redacted]" whatever the verb.
func (Value) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue returns "[redacted]".
func (Value) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON returns "[redacted]" as a JSON string.
func (Value) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// MarshalText returns "[redacted]".
func (Value) MarshalText() ([]byte, error) { return []byte(redacted), nil }
