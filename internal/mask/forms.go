package mask

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// forms calls add with every text that stands for a value: the value, its lines, and both as
// programs encode and quote them. A text may come several times.
func forms(value string, add func(string)) {
	texts := []string{value}
	if t := strings.TrimSpace(value); t != value {
		texts = append(texts, t)
	}
	if strings.ContainsAny(value, "\r\n") {
		for line := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == '\n' || r == '\r' }) {
			texts = append(texts, strings.TrimSpace(line))
		}
	}
	for _, text := range texts {
		if len(text) < Shortest {
			continue
		}
		for _, quoted := range plain(text) {
			// Spaces at its ends tell nothing. Without them a line end, or the space after a prompt,
			// never waits for what follows.
			if t := strings.TrimSpace(quoted); len(t) >= Shortest {
				quoted = t
			}
			add(quoted)
			if strings.Contains(quoted, "\n") { // as a terminal writes it
				add(strings.ReplaceAll(strings.ReplaceAll(quoted, "\r\n", "\n"), "\n", "\r\n"))
			}
		}
		encoded(text, add)
	}
}

// plain returns a value as it is, and escaped or quoted. The quotes around it are not part of a form.
func plain(v string) []string {
	all := []string{v}
	for _, style := range []jsonStyle{{}, {ascii: true}, {html: true}, {slash: true}, {ascii: true, slash: true}, {ascii: true, html: true}, {ascii: true, html: true, upper: true}} {
		all = append(all, style.escape(v))
	}
	all = append(all, jsonStyle{}.escape(jsonStyle{}.escape(v))) // JSON within JSON
	for _, style := range urlStyles {
		all = append(all, style.escape(v))
		style.lower = true
		all = append(all, style.escape(v))
	}
	return append(all,
		strings.ReplaceAll(v, `'`, `'\''`),                                              // sh, bash
		strings.ReplaceAll(v, `'`, `'"'"'`),                                             // dash, Python's shlex
		strings.ReplaceAll(v, `'`, `''`),                                                // PowerShell, YAML, SQL
		backslash(v, "\\'"),                                                             // fish
		backslash(v, "\\\"$`"),                                                          // within double quotes
		backslash(v, "\\\"$`!"),                                                         // the same, of an interactive bash
		backslash(v, " \t!\"#$&'()*,;<>?[\\]^`{|}~"),                                    // bash's printf %q
		backslash(v, " \t!\"$&'()*,;<>?[\\]^`{|}"),                                      // the same, with # and ~ in the middle
		ansiC(v, false), ansiC(v, true), strings.ReplaceAll(ansiC(v, false), `'`, `''`), // bash's $'...'
	)
}

// jsonStyle is how a library writes JSON texts.
type jsonStyle struct {
	ascii bool // as Python: what isn't ASCII as \u00e9
	html  bool // as Go and Java: <, >, & as \u003c
	slash bool // as PHP: \/
	upper bool // as .NET and Java: \u003C
}

func (s jsonStyle) escape(v string) string {
	short := map[rune]string{'"': `\"`, '\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\b': `\b`, '\f': `\f`}
	format := `\u%04x`
	if s.upper {
		format = `\u%04X`
	}
	var out strings.Builder
	for _, r := range v {
		switch {
		case short[r] != "":
			out.WriteString(short[r])
		case s.slash && r == '/':
			out.WriteString(`\/`)
		case r < ' ', s.html && strings.ContainsRune("<>&\u2028\u2029", r), s.ascii && r >= 0x7f && r < 0x10000:
			fmt.Fprintf(&out, format, r)
		case s.ascii && r >= 0x10000:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, format+format, high, low)
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

// urlStyle is how a library encodes values in URLs.
type urlStyle struct {
	kept  string // besides letters and digits
	plus  bool   // a space is +
	lower bool   // %2f
}

var urlStyles = [...]urlStyle{
	{kept: "-_.~"},                 // RFC 3986
	{kept: "-_.~", plus: true},     // Go's and Python's queries
	{kept: "-_.*", plus: true},     // forms in browsers and Java
	{kept: "-_.!~*'()"},            // JavaScript's encodeURIComponent
	{kept: "-_.!~*'();/?:@&=+$,#"}, // JavaScript's encodeURI
	{kept: "-_.~/"},                // Python's quote
	{kept: "-_.~$&+=:@"},           // Go's path segments
	{kept: "-_.~$&+,;="},           // Go's user and password
	{kept: "-_.~!$&'()*+,;=:"},     // the WHATWG's user and password, at its widest
}

func (s urlStyle) escape(v string) string {
	format := "%%%02X"
	if s.lower {
		format = "%%%02x"
	}
	var out strings.Builder
	for _, b := range []byte(v) {
		switch {
		case b == ' ' && s.plus:
			out.WriteByte('+')
		case b >= '0' && b <= '9', b >= 'A' && b <= 'Z', b >= 'a' && b <= 'z', strings.IndexByte(s.kept, b) >= 0:
			out.WriteByte(b)
		default:
			fmt.Fprintf(&out, format, b)
		}
	}
	return out.String()
}

// backslash puts a backslash before each of some characters.
func backslash(v, special string) string {
	var out strings.Builder
	for i := range len(v) {
		if strings.IndexByte(special, v[i]) >= 0 {
			out.WriteByte('\\')
		}
		out.WriteByte(v[i])
	}
	return out.String()
}

// ansiC escapes as bash does within $'...'; with octal, what isn't ASCII as well.
func ansiC(v string, octal bool) string {
	short := map[byte]string{'\\': `\\`, '\'': `\'`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\a': `\a`, '\b': `\b`, '\f': `\f`, '\v': `\v`, 0x1b: `\E`}
	var out strings.Builder
	for _, b := range []byte(v) {
		switch {
		case short[b] != "":
			out.WriteString(short[b])
		case b < ' ', b == 0x7f, octal && b >= utf8.RuneSelf:
			fmt.Fprintf(&out, `\%03o`, b)
		default:
			out.WriteByte(b)
		}
	}
	return out.String()
}

// encoded calls add with base64 and hexadecimal forms.
func encoded(v string, add func(string)) {
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		for before := range 3 {
			base64Forms(e, v, before, add)
		}
	}
	digits := hex.EncodeToString([]byte(v))
	for _, h := range []string{digits, strings.ToUpper(digits)} {
		add(h)
		pieces(h, 0, 8, add)
	}
}

// base64Forms adds the base64 of a value that stands after so many bytes, modulo 3. Of the character
// that has bits of what stands before it, nothing is known. Neither is of the one at the end, unless
// the value is the last, or followed by a line end, as echo has it.
func base64Forms(e *base64.Encoding, v string, before int, add func(string)) {
	first := []int{0, 2, 3}[before]
	whole := (before + len(v)) * 8 / 6
	data := append(make([]byte, before, before+len(v)+1), v...)
	inner := e.EncodeToString(data)[first:whole]
	add(inner)
	pieces(inner, (4-first)%4, 4, add)
	for _, last := range [][]byte{data, append(data, '\n')} {
		padded := e.EncodeToString(last)[first:]
		add(padded)
		add(strings.TrimRight(padded, "="))
	}
}

// pieces adds parts of a long form, as programs break lines: base64 after 64 or 76 characters, xxd
// after 60. The parts overlap, and begin at every step from first on.
func pieces(form string, first, step int, add func(string)) {
	const length, long = 16, 48
	if len(form) <= long {
		return
	}
	add(form[:length])
	for i := first; i+length <= len(form); i += step {
		add(form[i : i+length])
	}
	add(form[len(form)-length:])
}
