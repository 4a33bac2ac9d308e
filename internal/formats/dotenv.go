package formats

import (
	"bytes"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

var (
	// What python-dotenv replaces, even in single quotes. It has no escape for it.
	pythonVariable = regexp.MustCompile(`\$\{[^}:]*(:-[^}]*)?\}`)

	// What vite, next and dotenv-cli (with dotenv-expand) replace in any quotes: variables, and the
	// escape \$, which other readers don't know.
	expandedVariable = regexp.MustCompile(`\$[A-Za-z0-9_{]|\\\$`)
)

// dotenvEncoder returns an encoder that writes one line per value. text returns the value in quotes,
// or the reason why it can't be written.
func dotenvEncoder(text func(value string) (line, reason string)) *encoder {
	return &encoder{
		name: envName,
		check: func(e entry) string {
			_, reason := text(e.value)
			return reason
		},
		write: func(b *bytes.Buffer, entries []entry, _ Options) error {
			for _, e := range entries {
				line, _ := text(e.value)
				b.WriteString(e.name + "=" + line + "\n")
			}
			return nil
		},
	}
}

// dotenvText returns a value in the form that all readers of docs/formats.md read correctly, or the
// reason why there is none.
func dotenvText(value string) (text, reason string) {
	const instead = "; dotenv-literal is for readers that do not"
	switch text, reason = dotenvLiteral(value); {
	case reason != "":
		return "", reason
	case expandedVariable.MatchString(value):
		return "", "vite, next and dotenv-cli replace $NAME in any quotes" + instead
	case strings.HasPrefix(text, "'") && strings.Contains(value, "\n"):
		return "", "ruby-dotenv before 2.5 ends a value in single quotes with its line" + instead
	}
	return text, ""
}

// dotenvLiteral returns a value in the first form that is read the same by all readers that take
// single quotes literally, or the reason why there is none. Chamber's form is the first.
//
//   - in double quotes all know \n; most know more escapes and replace variables, and in node the
//     value ends at the next quote, even after a backslash
//   - in single quotes node knows no escape; python-dotenv knows \\ and \'
//   - backquotes are quotes to node and npm's dotenv alone
//   - without quotes node ends the value at any "#", all trim it, and most replace variables
func dotenvLiteral(value string) (text, reason string) {
	switch {
	case strings.Contains(value, "\r"):
		return "", "it has a carriage return, which node drops"
	case pythonVariable.MatchString(value):
		return "", "python-dotenv replaces ${...} even in single quotes"
	}
	double := `"` + strings.ReplaceAll(value, "\n", `\n`) + `"`
	switch {
	case !strings.ContainsAny(value, "\"\\$`"):
		return double, ""
	case !strings.Contains(value, "'") && !strings.Contains(value, `\\`) && !strings.HasSuffix(value, `\`):
		return "'" + value + "'", ""
	case !strings.ContainsAny(value, `"\$`):
		return double, ""
	case !strings.Contains(value, "$") && dotenvPlain(value):
		return value, ""
	}
	if strings.Contains(value, "$") && strings.Contains(value, "'") {
		return "", "in double quotes docker compose, dotenvx, ruby-dotenv, vite, next and dotenv-cli replace $NAME, and it has a single quote"
	}
	return "", "readers disagree about this mix of quotes, backslashes, \"$\", \"#\" and newlines"
}

// dotenvPlain reports whether a value needs no quotes.
func dotenvPlain(value string) bool {
	if strings.ContainsAny(value, "\n#") {
		return false
	}
	first, _ := utf8.DecodeRuneInString(value)
	last, _ := utf8.DecodeLastRuneInString(value)
	return unicode.IsGraphic(first) && !unicode.IsSpace(first) && !strings.ContainsRune("'\"`", first) &&
		unicode.IsGraphic(last) && !unicode.IsSpace(last)
}

// dotenvReader reads the dialect of docs/formats.md. It refuses lines that well-known readers read
// differently.
type dotenvReader struct {
	rest string
	line int
}

func readDotenv(body []byte, c *collector) error {
	r := &dotenvReader{rest: strings.ReplaceAll(string(body), "\r\n", "\n"), line: 1}
	for r.rest != "" {
		first, _, _ := strings.Cut(r.rest, "\n")
		if trimmed := strings.TrimSpace(first); trimmed == "" || trimmed[0] == '#' {
			r.skip(len(first))
			continue
		}
		line := r.line
		key, found := r.key(first)
		if !found {
			return c.fault(line, nil, `there is no "="`)
		}
		value, reason := r.value()
		if reason != "" {
			return c.fault(line, []string{key}, reason)
		}
		if err := c.pair([]string{key}, line, value); err != nil {
			return err
		}
	}
	return nil
}

// skip skips n bytes and the newline after them.
func (r *dotenvReader) skip(n int) {
	r.line += strings.Count(r.rest[:n], "\n") + 1
	r.rest = strings.TrimPrefix(r.rest[n:], "\n")
}

// key reads KEY= or export KEY=, and skips the blanks after it.
func (r *dotenvReader) key(line string) (string, bool) {
	key, _, found := strings.Cut(line, "=")
	if !found {
		return "", false
	}
	r.rest = strings.TrimLeft(r.rest[len(key)+1:], " \t")
	key = strings.TrimSpace(key)
	if fields := strings.Fields(key); len(fields) == 2 && fields[0] == "export" {
		key = fields[1]
	}
	return key, true
}

// value reads a value and the rest of its line.
func (r *dotenvReader) value() (value, reason string) {
	line, _, _ := strings.Cut(r.rest, "\n")
	if line != "" && strings.IndexByte("'\"`", line[0]) >= 0 {
		return r.quoted(line[0])
	}
	value = line
	if i := strings.IndexAny(line, "#"); i == 0 {
		return "", `readers differ about "#" here: put the value in quotes`
	} else if i > 0 {
		if value = line[:i]; value == strings.TrimRight(value, " \t") {
			return "", `readers differ about "#" in a value without quotes: put it in quotes`
		}
	}
	value = strings.TrimRight(value, " \t")
	if strings.Contains(value, "\r") {
		return "", "the line contains a carriage return"
	}
	r.skip(len(line))
	return value, ""
}

func (r *dotenvReader) quoted(quote byte) (value, reason string) {
	if quote == '`' {
		return "", "readers differ about backticks: use other quotes"
	}
	end := closing(r.rest, quote)
	if end < 0 {
		return "", "a quote is not closed"
	}
	inner := r.rest[1:end]
	if strings.Contains(inner, "\r") {
		return "", "a carriage return is inside quotes"
	}
	after, _, _ := strings.Cut(r.rest[end+1:], "\n")
	if trimmed := strings.TrimSpace(after); trimmed != "" && trimmed[0] != '#' {
		return "", "text follows a closing quote"
	}
	r.skip(end + 1 + len(after))
	if quote == '"' {
		inner = unescapeDotenv(inner)
	}
	return inner, ""
}

// closing returns the index of the quote that closes the one at index 0; -1 if there is none.
func closing(s string, quote byte) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == quote:
			return i
		case s[i] == '\\' && quote == '"':
			i++
		}
	}
	return -1
}

// unescapeDotenv replaces \n, \r and \t, and removes the backslash before the characters that chamber
// and shells escape. Before other characters a backslash stays.
func unescapeDotenv(s string) string {
	var b strings.Builder
	for {
		plain, rest, escaped := strings.Cut(s, `\`)
		b.WriteString(plain)
		if !escaped {
			return b.String()
		}
		s = rest
		if rest == "" {
			b.WriteByte('\\')
			continue
		}
		switch next := rest[0]; {
		case strings.IndexByte("nrt", next) >= 0:
			b.WriteByte("\n\r\t"[strings.IndexByte("nrt", next)])
		case strings.IndexByte("\\\"$`!", next) >= 0:
			b.WriteByte(next)
		default:
			b.WriteByte('\\')
			continue
		}
		s = rest[1:]
	}
}
