package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// JSON writes v as JSON: indented by two spaces, without HTML escapes, ending in a newline.
// What cannot be printed is escaped inside the strings as \uXXXX, so that the text is safe
// to show on a terminal and means the same to a program. A [store.Value] in v is written as
// "[redacted]": whoever means to show it puts its text in. Bytes that are no UTF-8 become
// U+FFFD.
//
// Errors: of the writer, and of encoding/json; the latter never quotes a string.
//
// [store.Value]: https://pkg.go.dev/github.com/coffer-secrets/coffer/store#Value
func JSON(w io.Writer, v any) error {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("render JSON: %w", err)
	}
	return write(w, escapeJSON(out.Bytes()))
}

// JSONLine is [JSON] on one line, for events that come one after the other.
func JSONLine(w io.Writer, v any) error {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("render JSON: %w", err)
	}
	return write(w, escapeJSON(out.Bytes()))
}

// escapeJSON escapes what cannot be printed. Outside of strings JSON has only spaces and
// newlines that are not visible.
func escapeJSON(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		switch {
		case r == '\n' || strconv.IsPrint(r):
			out = append(out, text[i:i+n]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		i += n
	}
	return out
}
