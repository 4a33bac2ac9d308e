package app

import (
	"fmt"
	"sort"

	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/store"
)

// ResultJSON is the result of a change as --json prints it.
type ResultJSON struct {
	SecretJSON
	Outcome store.Outcome `json:"outcome"`
	Error   string        `json:"error,omitempty"`
}

// NewResultJSON returns a result as --json prints it.
func NewResultJSON(r store.Result) ResultJSON {
	return ResultJSON{SecretJSON: NewSecretJSON(r.Meta), Outcome: r.Outcome, Error: ErrorText(r.Err)}
}

// ErrorText returns [Sentence] of an error; "" for nil.
func ErrorText(err error) string {
	if err == nil {
		return ""
	}
	return Sentence(err)
}

// PrintResults prints the result of each secret: as text to standard error, or with --json to
// standard output.
func (a *App) PrintResults(results []store.Result) error {
	if a.Globals.JSON {
		out := make([]ResultJSON, len(results))
		for i, r := range results {
			out[i] = NewResultJSON(r)
		}
		return render.JSON(a.Stdout, out)
	}
	if a.Globals.Quiet {
		return nil
	}
	style := a.Style(a.Stderr)
	for _, r := range results {
		fmt.Fprintln(a.Stderr, style.Mark(markOf(r.Outcome))+render.Escape(resultLine(r)))
	}
	return nil
}

func markOf(o store.Outcome) render.Mark {
	switch o {
	case store.Failed:
		return render.Failed
	case store.Left:
		return render.Warning
	}
	return render.Done
}

func resultLine(r store.Result) string {
	switch r.Outcome {
	case store.Deleted:
		if r.Meta.Version == 0 { // Parameter Store doesn't tell it
			return fmt.Sprintf("%s: deleted", r.Meta.ID)
		}
		return fmt.Sprintf("%s: deleted (was version %d)", r.Meta.ID, r.Meta.Version)
	case store.Purged:
		return fmt.Sprintf("%s: purged (was deleted before)", r.Meta.ID)
	case store.Restored:
		return fmt.Sprintf("%s: restored, version %d", r.Meta.ID, r.Meta.Version)
	case store.Unchanged:
		return fmt.Sprintf("%s: unchanged, version %d", r.Meta.ID, r.Meta.Version)
	case store.Left:
		return fmt.Sprintf("%s: not done", r.Meta.ID)
	case store.Failed:
		return fmt.Sprintf("%s: failed: %s", r.Meta.ID, Sentence(r.Err))
	}
	return fmt.Sprintf("%s: version %d", r.Meta.ID, r.Meta.Version)
}

// SortResults sorts results by key.
func SortResults(results []store.Result) {
	sort.Slice(results, func(i, j int) bool { return results[i].Meta.ID.Key < results[j].Meta.ID.Key })
}

// PlanRow is what a command would do with a secret, or why it can't.
type PlanRow struct {
	Cells  []any // never the value of a secret
	Change string
	Err    error
}

// PrintPlan prints a row for each secret, with the planned change as the last column. With --json it
// calls data instead. A narrow terminal leaves out the columns of drop, in that order.
func (a *App) PrintPlan(columns, drop []string, rows []PlanRow, data func() error) error {
	if a.Globals.JSON {
		return data()
	}
	t := a.Table(append(columns, "Change")...).Drops(drop...).Cuts("Change")
	for _, r := range rows {
		change := r.Change
		if r.Err != nil {
			change = Sentence(r.Err)
		}
		t.Row(append(r.Cells, change)...)
	}
	return t.Print()
}

// PrintPlannedChanges prints the plan for the secrets of one service. [PlanFailure] is its error.
func (a *App) PrintPlannedChanges(results []store.Result) error {
	SortResults(results)
	rows := make([]PlanRow, len(results))
	for i, r := range results {
		rows[i] = PlanRow{Cells: []any{r.Meta.ID.Key, VersionCell(r.Meta.Version)}, Change: string(r.Outcome), Err: r.Err}
	}
	return a.PrintPlan([]string{"Key", "Version"}, []string{"Version"}, rows, func() error { return a.PrintResults(results) })
}

// PlanFailure returns the worst of what a plan can't do, with which the dry run ends, as the run would.
func PlanFailure(results []store.Result) error {
	errs := make([]error, len(results))
	for i, r := range results {
		errs[i] = r.Err
	}
	return Worst(errs...)
}
