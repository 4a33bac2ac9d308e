package cmd

import (
	"context"
	"errors"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/store"
)

// CopyCmd copies the newest values of a service to another.
type CopyCmd struct {
	Source      string `arg:"" name:"service" help:"Service to read."`
	Destination string `arg:"" help:"Service to write; made if there is none."`

	app.Contexts
	app.KeyFlags
	Overwrite bool `help:"Write a new version of secrets that have another value there."`
	DryRun    bool `help:"Print what would change, and change nothing."`
	Adopt     bool `help:"Take over secrets whose key alias cannot be told."`
}

// Run copies all that was chosen or, when a secret stands in the way, nothing. Secrets that
// have the value already stay as they are.
func (c *CopyCmd) Run(ctx context.Context, a *app.App) error {
	source, destination := app.ServiceName(c.Source), app.ServiceName(c.Destination)
	from, to, err := c.Open(ctx, a)
	if err != nil {
		return err
	}
	if source == destination && from.Same(to) {
		return app.Usage("%s would be copied onto itself", source)
	}
	there, here, err := app.LoadBoth(ctx, from, source, to, destination)
	if err != nil {
		return err
	}
	wanted, err := c.wanted(a, there, here)
	if err != nil {
		return err
	}
	changes, results := c.plan(destination, wanted, here)
	if c.DryRun {
		return a.PrintPlannedChanges(results)
	}
	if err := c.refuse(a, results); err != nil {
		return err
	}
	written, err := app.WriteChanges(ctx, to, destination, changes, store.WriteOptions{PreserveCase: true, Adopt: c.Adopt})
	if len(written) == 0 && err != nil {
		return err
	}
	if printErr := a.ReportChanges(destination, append(unchanged(results), written...), err); printErr != nil {
		return printErr
	}
	return err
}

// wanted returns the secrets to copy, and tells what the caller does not see.
func (c *CopyCmd) wanted(a *app.App, there, here store.Contents) ([]store.Secret, error) {
	if err := app.RefuseUnlisted(there, here); err != nil {
		return nil, err
	}
	if err := a.RefuseUnreadable([]store.Contents{there}); err != nil {
		return nil, err
	}
	if len(there.Secrets) == 0 {
		return nil, app.NoSecrets("copy", there.Service)
	}
	wanted, err := c.Choose(there)
	if err == nil && len(wanted) == 0 {
		err = app.NoKey(there.Service, c.Keys, c.Except)
	}
	return wanted, err
}

// plan holds the secrets against what stands at the destination.
func (c *CopyCmd) plan(service string, wanted []store.Secret, here store.Contents) (changes []app.Change, results []store.Result) {
	taken := map[string]bool{}
	for _, s := range wanted {
		id := store.ID{Service: service, Key: s.ID.Key}
		r := store.Result{Meta: store.Meta{ID: id}, Outcome: store.Created}
		stands, err := app.Existing(id, here)
		switch {
		case err != nil:
			r.Outcome, r.Err = store.Failed, err
		case stands == nil:
		case taken[stands.ID.Key]:
			r.Outcome, r.Err = store.Failed, &store.Error{Op: "copy", ID: id, Err: &store.AmbiguousNameError{Keys: []string{stands.ID.Key}}}
		case stands.Value == s.Value:
			r.Meta, r.Outcome = stands.Meta, store.Unchanged
		case c.Overwrite:
			r.Meta, r.Outcome = stands.Meta, store.Updated
		default:
			r.Meta, r.Outcome = stands.Meta, store.Failed
			r.Err = &store.Error{Op: "copy", ID: stands.ID, Err: app.ErrOtherValue}
		}
		if stands != nil {
			taken[stands.ID.Key] = true
		}
		if r.Outcome == store.Created || r.Outcome == store.Updated {
			changes = append(changes, app.Change{Key: r.Meta.ID.Key, Value: s.Value, Version: r.Meta.Version})
		}
		results = append(results, r)
	}
	return changes, results
}

// refuse ends the command when a secret stands in the way of another: it names all of them.
func (c *CopyCmd) refuse(a *app.App, results []store.Result) error {
	var last error
	for _, r := range results {
		if r.Err == nil {
			continue
		}
		if last != nil {
			a.Say("%s", app.Sentence(last))
		}
		last = r.Err
	}
	if errors.Is(last, app.ErrOtherValue) {
		last = app.Hinted(last, "nothing was written; --overwrite writes a new version, and diff shows what differs")
	}
	return last
}

func unchanged(results []store.Result) []store.Result {
	var out []store.Result
	for _, r := range results {
		if r.Outcome == store.Unchanged {
			out = append(out, r)
		}
	}
	return out
}
