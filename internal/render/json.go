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

// JSON writes v as JSON, indented by two spaces, without HTML escapes, and with a newline at the end.
// Characters that can't be printed are escaped as \uXXXX, so the text is safe to show on a terminal
// and has the same meaning for a program. A [store.Value] in v is written as "[redacted]"; to show
// it, use its text. Bytes that are not UTF-8 become U+FFFD.
//
// Errors are those of the writer, and those of encoding/json, which never quote a string.
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

// JSONLine is [JSON] on one line, for a stream of events.
func JSONLine(w io.Writer, v any) error {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("render JSON: %w", err)
	}
	return write(w, escapeJSON(out.Bytes()))
}

// escapeJSON escapes characters that can't be printed. They are all inside of strings: elsewhere JSON
// has only spaces and newlines.
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
