package cmd

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// RekeyCmd moves secrets to another key.
type RekeyCmd struct {
	Services []string `arg:"" optional:"" name:"service" help:"The services."`

	To          string `placeholder:"ALIAS" xor:"target" help:"The key alias to move the secrets to."`
	Same        bool   `xor:"target" help:"Encrypt again the secrets that aren't under the current key of their alias."`
	From        string `placeholder:"ALIAS" help:"Move only secrets of this alias."`
	AllServices bool   `help:"All services."`
	DryRun      bool   `help:"Show what would be moved, and move nothing."`
	AllowEmpty  bool   `help:"Accept services without secrets."`
	Create      bool   `help:"Create the key of --to if it doesn't exist (local backend)."`
}

// Run moves one service after the other. It can be interrupted and run again at any time.
func (c *RekeyCmd) Run(ctx context.Context, a *app.App) error {
	s, err := c.open(ctx, a)
	if err != nil {
		return err
	}
	rekeyer, ok := s.(admin.Rekeyer)
	if !ok {
		return fmt.Errorf("%w: the %s backend cannot move secrets to another key", store.ErrUnsupported, a.InForce.Kind())
	}
	services, err := app.DistinctServices(ctx, s, c.Services)
	if err != nil {
		return err
	}
	if c.AllServices {
		if services, err = s.Services(ctx, ""); err != nil {
			return err
		}
	}
	if err := a.RequireKey(ctx, app.Place{Store: s, Settings: a.InForce}, c.Create, c.DryRun); err != nil {
		return err
	}
	var failures []error
	for _, typed := range services {
		_, err := app.InService(ctx, s, typed, func(service string) (none struct{}, err error) {
			return none, c.service(ctx, a, s, rekeyer, service)
		})
		if c.AllowEmpty && app.IsMissingService(err) {
			a.Note("%s", app.Sentence(err))
			continue
		}
		if err != nil {
			failures = append(failures, err)
		}
		if ctx.Err() != nil || app.EndsAll(err) {
			break
		}
	}
	return a.Report(failures...)
}

// open checks the flags and opens the store under the new alias.
func (c *RekeyCmd) open(ctx context.Context, a *app.App) (store.Store, error) {
	switch {
	case c.To == "" && !c.Same:
		return nil, app.WithHint(app.Usage("no key to move to"), "use --to ALIAS, or --same to encrypt again under the same alias")
	case c.AllServices == (len(c.Services) > 0):
		return nil, app.Usage("name the services, or give --all-services")
	case c.Same && c.From != "":
		return nil, app.Usage("--same and --from can't be used together")
	}
	if c.From != "" {
		from, err := store.NormalizeAlias(c.From)
		if err != nil {
			return nil, err
		}
		c.From = from
	}
	settings, err := a.Settings()
	if err != nil {
		return nil, err
	}
	if store.IsKeyName(c.From) && settings.Kind().Index {
		return nil, app.Usage("--from %s: give an alias, not a key", c.From)
	}
	if c.To != "" {
		settings.KMSKeyAlias = app.Setting{Value: c.To, From: "--to"}
	}
	return a.Open(ctx)
}

// service prints the plan, moves the secrets of one service, and prints the results.
func (c *RekeyCmd) service(ctx context.Context, a *app.App, s store.Store, rekeyer admin.Rekeyer, service string) error {
	o := admin.RekeyOptions{From: c.From, Rewrite: c.Same, DryRun: true}
	plan, err := rekeyer.Rekey(ctx, service, o)
	if err == nil && len(plan) == 0 {
		err = app.MustExist(ctx, s, "rekey", service)
	}
	if err != nil && len(plan) == 0 {
		return err
	}
	if c.DryRun {
		return errors.Join(c.print(a, plan), err)
	}
	c.report(a, service, plan, len(plan), "to move")
	step, done := c.progress(a, service, len(plan))
	o.DryRun, o.Progress = false, step
	results, err := rekeyer.Rekey(ctx, service, o)
	done()
	if err == nil || len(results) > 0 {
		c.report(a, service, results, len(plan), "moved")
	}
	return err
}

// report prints how many of the planned secrets were moved, and why others were not. done is the
// verb of the count: "to move" or "moved".
func (c *RekeyCmd) report(a *app.App, service string, results []store.Result, planned int, done string) {
	var moved int
	for _, r := range results {
		switch r.Outcome {
		case store.Left, store.Failed: // the final error counts those that are left
		case store.Returned:
			a.Say("another writer moved %s back to %s", r.Meta.ID, r.Meta.KeyAlias)
		default:
			moved++
		}
	}
	a.ReportFailures(results, nil)
	switch {
	case len(results) == 0 && done == "moved":
		a.Note("%s: nothing to move", service)
	case len(results) > 0:
		a.Note("%s: %d of %s %s", service, moved, app.Count(max(planned, len(results)), "secret"), done)
	}
}

// progress returns what to call for each secret that was moved, and at the end. On a terminal it
// draws a progress bar; with --json it prints one event per line.
func (c *RekeyCmd) progress(a *app.App, service string, total int) (step func(store.Result), done func()) {
	if a.Globals.JSON {
		var mu sync.Mutex
		return func(r store.Result) {
			mu.Lock()
			defer mu.Unlock()
			_ = render.JSONLine(a.Stdout, app.NewResultJSON(r))
		}, func() {}
	}
	line := a.Progress(total, service+": moved")
	return func(store.Result) { line.Add() }, line.Done
}

// print prints the plan of --dry-run.
func (c *RekeyCmd) print(a *app.App, plan []store.Result) error {
	rows := make([]app.PlanRow, len(plan))
	for i, r := range plan {
		rows[i] = app.PlanRow{Cells: []any{r.Meta.ID.Service, r.Meta.ID.Key, r.Meta.Version, r.Meta.KeyAlias}, Change: "move", Err: r.Err}
	}
	return a.PrintPlan([]string{"Service", "Key", "Version", "From"}, []string{"Version", "From"}, rows, func() error { return a.PrintResults(plan) })
}
