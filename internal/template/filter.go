package template

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/coffer-secrets/coffer/internal/formats"
	"github.com/coffer-secrets/coffer/store"
)

// lines is the name of the only filter with an argument.
const lines = "lines"

// filter makes a value fit for the place that it goes into.
type filter struct {
	name   string
	prefix string // of lines
}

// Filters returns the names of the filters.
func Filters() []string {
	return []string{"json", "yaml", "url", "shell", "ini", "base64", lines}
}

// parseFilter parses the filter with which a text begins, with its argument. rest is what follows.
func parseFilter(text string) (f filter, rest string, err error) {
	f.name = word(text)
	rest = skipBlanks(text[len(f.name):])
	if !slices.Contains(Filters(), f.name) {
		near := ""
		if n := store.Nearest(f.name, Filters()); n != "" {
			near = fmt.Sprintf(" (nearest: %q)", n)
		}
		return f, rest, invalid("unknown filter %q%s; use one of %s", f.name, near, strings.Join(Filters(), ", "))
	}
	argument := word(rest)
	if f.name == lines && strings.HasPrefix(rest, `"`) {
		if argument, err = strconv.QuotedPrefix(rest); err != nil {
			return f, rest, invalid("%s: the text in quotes doesn't end, or has an unknown escape", lines)
		}
	}
	rest = skipBlanks(rest[len(argument):])
	switch {
	case f.name != lines && argument != "":
		return f, rest, invalid("the filter %s takes no argument", f.name)
	case f.name != lines:
		return f, rest, nil
	case argument == "":
		return f, rest, invalid(`%s needs the text that each line begins with, such as %s "  "`, lines, lines)
	}
	f.prefix = argument
	if argument[0] == '"' {
		if f.prefix, err = strconv.Unquote(argument); err != nil {
			return f, rest, invalid("%s %s: %v", lines, argument, err)
		}
	}
	if strings.ContainsAny(f.prefix, "\n\r") {
		return f, rest, invalid("%s %s: the text has a newline", lines, argument)
	}
	return f, rest, nil
}

// quotes reports whether the filter's result has quotes of its own.
func (f filter) quotes() bool { return f.name == "json" || f.name == "yaml" || f.name == "shell" }

// apply returns a value as its place needs it. The error wraps [store.ErrInvalid] and says what of the
// value can't be there.
func (f filter) apply(value string) (string, error) {
	switch f.name {
	case "json":
		return jsonString(value)
	case "yaml":
		return yamlString(value)
	case "url":
		return urlPart(value), nil
	case "shell":
		if strings.Contains(value, "\x00") {
			return "", cannot("has a NUL, which a shell can't represent")
		}
		return formats.ShellQuote(value), nil
	case "ini":
		return value, checkINI(value)
	case "base64":
		return base64.StdEncoding.EncodeToString([]byte(value)), nil
	}
	return f.lines(value)
}

// jsonString returns a whole JSON string, with its quotes.
func jsonString(value string) (string, error) {
	if !utf8.ValidString(value) {
		return "", cannot("is not UTF-8 text, which JSON needs; base64 writes any bytes")
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return strings.TrimSuffix(b.String(), "\n"), err
}

// yamlString returns a string in double quotes on one line, the only style in which YAML 1.1 and 1.2 read
// every string the same. What either doesn't read as it is, is escaped (YAML 1.2.2, section 5.7).
func yamlString(value string) (string, error) {
	if !utf8.ValidString(value) {
		return "", cannot("is not UTF-8 text, which YAML needs; base64 writes any bytes")
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range value {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	b.WriteByte('"')
	return b.String(), nil
}

// urlPart percent-encodes all but the unreserved characters of RFC 3986, which stand for themselves in
// every part of a URL.
func urlPart(value string) string {
	const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
	var b strings.Builder
	for i := range len(value) {
		if c := value[i]; strings.IndexByte(plain, c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// checkINI returns an error for a value that readers of INI files read differently: these files have no
// standard, and no escapes that all readers know. The characters are those that Python's configparser, git,
// systemd or MySQL take for a comment, an escape, a quote or a variable.
func checkINI(value string) error {
	quote := func(c byte) bool { return c == '\'' }
	switch i := strings.IndexAny(value, `;#\"%$`); {
	case strings.ContainsAny(value, "\n\r"):
		return cannot("has a newline, which an INI file can't represent; base64 writes any bytes")
	case !utf8.ValidString(value) || strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r) }):
		return cannot("has a control character or isn't UTF-8 text, which an INI file can't represent; base64 writes any bytes")
	case strings.TrimSpace(value) != value:
		return cannot("begins or ends with a space, which readers of INI files drop")
	case i >= 0:
		return cannot(fmt.Sprintf("has a %c, which readers of INI files read differently; leave the filter out if yours reads it as it is", value[i]))
	case value != "" && (quote(value[0]) || quote(value[len(value)-1])):
		return cannot("begins or ends with a quote, which some readers of INI files drop; leave the filter out if yours doesn't")
	}
	return nil
}

// lines begins each line of a value with the prefix. The newline at the end of the value is left out: the
// template has one.
func (f filter) lines(value string) (string, error) {
	value = strings.TrimSuffix(value, "\n")
	for _, end := range []string{"\x00", "\v", "\f", "\u0085", "\u2028", "\u2029"} {
		if strings.Contains(value, end) {
			return "", cannot("has a NUL or an unusual line end, after which a line would begin without the prefix")
		}
	}
	if strings.Contains(strings.ReplaceAll(value+"\n", "\r\n", ""), "\r") {
		return "", cannot("has a carriage return within a line, after which a line would begin without the prefix")
	}
	return f.prefix + strings.ReplaceAll(value, "\n", "\n"+f.prefix), nil
}

// cannot returns the error of a value; the text goes on after "the value of coffer://...".
func cannot(text string) error { return &valueError{text} }

type valueError struct{ text string }

func (e *valueError) Error() string { return e.text }

// Unwrap returns [store.ErrInvalid].
func (*valueError) Unwrap() error { return store.ErrInvalid }
