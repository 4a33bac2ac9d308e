package migrate

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/store"
)

// Empty reports whether there is nothing to report: no service could be read.
func (m *Migration) Empty() bool { return len(m.moves) == 0 }

// summary counts the outcomes of a service.
func summary(moves []*move) string {
	results := make([]store.Result, len(moves))
	written, newer := 0, 0
	for i, v := range moves {
		results[i].Outcome = v.outcome
		written += len(v.written)
		if v.note != "" && len(v.missing) == 0 {
			newer++
		}
	}
	text := app.CountOutcomes(results)
	if written > 0 {
		text += "; " + app.Count(written, "version") + " written and verified"
	}
	if newer > 0 {
		text += fmt.Sprintf("; %d newer at the destination", newer)
	}
	return text
}

// moveJSON is a secret of a migration as --json prints it.
type moveJSON struct {
	Service  string        `json:"service"`
	Key      string        `json:"key"`
	Versions int           `json:"versions"` // how many were written or, with --dry-run, would be
	Version  int           `json:"version,omitempty"`
	Outcome  store.Outcome `json:"outcome"`
	Note     string        `json:"note,omitempty"`
	Tags     int           `json:"tags,omitempty"` // how many the secret has at the source, which don't move; -1: unknown
	Error    string        `json:"error,omitempty"`
}

// Report prints the plan of --dry-run, or all results with --json. It notes that older versions got
// new dates and authors, and that tags don't move.
func (m *Migration) Report() error {
	if slices.ContainsFunc(m.moves, func(v *move) bool { return len(v.missing) > 1 }) {
		m.app.Note("older versions keep their values and their order, but get the date and writer of this migration")
	}
	m.noteTags()
	if !m.DryRun && !m.app.Globals.JSON {
		return nil
	}
	out, rows := make([]moveJSON, len(m.moves)), make([]app.PlanRow, len(m.moves))
	for i, v := range m.moves {
		versions := len(v.written)
		if m.DryRun {
			versions = len(v.missing)
		}
		out[i] = moveJSON{
			Service: v.source.ID.Service, Key: v.key, Versions: versions, Version: v.version,
			Outcome: v.outcome, Note: v.note, Tags: v.tags, Error: app.ErrorText(v.err),
		}
		rows[i] = app.PlanRow{Cells: []any{v.source.ID.Service, v.key, versions}, Change: cmp.Or(v.note, string(v.outcome)), Err: v.err}
	}
	return m.app.PrintPlan([]string{"Service", "Key", "Versions to write"}, []string{"Versions to write"}, rows, func() error { return render.JSON(m.app.Stdout, out) })
}
