package help

import (
	"strings"
	"unicode/utf8"
)

// page collects a help text, wrapped to a width.
type page struct {
	width int
	text  strings.Builder
}

func (p *page) line(text string) { p.text.WriteString(strings.TrimRight(text, " ") + "\n") }

// heading begins a section, in capitals as in a manual page.
func (p *page) heading(title string) {
	if p.text.Len() > 0 {
		p.line("")
	}
	p.line(strings.ToUpper(title))
}

// paragraph prints wrapped text. The first line has the indent; those after it have as many spaces.
func (p *page) paragraph(indent, text string) {
	below := strings.Repeat(" ", utf8.RuneCountInString(indent))
	if strings.HasSuffix(indent, "# ") {
		below = indent // every line of a comment is one
	}
	for _, line := range wrap(text, p.width-len(below)) {
		p.line(indent + line)
		indent = below
	}
}

// about prints paragraphs, divided by empty lines. A line that begins with a space is printed as it is.
func (p *page) about(text string) {
	if text == "" {
		return
	}
	p.line("")
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		if line == "" || line[0] == ' ' {
			p.line(line)
			continue
		}
		p.paragraph("", line)
	}
}

// columns prints rows in two columns. A left cell that is too wide stands in a line of its own. left is
// the least width of the left column.
func (p *page) columns(rows [][2]string, left int) {
	left = min(max(left, leftWidth(rows)), p.width*2/5)
	indent := strings.Repeat(" ", 2+left+2)
	for _, row := range rows {
		lines := wrap(row[1], p.width-len(indent))
		if utf8.RuneCountInString(row[0]) > left {
			p.line("  " + row[0])
		} else {
			p.line("  " + row[0] + strings.Repeat(" ", left-utf8.RuneCountInString(row[0])) + "  " + lines[0])
			lines = lines[1:]
		}
		for _, line := range lines {
			p.line(indent + line)
		}
	}
}

func leftWidth(rows [][2]string) int {
	width := 0
	for _, row := range rows {
		width = max(width, utf8.RuneCountInString(row[0]))
	}
	return width
}

// wrap breaks a text into lines, at least one. A word that is wider than a line stays whole.
func wrap(text string, width int) []string {
	lines := []string{""}
	for word := range strings.FieldsSeq(text) {
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last = word
		case utf8.RuneCountInString(*last)+1+utf8.RuneCountInString(word) > width:
			lines = append(lines, word)
		default:
			*last += " " + word
		}
	}
	return lines
}
