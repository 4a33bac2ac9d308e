package formats

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// writeProperties writes only ASCII, as java.util.Properties reads streams as ISO-8859-1.
func writeProperties(b *bytes.Buffer, entries []entry, _ Options) error {
	for _, e := range entries {
		b.WriteString(e.key + " = ")
		for i, r := range e.value {
			writePropertiesRune(b, r, i == 0)
		}
		b.WriteByte('\n')
	}
	return nil
}

func writePropertiesRune(b *bytes.Buffer, r rune, first bool) {
	switch {
	case r == '\\':
		b.WriteString(`\\`)
	case r == '\n':
		b.WriteString(`\n`)
	case r == '\r':
		b.WriteString(`\r`)
	case r == '\t':
		b.WriteString(`\t`)
	case r == '\f':
		b.WriteString(`\f`)
	case r == ' ' && first:
		b.WriteString(`\ `)
	case r >= ' ' && r <= '~':
		b.WriteRune(r)
	default:
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(b, `\u%04X`, unit)
		}
	}
}

// readProperties reads like java.util.Properties.load from a reader of UTF-8.
func readProperties(body []byte, c *collector) error {
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(body))
	line := 0
	for text != "" {
		var logical string
		line++
		first := line
		logical, text, line = propertiesLine(text, line)
		if logical == "" {
			continue
		}
		rawKey, rawValue := splitProperty(logical)
		key, ok := unescapeProperty(rawKey)
		if !ok {
			return c.fault(first, nil, `an escape \u isn't a valid character`)
		}
		value, ok := unescapeProperty(rawValue)
		if !ok {
			return c.fault(first, []string{key}, `an escape \u isn't a valid character`)
		}
		if err := c.pair([]string{key}, first, value); err != nil {
			return err
		}
	}
	return nil
}

// plainProperties reports whether a text is probably a properties file. Nearly every text parses as
// one, with the quotes and comments of other formats in the values.
func plainProperties(body []byte) bool {
	for line := range strings.Lines(string(body)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		_, value, found := strings.Cut(line, "=")
		value = strings.TrimSpace(value)
		if !found || strings.Contains(value, "#") || value != "" && strings.IndexByte("\"'`", value[0]) >= 0 {
			return false
		}
	}
	return true
}

// propertiesLine reads a line with its continuation lines. It is "" for a blank line and for a
// comment, which can't be continued.
func propertiesLine(text string, line int) (logical, rest string, last int) {
	var b strings.Builder
	for first := true; ; first = false {
		part, rest, more := strings.Cut(text, "\n")
		part = strings.TrimLeft(part, " \t\f")
		if first && (strings.HasPrefix(part, "#") || strings.HasPrefix(part, "!")) {
			return "", rest, line
		}
		slashes := len(part) - len(strings.TrimRight(part, `\`))
		if slashes%2 == 0 {
			b.WriteString(part)
			return b.String(), rest, line
		}
		b.WriteString(part[:len(part)-1])
		if !more {
			return b.String(), "", line
		}
		text = rest
		line++
	}
}

// splitProperty splits at the first "=", ":" or white space without a backslash before it.
func splitProperty(logical string) (key, value string) {
	end := len(logical)
	for i := 0; i < len(logical); i++ {
		if logical[i] == '\\' {
			i++
		} else if strings.IndexByte("=: \t\f", logical[i]) >= 0 {
			end = i
			break
		}
	}
	value = strings.TrimLeft(logical[end:], " \t\f")
	if value != "" && (value[0] == '=' || value[0] == ':') {
		value = strings.TrimLeft(value[1:], " \t\f")
	}
	return logical[:end], value
}

// unescapeProperty replaces the escapes. It is false for a \u escape that isn't a character.
func unescapeProperty(raw string) (string, bool) {
	var b strings.Builder
	for raw != "" {
		plain, rest, escaped := strings.Cut(raw, `\`)
		b.WriteString(plain)
		if !escaped || rest == "" {
			break
		}
		if rest[0] == 'u' {
			r, size := propertiesEscape(rest)
			if size == 0 {
				return "", false
			}
			b.WriteRune(r)
			raw = rest[size:]
			continue
		}
		r, size := utf8.DecodeRuneInString(rest)
		if i := strings.IndexRune("tnrf", r); i >= 0 {
			r = rune("\t\n\r\f"[i])
		}
		b.WriteRune(r)
		raw = rest[size:]
	}
	return b.String(), true
}

// propertiesEscape reads uXXXX, or uXXXX\uXXXX for a surrogate pair. It returns the character and the
// number of bytes read; 0 bytes if it isn't a character.
func propertiesEscape(s string) (rune, int) {
	unit := func(s string) rune {
		if len(s) < 5 || s[0] != 'u' {
			return -1
		}
		n, err := strconv.ParseUint(s[1:5], 16, 16)
		if err != nil {
			return -1
		}
		return rune(n)
	}
	r := unit(s)
	switch {
	case r < 0:
		return 0, 0
	case !utf16.IsSurrogate(r):
		return r, 5
	case len(s) < 6 || s[5] != '\\':
		return 0, 0
	}
	if r = utf16.DecodeRune(r, unit(s[6:])); r == utf8.RuneError {
		return 0, 0
	}
	return r, 11
}
