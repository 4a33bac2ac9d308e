// Package strictjson reads and writes the JSON of stored documents. Reading is strict: exact
// names, none twice, valid UTF-8, nothing after the end; so that no two readers can see
// two documents in the same bytes.
package strictjson

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Rest is the type of a field tagged `json:",embed"`: it keeps the members that a document
// has and its struct does not.
type Rest = jsontext.Value

// Error tells where a document is not what it should be. It never quotes what stands there.
type Error struct {
	Offset int64 // bytes from the start
	Reason string
}

func (e *Error) Error() string { return fmt.Sprintf("byte %d: %s", e.Offset, e.Reason) }

// Unmarshal reads a document. The error is an [*Error].
func Unmarshal(body []byte, into any) error {
	err := json.Unmarshal(body, into)
	if err == nil {
		return nil
	}
	// The library's own texts quote the input, which may be a secret: only the place and the
	// kind of the fault pass.
	var syntax *jsontext.SyntacticError
	var meaning *json.SemanticError
	switch {
	case errors.As(err, &syntax) && errors.Is(err, jsontext.ErrDuplicateName):
		return &Error{Offset: syntax.ByteOffset, Reason: "a name stands twice"}
	case errors.As(err, &syntax):
		return &Error{Offset: syntax.ByteOffset, Reason: "it is not JSON"}
	case errors.As(err, &meaning):
		return &Error{Offset: meaning.ByteOffset, Reason: "it has another shape"}
	}
	return &Error{Reason: "it cannot be read"}
}

// Marshal writes a document: compact, names sorted.
func Marshal(v any) ([]byte, error) { return json.Marshal(v, json.Deterministic(true)) }

// ParseTime reads an RFC 3339 time; one that is missing or malformed is the zero time,
// because a secret must stay readable whatever a clock or another program wrote beside it.
// So is one that is outside of the years 0 to 9999 in UTC, which no document can hold.
func ParseTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if t = t.UTC(); err != nil || t.Year() < 0 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}

// FormatTime writes a time as [ParseTime] reads it; the zero time is "".
func FormatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
