package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/scan"
	"github.com/coffer-secrets/coffer/store"
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
		names := make([]string, len(out.Packed))
		for i, name := range out.Packed {
			names[i] = fileName(name)
		}
		a.NoteWarning("not unpacked, only scanned as they are: %s", listed(names))
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

// fileName returns the name of a file, quoted if it can't be printed as it is. A line of a CI job that begins with ::
// or ## is a command to its runner.
func fileName(name string) string {
	switch {
	case !utf8.ValidString(name), strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return strconv.Quote(name)
	case strings.HasPrefix(name, "::"), strings.HasPrefix(name, "##"):
		return "./" + name
	}
	return name
}

// unreadError is the error of what couldn't be read. Its exit code is never that of a finding.
type unreadError struct {
	text    string
	is, err error
}

func (e *unreadError) Error() string { return e.text }

func (e *unreadError) Unwrap() []error { return []error{e.is, e.err} }

// unread returns the error of a file, a stream or an object that couldn't be read.
func unread(name string, err error) error {
	e := &unreadError{fileName(name) + ": " + err.Error(), store.ErrCorrupt, err}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.is = store.ErrNotFound
	case errors.Is(err, fs.ErrPermission):
		e.is = store.ErrDenied
	case errors.Is(err, scan.ErrNotPlain):
		e.text, e.is = fileName(name)+" "+err.Error(), store.ErrInvalid
		return app.WithHint(e, "pass what it gives on to coffer scan - (standard input)")
	case errors.Is(err, scan.ErrObjects):
		e.text, e.is = fileName(name)+" "+err.Error(), store.ErrInvalid
		return app.WithHint(e, "to scan what they hold, run there: coffer scan --git=--all")
	}
	return e
}

// ofGit returns what an error of git means to a person.
func ofGit(err error) error {
	switch {
	case errors.Is(err, scan.ErrNoRepository):
		return app.WithHint(app.Usage("this directory is in no git repository"), "to scan its files: coffer scan")
	case errors.Is(err, scan.ErrRevision):
		return &unreadError{err.Error(), store.ErrInvalid, err}
	case errors.Is(err, scan.ErrNoGit):
		return &unreadError{err.Error(), store.ErrConfiguration, err}
	case err != nil && !errors.Is(err, context.Canceled):
		return &unreadError{err.Error(), store.ErrCorrupt, err}
	}
	return err
}

// isMissing reports whether one of the services that --service names doesn't exist.
func isMissing(services []string, failed []error) bool {
	return len(services) > 0 && slices.ContainsFunc(failed, func(err error) bool { return errors.Is(err, store.ErrNotFound) })
}
