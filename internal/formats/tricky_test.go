package formats

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/store"
)

// tricky are the values that each format must carry or refuse; docs/formats.md shows how.
func tricky() []struct{ name, value string } {
	return []struct{ name, value string }{
		{"a word", "hunter2"},
		{"empty", ""},
		{"one space", " "},
		{"spaces around", "  a b  "},
		{"tab", "a\tb"},
		{"leading tab", "\ta"},
		{"only a newline", "\n"},
		{"trailing newline", "line\n"},
		{"PEM", "-----BEGIN PRIVATE KEY-----\nMIIBVQIBADANBgkq/+8=\nAAAA==\n-----END PRIVATE KEY-----\n"},
		{"CR", "a\rb"},
		{"trailing CR", "a\r"},
		{"CRLF", "a\r\nb\r\n"},
		{"single quote", "it's"},
		{"double quote", `say "hi"`},
		{"both quotes", `'a' "b"`},
		{"both quotes, two lines", "'a'\n\"b\""},
		{"three single quotes", "'''"},
		{"three double quotes", `"""`},
		{"backtick", "`id`"},
		{"dollar", "p@$$ $HOME $(id)"},
		{"dollar in a word", "pa$word"},
		{"dollar and a quote", "a$b'c"},
		{"`${VAR}`", "${VAR} ${VAR:-x}"},
		{"`{{x}}`", "{{x}} {% x %} %{x}"},
		{"backslash", `a\b c\d`},
		{"two backslashes", `a\\b`},
		{"trailing backslash", `C:\dir\`},
		{"backslash n", `a\nb\t\u0041`},
		{"`<&>`", "<a href=x>&amp;</a>"},
		{"percent", "%n %s 100% %41 %PATH%"},
		{"comment", "#a #b"},
		{"equals", "=a=b=="},
		{"exclamation", "!important !! !a"},
		{"YAML signs", "*a &b |c >d @e ? - [f]: {g}"},
		{"yes", "yes"},
		{"0123", "0123"},
		{"1e3", "1e3"},
		{"null", "null"},
		{"tilde", "~"},
		{"comma", "a,b;c"},
		{"JSON", `{"a":"it's","b":[1,null,"\n"]}`},
		{"JSON, several lines", "{\n  \"a\": \"-----BEGIN\\n\"\n}\n"},
		{"encrypted", "encrypted:BDx"},
		{"heredoc", "a\nEOF\nB<<EOF"},
		{"`::add-mask::`", "::add-mask::x%0A"},
		{"formula", "=cmd|' /C calc'!A0"},
		{"emoji and scripts", "héllo ✓ 日本 😀 👩‍💻"},
		{"decomposed é", "e\u0301"},
		{"ESC, BEL, DEL", "\x1b[31mred\x1b[0m\x07\x7f"},
		{"NEL and C1", "a\u0085b\u009b31m"},
		{"U+2028, bidi", "a\u2028b\u2029c\u202ed"},
		{"BOM inside", "\ufeffa\ufeff"},
		{"100 KiB", strings.Repeat("0123456789abcdef", 100<<10/16)},
	}
}

// values are the tricky ones and many made of what formats treat specially.
func values() []string {
	var all []string
	for _, v := range tricky() {
		all = append(all, v.value)
	}
	all = append(all, `it's "x" #1`, `it's "x"#1`, `\'"`+" x", "'\"\\#", `"'#`)
	pieces := []string{
		"'", `"`, "`", `\`, "$", "${", "}", "{", "#", " ", "\n", "\r", "\t", "=", "%", "%{", ":", "-", ",",
		"a", "B", "0", "n", "u", "x", "!", "é", "😀", "\u0085", "\u2028", "\x1b", "\f", "\v", "\ufeff", ":-",
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		var b strings.Builder
		for range 1 + r.IntN(8) {
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
		all = append(all, b.String())
	}
	return all
}

// single are the options under which every format can write any pair.
var single = Options{Name: "app"}

// carries tells whether a format takes a value. When it does not, the error must name the
// key, be of the right kind and keep the value to itself.
func carries(t *testing.T, format, key, value string) bool {
	t.Helper()
	err := Encode(new(strings.Builder), format, []Pair{{key, store.NewValue(value)}}, single)
	if err == nil {
		return true
	}
	var refusal *ValueError
	if !errors.As(err, &refusal) || refusal.Key != key || refusal.Reason == "" || !errors.Is(err, store.ErrInvalid) {
		t.Fatalf("%s refuses a value with %#v", format, err)
	}
	if len(value) > 4 && strings.Contains(err.Error(), value) {
		t.Errorf("%s: the error quotes the value", format)
	}
	return false
}

func pairsOf(values []string, key func(int) string) []Pair {
	pairs := make([]Pair, len(values))
	for i, v := range values {
		pairs[i] = Pair{key(i), store.NewValue(v)}
	}
	return pairs
}

func numbered(i int) string { return fmt.Sprintf("key-%04d", i) }
