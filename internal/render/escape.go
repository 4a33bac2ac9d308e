package render

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Escape makes a text safe to show on a terminal, on one line: what is not a letter, mark,
// number, punctuation, symbol or the space is shown as Go writes it in a string: \n, \t,
// \x1b, \u202e, and \xff for a byte that is no UTF-8. That covers the C0 and C1 controls,
// the bidirectional controls, other invisible characters and the line separators. Everything
// that came from storage or from the network passes through here, or through [Quoted].
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

// Quoted returns a text as it is where that can be seen, and else as a Go string in quotes,
// escaped as by [Escape]: where something in it cannot be printed, where it begins or ends
// with a space, and where it begins with a quote itself.
func Quoted(s string) string {
	if printable(s) && !strings.HasPrefix(s, " ") && !strings.HasSuffix(s, " ") && !strings.HasPrefix(s, `"`) {
		return s
	}
	return strconv.Quote(s)
}

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
