// Package strictjson reads and writes the JSON of stored documents. It refuses names that differ in
// case, duplicate names, invalid UTF-8 and text after the end, so that all readers read the same
// document.
package strictjson

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Rest is the type of a field tagged `json:",embed"`. It has the members of a document that its
// struct has no field for.
type Rest = jsontext.Value

// Error is the error of an invalid document. It never quotes the document.
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
	// Use only the offset and the kind of the library's error: its text quotes the input, which may be
	// a secret.
	var syntax *jsontext.SyntacticError
	var meaning *json.SemanticError
	switch {
	case errors.As(err, &syntax) && errors.Is(err, jsontext.ErrDuplicateName):
		return &Error{Offset: syntax.ByteOffset, Reason: "a name appears twice"}
	case errors.As(err, &syntax):
		return &Error{Offset: syntax.ByteOffset, Reason: "it is not valid JSON"}
	case errors.As(err, &meaning):
		return &Error{Offset: meaning.ByteOffset, Reason: "it has an unexpected structure"}
	}
	return &Error{Reason: "it cannot be read"}
}

// Marshal returns a document as compact JSON, with the names of maps sorted.
func Marshal(v any) ([]byte, error) { return json.Marshal(v, json.Deterministic(true)) }

// ParseTime parses an RFC 3339 time. It returns the zero time for an invalid one, and for one outside
// of the years 0 to 9999 in UTC, which a document can't have: a bad time must not make a secret
// unreadable.
func ParseTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if t = t.UTC(); err != nil || t.Year() < 0 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}

// FormatTime formats a time for [ParseTime]; "" for the zero time.
func FormatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
