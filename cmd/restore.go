package cmd

import (
	"context"

	"github.com/coffer-secrets/coffer/store"
)

// RestoreCmd makes an old version of a secret the newest.
type RestoreCmd struct {
	Service string `arg:"" help:"Service."`
	Key     string `arg:"" help:"Key."`

	Version int  `short:"v" required:"" placeholder:"N" help:"Version whose value becomes the newest."`
	Adopt   bool `help:"Take over a secret whose key alias cannot be told."`
}

// Run writes the value of the old version as a new one, unless the newest has it already. A
// write that comes between is a conflict, and stands.
func (c *RestoreCmd) Run(ctx context.Context, app *App) error {
	id, err := newID(c.Service, c.Key)
	if err != nil {
		return err
	}
	if c.Version < 1 {
		return usage("--version %d: versions begin at 1", c.Version)
	}
	s, err := app.Open(ctx)
	if err != nil {
		return err
	}
	newest, err := s.Read(ctx, id, store.Latest)
	if err != nil {
		return err
	}
	old, err := s.Read(ctx, newest.ID, c.Version)
	if err != nil {
		return err
	}
	if old.Value == newest.Value {
		return app.printResults([]store.Result{{Meta: newest.Meta, Outcome: store.Unchanged}})
	}
	result, err := s.Write(ctx, newest.ID, old.Value, store.WriteOptions{IfVersion: &newest.Version, Adopt: c.Adopt})
	if result.Outcome == "" || result.Err != nil {
		return err
	}
	if printErr := app.printResults([]store.Result{result}); printErr != nil {
		return printErr
	}
	app.note("version %d has the value of version %d", result.Meta.Version, c.Version)
	return err
}
