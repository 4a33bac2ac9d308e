package cmd

import (
	"context"
	"errors"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/store"
)

// CopyCmd copies the newest values of one service to another.
type CopyCmd struct {
	Source      string `arg:"" help:"The service to copy from."`
	Destination string `arg:"" help:"The service to copy to. It is created if it doesn't exist."`

	app.Contexts
	app.KeyFlags
	Overwrite bool `help:"Overwrite secrets that have another value at the destination, as a new version."`
	DryRun    bool `help:"Show what would change, and change nothing."`
	Adopt     bool `help:"Overwrite secrets whose key alias is unknown."`
}

// Run copies all selected secrets. If any of them can't be copied, it copies none. Secrets that
// already have the value stay unchanged.
func (c *CopyCmd) Run(ctx context.Context, a *app.App) error {
	from, to, err := c.Open(ctx, a)
	if err != nil {
		return err
	}
	src, dst, err := c.load(ctx, a, from, to)
	if err != nil {
		return err
	}
	destination := dst.Service
	selected, damaged, err := c.selectSecrets(a, src)
	if err != nil {
		return err
	}
	changes, results := c.plan(destination, selected, dst)
	if c.DryRun {
		if err := a.CheckKey(ctx, to); err != nil {
			return err
		}
		if err := a.PrintPlannedChanges(results); err != nil {
			return err
		}
		return a.Report(append(damaged, c.hinted(app.PlanFailure(results)))...)
	}
	if err := c.reportConflicts(a, results); err != nil {
		return a.Report(append(damaged, err)...)
	}
	written, err := app.WriteChanges(ctx, to, destination, changes, store.WriteOptions{PreserveCase: true, Adopt: c.Adopt})
	if len(written) == 0 && err != nil {
		return err
	}
	if printErr := a.ReportChanges(destination, append(unchanged(results), written...), err); printErr != nil {
		return printErr
	}
	return a.Report(append(damaged, err)...)
}

// load reads the services. Its error is the worst of what is wrong with either; it prints the rest.
func (c *CopyCmd) load(ctx context.Context, a *app.App, from, to app.Place) (src, dst app.Contents, err error) {
	src, dst, failed, err := app.LoadBoth(ctx, from, c.Source, to, c.Destination)
	failed = append(failed, err)
	if err == nil {
		failed = append(failed, from.NearestTo(ctx, src.Missing))
		failed = append(failed, a.Unreadable(true, src)...)
		failed = append(failed, app.RefuseUnlisted(dst.Contents))
	}
	if err := a.Report(failed...); err != nil {
		return src, dst, err
	}
	if dst.Missing != nil && c.Destination == src.Service {
		dst.Service = src.Service // a copy in another place keeps its name
	}
	if src.Service == dst.Service && from.Same(to) {
		return src, dst, app.Usage("%s can't be copied to itself", dst.Service)
	}
	return src, dst, nil
}

// selectSecrets returns the secrets to copy, and the errors of those that are damaged.
func (c *CopyCmd) selectSecrets(a *app.App, src app.Contents) (selected []store.Secret, damaged []error, err error) {
	choice, err := c.Choose(src)
	if err == nil {
		err = a.RefuseMissed(choice, src.Service)
	}
	if err != nil {
		return nil, nil, err
	}
	selected, damaged = app.ChosenOf(src, choice), src.DamageOf(choice.Keys)
	switch {
	case len(selected) > 0:
		return selected, damaged, nil
	case len(damaged) > 0:
		return nil, nil, a.Report(damaged...)
	}
	return nil, nil, app.NoKey(src.Service, c.Keys, c.Except)
}

// plan compares the secrets with those of the destination. It returns the values to write, and a
// result for each secret.
func (c *CopyCmd) plan(service string, selected []store.Secret, dst app.Contents) (changes []app.Change, results []store.Result) {
	taken := map[string]bool{}
	for _, s := range selected {
		id := store.ID{Service: service, Key: s.ID.Key}
		r := store.Result{Meta: store.Meta{ID: id}, Outcome: store.Created}
		existing, err := dst.Existing(id)
		switch {
		case err != nil:
			r.Outcome, r.Err = store.Failed, err
		case existing == nil:
		case taken[existing.ID.Key]:
			r.Outcome, r.Err = store.Failed, &store.Error{Op: "copy", ID: id, Err: &store.AmbiguousNameError{Keys: []string{existing.ID.Key}}}
		case existing.Value == s.Value:
			r.Meta, r.Outcome = existing.Meta, store.Unchanged
		case c.Overwrite:
			r.Meta, r.Outcome = existing.Meta, store.Updated
		default:
			r.Meta, r.Outcome = existing.Meta, store.Failed
			r.Err = &store.Error{Op: "copy", ID: existing.ID, Err: app.ErrOtherValue}
		}
		if existing != nil {
			taken[existing.ID.Key] = true
		}
		if r.Outcome == store.Created || r.Outcome == store.Updated {
			changes = append(changes, app.Change{Key: r.Meta.ID.Key, Value: s.Value, Version: r.Meta.Version})
		}
		results = append(results, r)
	}
	return changes, results
}

// reportConflicts prints the errors of the plan but the worst, which it returns. It returns nil when
// every secret can be copied.
func (c *CopyCmd) reportConflicts(a *app.App, results []store.Result) error {
	var conflicts []error
	for _, r := range results {
		if r.Err != nil {
			conflicts = append(conflicts, r.Err)
		}
	}
	return c.hinted(a.Report(conflicts...))
}

// hinted returns the worst error of the plan with its hint.
func (c *CopyCmd) hinted(worst error) error {
	if errors.Is(worst, app.ErrOtherValue) {
		return app.WithHint(worst, "nothing was written; use --overwrite to write new versions, or coffer diff to compare")
	}
	return worst
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
