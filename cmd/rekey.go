package cmd

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/coffer-secrets/coffer/internal/progress"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/store"
)

// RekeyCmd moves secrets to another key.
type RekeyCmd struct {
	Services []string `arg:"" optional:"" name:"service" help:"Services."`

	To          string `placeholder:"ALIAS" xor:"target" help:"Key alias to move the secrets to."`
	Same        bool   `xor:"target" help:"Store anew what is not under the key that the alias stands for now."`
	From        string `placeholder:"ALIAS" help:"Move only secrets of this alias."`
	AllServices bool   `help:"Every service."`
	DryRun      bool   `help:"Print what would be moved, and move nothing."`
}

// Run moves the services one after the other, each whole. It can be run again at any time.
func (c *RekeyCmd) Run(ctx context.Context, app *App) error {
	s, err := c.open(ctx, app)
	if err != nil {
		return err
	}
	rekeyer, ok := s.(store.Rekeyer)
	if !ok {
		return fmt.Errorf("%w: the %s backend cannot move secrets to another key", store.ErrUnsupported, app.inForce.Backend.Value)
	}
	services, err := distinctServices(c.Services)
	if err != nil {
		return err
	}
	if c.AllServices {
		if services, err = s.Services(ctx, ""); err != nil {
			return err
		}
	}
	var failures []error
	for _, service := range services {
		err := c.service(ctx, app, rekeyer, service)
		if err != nil {
			failures = append(failures, err)
		}
		if ctx.Err() != nil || errors.Is(err, store.ErrCredentials) {
			break
		}
	}
	for i, err := range failures {
		if i < len(failures)-1 {
			app.say("%s", sentence(err))
		} else {
			return err
		}
	}
	return nil
}

// open checks the flags against one another and opens the store under the new alias.
func (c *RekeyCmd) open(ctx context.Context, app *App) (store.Store, error) {
	switch {
	case c.To == "" && !c.Same:
		return nil, hinted(usage("no key to move to"), "--to ALIAS names it; --same stores anew under the same alias")
	case c.AllServices == (len(c.Services) > 0):
		return nil, usage("name the services, or give --all-services")
	case c.Same && c.From != "":
		return nil, usage("--same moves nothing from another alias")
	}
	if c.From != "" {
		from, err := store.NormalizeAlias(c.From)
		if err != nil {
			return nil, err
		}
		c.From = from
	}
	settings, err := app.settings()
	if err != nil {
		return nil, err
	}
	if c.To != "" {
		settings.KMSKeyAlias = setting{c.To, "--to"}
	}
	return app.Open(ctx)
}

// service prints the plan, moves the secrets of one service, and tells what became of them.
func (c *RekeyCmd) service(ctx context.Context, app *App, rekeyer store.Rekeyer, service string) error {
	o := store.RekeyOptions{From: c.From, Rewrite: c.Same, DryRun: true}
	plan, err := rekeyer.Rekey(ctx, service, o)
	if err != nil && len(plan) == 0 {
		return err
	}
	if c.DryRun {
		return errors.Join(c.print(app, plan), err)
	}
	c.tell(app, service, plan, len(plan), "to move")
	step, done := c.progress(app, service, len(plan))
	o.DryRun, o.Progress = false, step
	results, err := rekeyer.Rekey(ctx, service, o)
	done()
	if err == nil || len(results) > 0 {
		c.tell(app, service, results, len(plan), "moved")
	}
	return err
}

// tell counts what moves, of all that was to, and names what cannot and why.
func (c *RekeyCmd) tell(app *App, service string, results []store.Result, all int, done string) {
	var moved, back int
	for _, r := range results {
		switch r.Outcome {
		case store.Left: // the error that ends the command tells how many
		case store.Failed:
			app.say("%s", sentence(r.Err))
		case store.Returned:
			back++
			app.say("%s was put back under %s by another writer", r.Meta.ID, r.Meta.KeyAlias)
		default:
			moved++
		}
	}
	switch {
	case len(results) == 0 && done == "moved":
		app.note("%s: nothing to move", service)
	case len(results) > 0:
		app.note("%s: %d of %s %s", service, moved, count(max(all, len(results)), "secret"), done)
	}
}

// progress counts on a terminal, and prints an event a line with --json.
func (c *RekeyCmd) progress(app *App, service string, total int) (step func(store.Result), done func()) {
	if app.globals.JSON {
		var mu sync.Mutex
		return func(r store.Result) {
			mu.Lock()
			defer mu.Unlock()
			_ = render.JSONLine(app.Stdout, resultJSON{secretJSON: described(r.Meta), Outcome: r.Outcome, Error: errorText(r.Err)})
		}, func() {}
	}
	if app.globals.Quiet {
		return nil, func() {}
	}
	line := progress.New(app.Stderr, app.Now, total, service+": moved")
	return func(store.Result) { line.Add() }, line.Done
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return sentence(err)
}

// print prints a plan: a row for each secret, never a value.
func (c *RekeyCmd) print(app *App, plan []store.Result) error {
	if app.globals.JSON {
		return app.printResults(plan)
	}
	t := app.table("Service", "Key", "Version", "From", "Change")
	for _, r := range plan {
		change := "move"
		if r.Err != nil {
			change = sentence(r.Err)
		}
		t.row(r.Meta.ID.Service, r.Meta.ID.Key, r.Meta.Version, r.Meta.KeyAlias, change)
	}
	return t.print()
}
