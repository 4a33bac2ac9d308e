package render

import "strings"

// Mark tells at a glance how something ended.
type Mark int

// The marks, as gh has them.
const (
	NoMark  Mark = iota
	Done         // a green check mark
	Failed       // a red X
	Warning      // a yellow exclamation mark
)

// Marked is a cell of a table with a mark before its text.
type Marked struct {
	Mark Mark
	Text string
}

// The escape sequences of ECMA-48 that are written, in the eight colors that every terminal has.
const (
	bold  = "\x1b[1m"
	plain = "\x1b[0m"
)

// Mark returns a mark and a space; "" without color.
func (s Style) Mark(m Mark) string {
	if !s.Color {
		return ""
	}
	switch m {
	case Done:
		return "\x1b[32m✓" + plain + " "
	case Failed:
		return "\x1b[31mX" + plain + " "
	case Warning:
		return "\x1b[33m!" + plain + " "
	}
	return ""
}

// Wrap returns a text in lines of at most the width of the terminal, each behind an indent. It breaks
// lines at spaces alone: a longer word stays whole.
func (s Style) Wrap(text, indent string) string {
	var out strings.Builder
	used := 0
	for _, word := range strings.Fields(Escape(text)) {
		switch {
		case used == 0:
			out.WriteString(indent)
			used = Width(indent)
		case s.Width > 0 && used+1+Width(word) > s.Width:
			out.WriteString("\n" + indent)
			used = Width(indent)
		default:
			out.WriteByte(' ')
			used++
		}
		out.WriteString(word)
		used += Width(word)
	}
	return out.String()
}

// Bold returns a text in bold letters; unchanged without color.
func (s Style) Bold(text string) string {
	if !s.Color {
		return text
	}
	return bold + text + plain
}
