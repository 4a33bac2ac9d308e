package mask

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Form is how a value, or a part of it, is written.
type Form uint8

// The forms.
const (
	Plain  Form = iota // as it is
	JSON               // escaped as in a JSON text
	URL                // with %2F
	Quoted             // escaped for a shell, or within quotes of SQL or YAML
	Base64
	Hex
	UTF16 // as Windows writes it
	XML   // with &amp; and the like, also in HTML
)

func (f Form) String() string {
	return [...]string{"value", "JSON", "URL-encoded", "quoted", "base64", "hex", "UTF-16", "XML"}[f]
}

// A text may come several times. part is true if it stands for a part of the value alone.
type addForm func(text string, as Form, part bool)

// rules say which forms there are.
type rules struct {
	shortest int                       // the length in bytes of the shortest value and the shortest part
	piece    int                       // the length of the pieces of a long encoded form
	texts    func(value string) []text // the value, and its parts
	utf16    bool
}

// text is a value or a part of it.
type text struct {
	string
	part   bool
	pieces bool // parts of its encoded forms stand for it
}

// hiding returns the rules of [New]: what may be a part of a secret is hidden.
func hiding() rules { return rules{shortest: Shortest, piece: 16, texts: everyLine} }

// everyLine returns a value and its lines, without the spaces at their ends.
func everyLine(value string) []text {
	texts := []text{{value, false, true}}
	if t := strings.TrimSpace(value); t != value {
		texts = append(texts, text{t, false, true})
	}
	if strings.ContainsAny(value, "\r\n") {
		for _, line := range lines(value) {
			texts = append(texts, text{line, true, true})
		}
	}
	return texts
}

// lines returns the lines of a value that aren't empty, without the spaces at their ends.
func lines(value string) (all []string) {
	for line := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == '\n' || r == '\r' }) {
		all = append(all, strings.TrimSpace(line))
	}
	return all
}

// forms calls add with every text that stands for a value: the value, its lines, and both as
// programs encode and quote them.
func (r rules) forms(value string, add addForm) {
	texts := r.texts(value)
	if value := strings.TrimSpace(value); strings.Contains(value, "\r\n") { // git and editors change line ends
		texts = append(texts, text{strings.ReplaceAll(value, "\r\n", "\n"), false, texts[0].pieces})
	}
	for _, t := range texts {
		if len(t.string) < r.shortest {
			continue
		}
		quoted(t.string, func(quoted string, as Form) {
			// Spaces at its ends tell nothing. Without them a line end, or the space after a prompt,
			// never waits for what follows.
			if t := strings.TrimSpace(quoted); len(t) >= Shortest {
				quoted = t
			}
			add(quoted, as, t.part)
			if strings.Contains(quoted, "\n") { // as a terminal writes it
				add(strings.ReplaceAll(strings.ReplaceAll(quoted, "\r\n", "\n"), "\n", "\r\n"), as, t.part)
			}
		})
		r.encoded(t, add)
		if r.utf16 {
			// Without the zero at the end or the beginning, one form stands for both orders of most texts.
			add(strings.TrimSuffix(wide(t.string, binary.LittleEndian), "\x00"), UTF16, t.part)
			add(strings.TrimPrefix(wide(t.string, binary.BigEndian), "\x00"), UTF16, t.part)
		}
	}
}

// quoted calls add with a value as it is, and escaped or quoted. The quotes around it are not part of a form.
func quoted(v string, add func(string, Form)) {
	add(v, Plain)
	for _, style := range []jsonStyle{{}, {ascii: true}, {html: true}, {slash: true}, {ascii: true, slash: true}, {ascii: true, html: true}, {ascii: true, html: true, upper: true}} {
		add(style.escape(v), JSON)
	}
	add(jsonStyle{}.escape(jsonStyle{}.escape(v)), JSON) // JSON within JSON
	for _, style := range urlStyles {
		add(style.escape(v), URL)
		style.lower = true
		add(style.escape(v), URL)
	}
	for _, style := range xmlStyles {
		add(style.Replace(v), XML)
	}
	for _, form := range []string{
		strings.ReplaceAll(v, `'`, `'\''`),                                              // sh, bash
		strings.ReplaceAll(v, `'`, `'"'"'`),                                             // dash, Python's shlex
		strings.ReplaceAll(v, `"`, `""`),                                                // CSV
		strings.ReplaceAll(v, `'`, `''`),                                                // PowerShell, YAML, SQL
		backslash(v, "\\'"),                                                             // fish
		backslash(v, "\\\"$`"),                                                          // within double quotes
		backslash(v, "\\\"$`!"),                                                         // the same, of an interactive bash
		backslash(v, " \t!\"#$&'()*,;<>?[\\]^`{|}~"),                                    // bash's printf %q
		backslash(v, " \t!\"$&'()*,;<>?[\\]^`{|}"),                                      // the same, with # and ~ in the middle
		ansiC(v, false), ansiC(v, true), strings.ReplaceAll(ansiC(v, false), `'`, `''`), // bash's $'...'
	} {
		add(form, Quoted)
	}
}

// xmlStyles are how libraries escape texts and attributes in XML and HTML.
var xmlStyles = [...]*strings.Replacer{
	strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;"),
	strings.NewReplacer("&", "&amp;", "<", "&lt;"),
	strings.NewReplacer("&", "&amp;", "<", "&lt;", `"`, "&quot;"),
	strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;"),
	strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;"),
	strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#039;"), // PHP
	strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#x27;"), // Python
	strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;"),
	strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;"), // Go's html
	strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;", "\t", "&#x9;", "\n", "&#xA;", "\r", "&#xD;"),
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

// wide returns a text in UTF-16.
func wide(v string, order binary.AppendByteOrder) string {
	var out []byte
	for _, unit := range utf16.Encode([]rune(v)) {
		out = order.AppendUint16(out, unit)
	}
	return string(out)
}

// encoded calls add with base64 and hexadecimal forms.
func (r rules) encoded(t text, add addForm) {
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		for before := range 3 {
			r.base64Forms(e, t, before, add)
		}
	}
	digits := hex.EncodeToString([]byte(t.string))
	for _, h := range []string{digits, strings.ToUpper(digits)} {
		add(h, Hex, t.part)
		r.pieces(t, h, 0, 8, func(piece string) { add(piece, Hex, true) })
	}
}

// base64Forms adds the base64 of a value that stands after so many bytes, modulo 3. Of the character
// that has bits of what stands before it, nothing is known. Neither is of the one at the end, unless
// the value is the last, or followed by a line end, as echo has it.
func (r rules) base64Forms(e *base64.Encoding, t text, before int, add addForm) {
	first := []int{0, 2, 3}[before]
	whole := (before + len(t.string)) * 8 / 6
	data := append(make([]byte, before, before+len(t.string)+1), t.string...)
	inner := e.EncodeToString(data)[first:whole]
	add(inner, Base64, t.part)
	r.pieces(t, inner, (4-first)%4, 4, func(piece string) { add(piece, Base64, true) })
	for _, last := range [][]byte{data, append(data, '\n')} {
		padded := e.EncodeToString(last)[first:]
		add(padded, Base64, t.part)
		add(strings.TrimRight(padded, "="), Base64, t.part)
	}
}

// pieces adds parts of a long form, as programs break lines: base64 after 64 or 76 characters, xxd
// after 60. The parts overlap, and begin at every step from first on.
func (r rules) pieces(t text, form string, first, step int, add func(string)) {
	const long = 48
	if len(form) <= long || !t.pieces {
		return
	}
	add(form[:r.piece])
	for i := first; i+r.piece <= len(form); i += step {
		add(form[i : i+r.piece])
	}
	add(form[len(form)-r.piece:])
}
