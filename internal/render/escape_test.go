package render

import (
	"strconv"
	"strings"
	"testing"
)

func TestEscapeShowsWhatATerminalWouldObey(t *testing.T) {
	for in, want := range map[string]string{
		"":                         "",
		"plain text, ünïcödé 日本 😀": "plain text, ünïcödé 日本 😀",
		`back\slash "quotes"`:      `back\slash "quotes"`,
		"a\nb\tc\rd":               `a\nb\tc\rd`,
		"\x1b[31mred\x1b[0m":       `\x1b[31mred\x1b[0m`,
		"\x00\a\x7f":               `\x00\a\x7f`,
		"\u0085\u009b31m":          `\u0085\u009b31m`,
		"\u202e\u2066\u2069\u061c": `\u202e\u2066\u2069\u061c`,
		"\u2028\u2029":             `\u2028\u2029`,
		"\u200b\ufeff\u00ad\u00a0": `\u200b\ufeff\u00ad\u00a0`,
		"\U000e0041":               `\U000e0041`,
		"\xff\xc3(":                `\xff\xc3(`,
		"\ufffd":                   "\ufffd",
	} {
		if got := Escape(in); got != want {
			t.Errorf("Escape(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestQuotedQuotesOnlyWhatNeedsIt(t *testing.T) {
	for in, want := range map[string]string{
		"":            "",
		"plain text":  "plain text",
		`c:\dir "x"`:  `c:\dir "x"`,
		"two\nlines":  `"two\nlines"`,
		" before":     `" before"`,
		"after ":      `"after "`,
		`"in quotes"`: `"\"in quotes\""`,
		"\xff":        `"\xff"`,
	} {
		if got := Quoted(in); got != want {
			t.Errorf("Quoted(%q) = %s, want %s", in, got, want)
		}
	}
}

func FuzzEscape(f *testing.F) {
	for _, seed := range []string{"", "plain", "\x1b]8;;http://x\x07", "\xff\u202e", `"\n"`, "\u0085\n", " x "} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, got := range []string{Escape(s), Quoted(s)} {
			if r := unsafeRune(got); r != 0 {
				t.Fatalf("%U leaves: %q", r, got)
			}
		}
		// A quoted text can be read back, and is never taken for one that is not.
		quoted := Quoted(s)
		back := quoted
		if strings.HasPrefix(quoted, `"`) {
			var err error
			if back, err = strconv.Unquote(quoted); err != nil {
				t.Fatalf("%s: %v", quoted, err)
			}
		}
		if back != s {
			t.Fatalf("%q became %s", s, quoted)
		}
	})
}
