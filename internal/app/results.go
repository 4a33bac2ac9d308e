package app

import (
	"fmt"
	"sort"

	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/store"
)

// ResultJSON is how the outcome of a change is printed with --json.
type ResultJSON struct {
	SecretJSON
	Outcome store.Outcome `json:"outcome"`
	Error   string        `json:"error,omitempty"`
}

// PrintResults tells what became of each secret: to a person on standard error, as JSON on
// standard output.
func (a *App) PrintResults(results []store.Result) error {
	if a.Globals.JSON {
		out := make([]ResultJSON, len(results))
		for i, r := range results {
			out[i] = ResultJSON{SecretJSON: Described(r.Meta), Outcome: r.Outcome}
			if r.Err != nil {
				out[i].Error = Sentence(r.Err)
			}
		}
		return render.JSON(a.Stdout, out)
	}
	if a.Globals.Quiet {
		return nil
	}
	for _, r := range results {
		fmt.Fprintln(a.Stderr, render.Escape(resultLine(r)))
	}
	return nil
}

func resultLine(r store.Result) string {
	switch r.Outcome {
	case store.Deleted:
		return fmt.Sprintf("%s: deleted (was version %d)", r.Meta.ID, r.Meta.Version)
	case store.Purged:
		return fmt.Sprintf("%s: purged (was deleted before)", r.Meta.ID)
	case store.Restored:
		return fmt.Sprintf("%s: restored, version %d", r.Meta.ID, r.Meta.Version)
	case store.Unchanged:
		return fmt.Sprintf("%s: unchanged, version %d", r.Meta.ID, r.Meta.Version)
	case store.Left:
		return fmt.Sprintf("%s: left", r.Meta.ID)
	case store.Failed:
		return fmt.Sprintf("%s: failed: %s", r.Meta.ID, Sentence(r.Err))
	}
	return fmt.Sprintf("%s: version %d", r.Meta.ID, r.Meta.Version)
}

// SortResults sorts by key.
func SortResults(results []store.Result) {
	sort.Slice(results, func(i, j int) bool { return results[i].Meta.ID.Key < results[j].Meta.ID.Key })
}
