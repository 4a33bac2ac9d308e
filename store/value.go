package store

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"unicode/utf8"
	"unique"
)

// MaxValue is the size limit of a value in the S3 and local backends, in bytes.
const MaxValue = 1 << 20

const redacted = "[redacted]"

// Value is a secret's value. It never prints itself: fmt, log/slog and the encoding packages print
// "[redacted]", or a memory address if the Value is in an unexported field of another type. Only
// [Value.Reveal] returns the text. Equal values are ==.
//
// A Value protects against printing, not against someone who can read the memory of the process: Go
// can't erase a string, so the text stays in memory for some time after its last use.
type Value struct{ h unique.Handle[string] } // the zero handle for ""

// NewValue makes a Value of any string. [Value.Check] reports whether it can be stored.
func NewValue(s string) Value {
	if s == "" {
		return Value{}
	}
	return Value{unique.Make(s)}
}

// Reveal returns the secret text.
func (v Value) Reveal() string {
	if v == (Value{}) {
		return ""
	}
	return v.h.Value()
}

// Len returns the length in bytes.
func (v Value) Len() int { return len(v.Reveal()) }

// Check returns an error that wraps [ErrInvalid] if a value cannot be stored: it is not UTF-8 (JSON
// would replace the bytes silently), contains a NUL (no environment can hold it) or is larger than
// [MaxValue]. The error contains the offset or the limit, never the value.
func (v Value) Check() error {
	text := v.Reveal()
	if len(text) > MaxValue {
		return invalid("the value is larger than %d MiB, which is the most that can be kept", MaxValue>>20)
	}
	if i := strings.IndexByte(text, 0); i >= 0 {
		return invalid("the value has a NUL at byte %d, which an environment can't contain", i)
	}
	if !utf8.ValidString(text) {
		return invalid("the value is not UTF-8 text (byte %d)", firstInvalid(text))
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

// Format prints "[redacted]" for every verb.
func (Value) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue returns "[redacted]".
func (Value) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON returns "[redacted]" as a JSON string.
func (Value) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// MarshalText returns "[redacted]".
func (Value) MarshalText() ([]byte, error) { return []byte(redacted), nil }
