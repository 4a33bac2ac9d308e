package render

import (
	"bytes"
	"slices"
	"strings"

	"github.com/olekukonko/tablewriter/pkg/twwidth"
)

// The least width to which a cell is cut: while a column can be left out instead, and otherwise.
const (
	roomyCut = 16
	leastCut = 12
)

// grid is the text of a table at a terminal.
type grid struct {
	titles []string
	cells  [][]string
	cuts   []bool // the columns whose cells may be cut
	widths []int  // the widest cell of each column
	record bool   // the rows must be printed as lists
}

// fit returns the table with the columns and cells that fit the terminal.
func (s Style) fit(layout Layout, rows [][]any) grid {
	order := leadingFirst(layout)
	t := s.newGrid(layout, rows, order, false)
	if s.Width == 0 || t.width() <= s.Width {
		return t
	}
	t = s.newGrid(layout, rows, order, true)
	if t.width() <= s.Width {
		return t
	}
	for _, title := range layout.Drop {
		if t.narrowest(roomyCut) <= s.Width || layout.Record {
			break
		}
		t.drop(slices.Index(t.titles, title))
	}
	// Two columns of names are better wrapped by the terminal than made a list.
	wrappable := len(t.titles) <= 2 && !slices.Contains(t.cuts, true)
	if len(rows) > 0 && (layout.Record || t.narrowest(leastCut) > s.Width && !wrappable) {
		t = s.newGrid(layout, rows, order, false)
		t.record = true
		return t
	}
	t.cut(s.Width)
	return t
}

// leadingFirst returns the numbers of the columns in their order at a terminal.
func leadingFirst(layout Layout) []int {
	order := make([]int, 0, len(layout.Columns))
	for i, title := range layout.Columns {
		if title == layout.Lead && title != "" {
			order = slices.Insert(order, 0, i)
		} else {
			order = append(order, i)
		}
	}
	return order
}

// newGrid returns the cells of a table as text, with ARNs whole or shortened.
func (s Style) newGrid(layout Layout, rows [][]any, order []int, shorten bool) grid {
	var t grid
	for _, i := range order {
		t.titles = append(t.titles, s.cell(layout.Columns[i]))
		t.cuts = append(t.cuts, slices.Contains(layout.Cut, layout.Columns[i]))
	}
	for _, row := range rows {
		cells := make([]string, 0, len(order))
		for _, i := range order {
			c := row[i]
			if text, ok := c.(string); ok && shorten {
				c = lastPart(text)
			}
			cells = append(cells, s.cell(c))
		}
		t.cells = append(t.cells, cells)
	}
	t.widths = make([]int, len(t.titles))
	for _, row := range append([][]string{t.titles}, t.cells...) {
		for i, c := range row {
			t.widths[i] = max(t.widths[i], Width(c))
		}
	}
	return t
}

// lastPart returns the end of an ARN that tells it from others of its kind: the name of a user, the
// session of a role, the ID of a key; otherwise all that follows the account. It returns any other
// text unchanged.
func lastPart(text string) string {
	parts := strings.SplitN(text, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" {
		return text
	}
	resource := parts[5]
	if parts[2] == "iam" || parts[2] == "sts" || strings.HasPrefix(resource, "key/") {
		return resource[strings.LastIndexByte(resource, '/')+1:]
	}
	return resource
}

// width returns the width of the table.
func (t *grid) width() int { return sum(t.widths) }

// narrowest returns the width of the table with all cells cut that may be, to a width.
func (t *grid) narrowest(least int) int {
	widths := slices.Clone(t.widths)
	for i, w := range widths {
		if t.cuts[i] {
			widths[i] = min(w, max(least, Width(t.titles[i])))
		}
	}
	return sum(widths)
}

func sum(widths []int) int {
	total := len(gap) * (len(widths) - 1)
	for _, w := range widths {
		total += w
	}
	return total
}

// drop removes a column, but not the last one.
func (t *grid) drop(i int) {
	if i < 0 || len(t.titles) == 1 {
		return
	}
	t.titles, t.cuts, t.widths = slices.Delete(t.titles, i, i+1), slices.Delete(t.cuts, i, i+1), slices.Delete(t.widths, i, i+1)
	for r := range t.cells {
		t.cells[r] = slices.Delete(t.cells[r], i, i+1)
	}
}

// cut cuts cells, those of the widest column first, until the table has a width or nothing more may
// be cut.
func (t *grid) cut(most int) {
	for i, w := range t.widths {
		if t.cuts[i] {
			t.widths[i] = min(w, max(most, leastCut))
		}
	}
	for t.width() > most {
		widest := -1
		for i, w := range t.widths {
			if t.cuts[i] && w > max(leastCut, Width(t.titles[i])) && (widest < 0 || w > t.widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		t.widths[widest]--
	}
	for _, row := range t.cells {
		for i := range row {
			if t.cuts[i] && Width(row[i]) > t.widths[i] {
				row[i] = twwidth.Truncate(row[i], t.widths[i], "…")
			}
		}
	}
}

// records returns each row as a list of title and cell, with an empty line between two rows. The
// terminal wraps what is too long, so that a person can still copy it.
func (s Style) records(t grid) []byte {
	longest := 0
	for _, title := range t.titles {
		longest = max(longest, Width(title))
	}
	var out bytes.Buffer
	for r, row := range t.cells {
		if r > 0 {
			out.WriteByte('\n')
		}
		for i, c := range row {
			title := t.titles[i] + strings.Repeat(" ", longest-Width(t.titles[i]))
			if s.Color {
				title = bold + title + plain
			}
			out.WriteString(title + gap + c + "\n")
		}
	}
	return out.Bytes()
}
