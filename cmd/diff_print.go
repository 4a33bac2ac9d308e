package cmd

import (
	"fmt"
	"strings"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/store"
)

// differenceJSON is a difference as --json prints it.
type differenceJSON struct {
	Key          string  `json:"key"`
	State        string  `json:"state"`
	LeftVersion  int     `json:"left_version,omitempty"`
	RightVersion int     `json:"right_version,omitempty"`
	Left         *string `json:"left,omitempty"`
	Right        *string `json:"right,omitempty"`
}

func (c *DiffCmd) print(a *app.App, found []difference) error {
	out := make([]differenceJSON, 0, len(found))
	counts := map[string]int{}
	for _, d := range found {
		if counts[d.state]++; d.state == same && !c.All {
			continue
		}
		row := differenceJSON{Key: d.key, State: d.state}
		row.LeftVersion, row.Left = c.side(d.left)
		row.RightVersion, row.Right = c.side(d.right)
		out = append(out, row)
	}
	if a.Globals.JSON {
		return render.JSON(a.Stdout, out)
	}
	header := []string{"Key", "State", "Left version", "Right version"}
	if c.Reveal {
		header = append(header, "Left", "Right")
	}
	t := a.Table(header...).Cuts("Left", "Right").Drops("Left version", "Right version")
	for _, d := range out {
		row := []any{d.Key, d.State, app.VersionCell(d.LeftVersion), app.VersionCell(d.RightVersion)}
		if c.Reveal {
			row = append(row, app.ValueCell(d.Left), app.ValueCell(d.Right))
		}
		t.Row(row...)
	}
	if len(t.Rows) > 0 { // like diff(1), nothing where nothing differs
		if err := t.Print(); err != nil {
			return err
		}
	}
	var parts []string
	for _, state := range []string{same, differs, missingLeft, missingRight, hiddenKey, damagedKey} {
		switch n := counts[state]; {
		case n > 1 && state == differs:
			parts = append(parts, fmt.Sprintf("%d differ", n))
		case n > 0:
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	a.Note("%s", strings.Join(parts, ", "))
	return nil
}

// side returns the version and, with --reveal, the value to print for one side.
func (c *DiffCmd) side(s *store.Secret) (version int, value *string) {
	if s == nil {
		return 0, nil
	}
	if c.Reveal {
		text := s.Value.Reveal()
		value = &text
	}
	return s.Version, value
}
