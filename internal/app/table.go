package app

import (
	"os"
	"runtime"
	"strconv"

	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/internal/term"
	"github.com/coffer-secrets/coffer/store/admin"
)

// Style describes the reader of a stream. No other code asks whether to draw columns, marks and colors.
func (a *App) Style(stream *os.File) render.Style {
	s := render.Style{Terminal: term.IsTerminal(stream)}
	if !s.Terminal {
		return s
	}
	s.Now, s.Width = a.Now(), a.columns(stream)
	s.Color = a.Getenv("NO_COLOR") == "" && a.drawsColor() && (a.Globals == nil || !a.Globals.NoColor)
	return s
}

// drawsColor reports whether the terminal shows colors, by TERM. Windows doesn't set it.
func (a *App) drawsColor() bool {
	name := a.Getenv("TERM")
	return name != "dumb" && (name != "" || runtime.GOOS == "windows")
}

// columns returns the width of a terminal: COLUMNS if it is set, as POSIX has it; else what the
// terminal says; else 80.
func (a *App) columns(stream *os.File) int {
	if n, err := strconv.Atoi(a.Getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	if n := term.Width(stream); n > 0 {
		return n
	}
	return 80
}

// Table collects the rows of a table.
type Table struct {
	app    *App
	layout render.Layout
	Rows   [][]any
}

// Table begins a table, with the titles of its columns. Chamber's columns come first.
func (a *App) Table(columns ...string) *Table {
	return &Table{app: a, layout: render.Layout{Columns: columns}}
}

// Drops names the columns that a narrow terminal doesn't show, the first to go first. It never has a
// column that tells two rows apart.
func (t *Table) Drops(columns ...string) *Table {
	t.layout.Drop = columns
	return t
}

// Cuts names the columns whose cells a narrow terminal may show in part.
func (t *Table) Cuts(columns ...string) *Table {
	t.layout.Cut = columns
	return t
}

// Leads names the column that comes first at a terminal.
func (t *Table) Leads(column string) *Table {
	t.layout.Lead = column
	return t
}

// Record makes a row a list of its cells where it doesn't fit the terminal. Nothing is cut.
func (t *Table) Record() *Table {
	t.layout.Record = true
	return t
}

// Row adds a row, of as many cells as the table has columns.
func (t *Table) Row(cells ...any) { t.Rows = append(t.Rows, cells) }

// Print writes the table to standard output, in columns that fit on a terminal, and separated by tabs
// otherwise.
func (t *Table) Print() error {
	return render.Table(t.app.Stdout, t.app.Style(t.app.Stdout), t.layout, t.Rows)
}

// VerdictCell returns the result of a test of a permission for a table.
func VerdictCell(v admin.Verdict) render.Marked {
	cell := render.Marked{Mark: render.Warning, Text: string(v)}
	switch v {
	case admin.Allowed:
		cell.Mark = render.Done
	case admin.Refused:
		cell.Mark = render.Failed
	}
	return cell
}
