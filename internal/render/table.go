// Package render turns data into text for a person or a program: tables, JSON, times, and
// strings that a terminal may safely be shown. It writes each output whole, in one call.
package render

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/clipperhouse/displaywidth"
)

// Style says for whom a text is.
type Style struct {
	Terminal bool      // a person reads it at a terminal: times are relative
	Color    bool      // the header of a table is bold; the only escape sequences there ever are
	Now      time.Time // what relative times are relative to
}

// none stands in a cell that has nothing to say, so that columns can still be counted.
const none = "-"

// gap is between two columns.
const gap = "  "

// Table writes aligned columns without lines around them: the header, then one line for
// each row. A cell is a string, shown as [Quoted] has it; a time, as [Style.Time] has it;
// nil or empty, shown as "-"; or anything else that fmt can print, quoted likewise. Widths
// are those of the characters and do not depend on the locale; nothing is cut or wrapped.
//
// Errors: of the writer, and for a row that has not as many cells as the header.
func Table(w io.Writer, style Style, header []string, rows [][]any) error {
	lines := make([][]string, 0, 1+len(rows))
	titles := make([]string, len(header))
	for i, title := range header {
		titles[i] = style.cell(title)
	}
	lines = append(lines, titles)
	for i, row := range rows {
		if len(row) != len(header) {
			return fmt.Errorf("render a table: row %d has %d cells, the header %d", i, len(row), len(header))
		}
		cells := make([]string, len(row))
		for j, c := range row {
			cells[j] = style.cell(c)
		}
		lines = append(lines, cells)
	}
	return write(w, align(lines, style.Color))
}

// align pads the cells of each column to the widest of them. The first line, the header, is bold
// where asked for.
func align(lines [][]string, bold bool) []byte {
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], width(cell))
		}
	}
	var out bytes.Buffer
	for n, line := range lines {
		if bold && n == 0 {
			out.WriteString("\x1b[1m")
		}
		for i, cell := range line {
			out.WriteString(cell)
			if i < len(line)-1 { // nothing stands at the end of a line
				out.WriteString(strings.Repeat(" ", widths[i]-width(cell)) + gap)
			}
		}
		if bold && n == 0 {
			out.WriteString("\x1b[0m")
		}
		out.WriteByte('\n')
	}
	return out.Bytes()
}

// cell is the text of one cell, in which nothing is left that a terminal would obey.
func (s Style) cell(c any) string {
	var text string
	switch c := c.(type) {
	case nil:
		return none
	case time.Time:
		return s.Time(c)
	case string:
		text = c
	default:
		text = fmt.Sprint(c)
	}
	switch text {
	case "":
		return none
	case none:
		return `"` + none + `"`
	}
	return Quoted(text)
}

// width is how many columns of a terminal a text takes.
func width(s string) int { return displaywidth.String(s) }

// write writes in one call, so that no half table is mixed with other output.
func write(w io.Writer, text []byte) error {
	if _, err := w.Write(text); err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	return nil
}
