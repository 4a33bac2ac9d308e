package render

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Escape makes a text safe to print on one line of a terminal. It escapes every character that isn't
// a letter, mark, number, punctuation, symbol or space as in a Go string: \n, \t, \x1b, \u202e, and
// \xff for a byte that isn't UTF-8. So it escapes control characters (C0, C1 and bidirectional),
// invisible characters and line separators. All text from storage or from the network must be printed
// through Escape or [Quoted].
func Escape(s string) string {
	if printable(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case strconv.IsPrint(r):
			b.WriteString(s[i : i+n])
		default:
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		i += n
	}
	return b.String()
}

// Quoted returns a text as a quoted Go string, escaped like [Escape], if it has characters to escape,
// begins or ends with a space, or begins with a quote. It returns any other text unchanged.
func Quoted(s string) string {
	if printable(s) && !strings.HasPrefix(s, " ") && !strings.HasSuffix(s, " ") && !strings.HasPrefix(s, `"`) {
		return s
	}
	return strconv.Quote(s)
}

// printable reports whether [Escape] would leave a text unchanged.
func printable(s string) bool {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return false
			}
		}
		if !strconv.IsPrint(r) {
			return false
		}
	}
	return true
}
