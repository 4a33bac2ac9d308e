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
	Terminal bool      // the output is a terminal: columns are aligned, and times relative
	Color    bool      // the header of a table is bold, and results have a mark; see [Style.Mark]
	Width    int       // columns of the terminal; 0 is no limit
	Now      time.Time // the base of relative times
}

// Layout describes the columns of a table.
type Layout struct {
	Columns []string // the titles; the columns of chamber's tables come first, under chamber's names

	// What happens at a terminal. The other fields have no effect on other outputs.
	Lead   string   // the column that comes first
	Drop   []string // the columns that are left out of a narrow terminal, in this order
	Cut    []string // the columns whose cells may be cut
	Record bool     // a row that doesn't fit is printed as a list of its cells, none of them cut
}

// Text is a cell with a text that a person has stored, such as the value of a secret: an empty one is
// shown as two quotes, and an ARN is never shortened.
type Text string

// none is the text of an empty cell, so that columns can still be counted.
const none = "-"

// gap separates two columns.
const gap = "  "

// Table writes a table without borders: the header, then one line for each row. A cell is a string,
// shown as by [Quoted]; a time, shown as by [Style.Time]; a [Text]; a [Marked]; nil or empty, shown as
// "-"; or anything else that fmt can print, quoted in the same way.
//
// At a terminal the columns are aligned. If they are wider than [Style.Width], ARNs are shortened to
// their last part; then long cells are cut, and columns left out, as the layout says. If that isn't
// enough, or would cut what the layout keeps whole, each row is printed as a list of all its cells.
// Widths are counted in columns of a terminal and don't depend on the locale.
//
// Elsewhere one tab separates two cells, nothing is left out or cut, and the titles have no spaces, as
// in chamber's tables: LastModified.
//
// It returns the writer's error, or an error if a row doesn't have as many cells as the header.
func Table(w io.Writer, style Style, layout Layout, rows [][]any) error {
	for i, row := range rows {
		if len(row) != len(layout.Columns) {
			return fmt.Errorf("render a table: row %d has %d cells, the header %d", i, len(row), len(layout.Columns))
		}
	}
	if !style.Terminal {
		return write(w, style.tabbed(layout.Columns, rows))
	}
	twwidth.SetOptions(twwidth.Options{}) // whatever the locale is
	fitted := style.fit(layout, rows)
	if fitted.record {
		return write(w, style.records(fitted))
	}
	var out bytes.Buffer
	if err := style.align(&out, fitted); err != nil {
		return fmt.Errorf("render a table: %w", err)
	}
	return write(w, out.Bytes())
}

// tabbed returns a table for programs.
func (s Style) tabbed(titles []string, rows [][]any) []byte {
	var out bytes.Buffer
	for i, title := range titles {
		if i > 0 {
			out.WriteByte('\t')
		}
		for _, word := range strings.Fields(s.cell(title)) {
			out.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	out.WriteByte('\n')
	for _, row := range rows {
		for i, c := range row {
			if i > 0 {
				out.WriteByte('\t')
			}
			out.WriteString(s.cell(c))
		}
		out.WriteByte('\n')
	}
	return out.Bytes()
}

// align writes a table in columns.
func (s Style) align(out io.Writer, t grid) error {
	table := tablewriter.NewTable(out,
		tablewriter.WithRenderer(&columns{bold: s.Color}),
		tablewriter.WithEastAsian(tw.Off),
		tablewriter.WithPadding(tw.Padding{Right: gap, Overwrite: true}),
		tablewriter.WithHeaderAutoFormat(tw.Off),
		tablewriter.WithHeaderAutoWrap(tw.WrapNone),
		tablewriter.WithRowAutoWrap(tw.WrapNone),
		tablewriter.WithTrimSpace(tw.Off),
	)
	table.Header(t.titles)
	for _, row := range t.cells {
		if err := table.Append(row); err != nil {
			return err
		}
	}
	return table.Render()
}

// cell returns the text of one cell, without control characters that a terminal would interpret.
func (s Style) cell(c any) string {
	var text string
	switch c := c.(type) {
	case nil:
		return none
	case time.Time:
		return s.Time(c)
	case Marked:
		return s.Mark(c.Mark) + s.cell(c.Text)
	case Text:
		if c == "" {
			return `""`
		}
		text = string(c)
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
		c.line = append(append([]byte(bold), c.line...), plain...)
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
			before := row.Widths.Get(i-1) - Width(row.Current[i-1].Data)
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

// Width returns how many columns of a terminal a text takes, whatever the locale.
func Width(s string) int {
	for i := range len(s) {
		if s[i] >= 0x80 || s[i] == '\x1b' { // the color of a mark takes no column
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
