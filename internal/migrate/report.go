package migrate

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/store"
)

// summary counts what became of the secrets of a service.
func summary(moves []*move) string {
	results := make([]store.Result, len(moves))
	written, newer := 0, 0
	for i, v := range moves {
		results[i].Outcome = v.outcome
		written += len(v.written)
		if v.note != "" && len(v.rest) == 0 {
			newer++
		}
	}
	text := app.CountOutcomes(results)
	if written > 0 {
		text += "; " + app.Count(written, "version") + " written and read back"
	}
	if newer > 0 {
		text += fmt.Sprintf("; %d newer at the destination", newer)
	}
	return text
}

// moveJSON is how a secret of a migration is printed with --json.
type moveJSON struct {
	Service  string        `json:"service"`
	Key      string        `json:"key"`
	Versions int           `json:"versions"` // to write, or written
	Version  int           `json:"version,omitempty"`
	Outcome  store.Outcome `json:"outcome"`
	Note     string        `json:"note,omitempty"`
	Error    string        `json:"error,omitempty"`
}

// Report prints the plan as a table, or everything as JSON, and says what older versions lose.
func (m *Migration) Report() error {
	if slices.ContainsFunc(m.moves, func(v *move) bool { return len(v.rest) > 1 }) {
		m.app.Note("older versions have their values and their order; their dates and writers are those of this migration")
	}
	if !m.DryRun && !m.app.Globals.JSON {
		return nil
	}
	out, rows := make([]moveJSON, len(m.moves)), make([]app.PlanRow, len(m.moves))
	for i, v := range m.moves {
		versions := len(v.written)
		if m.DryRun {
			versions = len(v.rest)
		}
		out[i] = moveJSON{
			Service: v.source.ID.Service, Key: v.key, Versions: versions, Version: v.version,
			Outcome: v.outcome, Note: v.note, Error: app.ErrorText(v.err),
		}
		rows[i] = app.PlanRow{Cells: []any{v.source.ID.Service, v.key, versions}, Change: cmp.Or(v.note, string(v.outcome)), Err: v.err}
	}
	return m.app.PrintPlan([]string{"Service", "Key", "Versions to write"}, rows, func() error { return render.JSON(m.app.Stdout, out) })
}
