// Package render turns data into text for a person or a program: tables, JSON, times, and strings
// that are safe to print on a terminal. It writes each output in one call.
package render

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/olekukonko/ll"
	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/pkg/twwidth"
	"github.com/olekukonko/tablewriter/tw"
)

// Style describes the reader of the output.
type Style struct {
	Terminal bool      // the output is a terminal: times are relative
	Color    bool      // the header of a table is bold; no other escape sequences are written
	Now      time.Time // the base of relative times
}

// none is the text of an empty cell, so that columns can still be counted.
const none = "-"

// gap separates two columns.
const gap = "  "

// Table writes aligned columns without borders: the header, then one line for each row. A cell is a
// string, shown as by [Quoted]; a time, shown as by [Style.Time]; nil or empty, shown as "-"; or
// anything else that fmt can print, quoted in the same way. Column widths are counted in characters
// and don't depend on the locale. Nothing is cut or wrapped.
//
// It returns the writer's error, or an error if a row doesn't have as many cells as the header.
func Table(w io.Writer, style Style, header []string, rows [][]any) error {
	var out bytes.Buffer
	table := tablewriter.NewTable(&out,
		tablewriter.WithRenderer(&columns{bold: style.Color}),
		tablewriter.WithEastAsian(tw.Off),
		tablewriter.WithPadding(tw.Padding{Right: gap, Overwrite: true}),
		tablewriter.WithHeaderAutoFormat(tw.Off),
		tablewriter.WithHeaderAutoWrap(tw.WrapNone),
		tablewriter.WithRowAutoWrap(tw.WrapNone),
		tablewriter.WithTrimSpace(tw.Off),
	)
	titles := make([]string, len(header))
	for i, title := range header {
		titles[i] = style.cell(title)
	}
	table.Header(titles)
	for i, row := range rows {
		if len(row) != len(header) {
			return fmt.Errorf("render a table: row %d has %d cells, the header %d", i, len(row), len(header))
		}
		cells := make([]string, len(row))
		for j, c := range row {
			cells[j] = style.cell(c)
		}
		if err := table.Append(cells); err != nil {
			return fmt.Errorf("render a table: %w", err)
		}
	}
	if err := table.Render(); err != nil {
		return fmt.Errorf("render a table: %w", err)
	}
	return write(w, out.Bytes())
}

// cell returns the text of one cell, without control characters that a terminal would interpret.
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

// columns writes the lines of a table for tablewriter. Tablewriter's own renderer measures each
// cell several times, may cut it, and leaves spaces at the ends of lines.
type columns struct {
	w    io.Writer
	line []byte
	bold bool
}

// Start implements [tw.Renderer].
func (c *columns) Start(w io.Writer) error {
	c.w = w
	return nil
}

// Header implements [tw.Renderer]. It is called once for each line of the header.
func (c *columns) Header(_ [][]string, ctx tw.Formatting) {
	c.draw(ctx.Row)
	if c.bold {
		c.line = append(append([]byte("\x1b[1m"), c.line...), "\x1b[0m"...)
	}
	c.end()
}

// Row implements [tw.Renderer].
func (c *columns) Row(_ []string, ctx tw.Formatting) {
	c.draw(ctx.Row)
	c.end()
}

func (c *columns) draw(row tw.RowContext) {
	c.line = c.line[:0]
	for i := range len(row.Current) {
		if i > 0 {
			before := row.Widths.Get(i-1) - width(row.Current[i-1].Data)
			c.line = append(c.line, strings.Repeat(" ", max(before, 0))...)
		}
		c.line = append(c.line, row.Current[i].Data...)
	}
}

// end writes the line. The writer is a buffer, which never fails.
func (c *columns) end() {
	c.line = append(c.line, '\n')
	_, _ = c.w.Write(c.line)
}

// width returns how many columns of a terminal a text takes.
func width(s string) int {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return twwidth.Width(s)
		}
	}
	return len(s)
}

// Footer implements [tw.Renderer]: tables have no footer.
func (*columns) Footer([][]string, tw.Formatting) {}

// Line implements [tw.Renderer]: tables have no lines.
func (*columns) Line(tw.Formatting) {}

// Close implements [tw.Renderer].
func (*columns) Close() error { return nil }

// Logger implements [tw.Renderer]: nothing is logged.
func (*columns) Logger(*ll.Logger) {}

// Config implements [tw.Renderer]: no borders, lines or separators.
func (*columns) Config() tw.Rendition {
	return tw.Rendition{
		Borders:  tw.BorderNone,
		Symbols:  tw.NewSymbols(tw.StyleNone),
		Settings: tw.Settings{Lines: tw.LinesNone, Separators: tw.SeparatorsNone},
	}
}

// write makes one Write call, so that a table isn't interleaved with other output.
func write(w io.Writer, text []byte) error {
	if _, err := w.Write(text); err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	return nil
}
