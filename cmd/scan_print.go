package cmd

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/scan"
)

type scanJSON struct {
	Findings []scan.Finding `json:"findings"`
	Services int            `json:"services"` // how many were read
	Values   int            `json:"values"`   // how many different values were looked for
	LeftOut  []string       `json:"left_out"` // secrets that are too short
	Files    int            `json:"files"`    // how many were scanned; of a history, versions
	Bytes    int64          `json:"bytes"`
	Packed   []string       `json:"packed"` // archives and compressed files, which were scanned as they are
	Failed   []string       `json:"failed"` // what couldn't be read
}

// end says what was found, and returns the error that is the exit code.
func (c *ScanCmd) end(a *app.App, out scanJSON, failed []error) error {
	if len(out.Packed) > 0 {
		a.NoteWarning("not unpacked, only scanned as they are: %s", listed(out.Packed))
	}
	scanned := fmt.Sprintf("%s (%s)", app.Count(out.Files, "file"), size(out.Bytes))
	worst := a.Report(failed...)
	switch n := len(out.Findings); {
	case n > 0 && !app.EndsAll(worst):
		if worst != nil {
			a.SayFailed("%s", app.Sentence(worst))
		}
		a.SayFailed("found %s in %s", app.Count(n, "place")+" with a secret", scanned)
		return &app.ExitError{Code: app.ExitOther}
	case worst == nil:
		a.NoteDone("no secret was found in %s", scanned)
	}
	return worst
}

func size(bytes int64) string {
	if bytes < 1e6 {
		return strconv.FormatInt((bytes+999)/1000, 10) + " kB"
	}
	return strconv.FormatFloat(float64(bytes)/1e6, 'f', 1, 64) + " MB"
}

// lineOf returns a finding as a compiler prints an error, so that editors can jump to it.
func lineOf(f scan.Finding) string {
	place := fileName(f.File)
	if f.Commit != "" {
		place = f.Commit[:min(12, len(f.Commit))] + ":" + place
	}
	switch {
	case f.Byte != nil:
		place += ":byte " + strconv.FormatInt(*f.Byte, 10)
	case f.Line > 0:
		place += ":" + strconv.Itoa(f.Line)
	}
	return fmt.Sprintf("%s: %s (%s)\n", place, strings.Join(f.Secrets, ", "), f.Form)
}

// fileName returns the name of a file, quoted if it can't be printed as it is.
func fileName(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(name)
	}
	return name
}
