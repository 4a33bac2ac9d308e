package cmd

import (
	"context"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/edit"
	"github.com/coffer-secrets/coffer/store"
)

// EditCmd changes the secrets of a service in an editor.
type EditCmd struct {
	Service string `arg:"" help:"The service."`

	Format       string `short:"f" enum:"yaml,dotenv" default:"yaml" placeholder:"NAME" help:"yaml or dotenv (default yaml)."`
	Yes          bool   `short:"y" help:"Don't ask."`
	PreserveCase bool   `help:"Keep the case of new keys. Otherwise they are stored in lower case."`
	Adopt        bool   `help:"Overwrite secrets whose key alias is unknown."`
}

// Run opens an editor on a file that only the caller can read, and writes the secrets that were
// changed. Each write is conditional on the version that was read.
func (c *EditCmd) Run(ctx context.Context, a *app.App) error {
	if err := store.CheckService(c.Service); err != nil {
		return err
	}
	if !c.Yes && !a.Interactive() {
		return app.NoTerminal("--yes writes without asking")
	}
	s, err := a.Open(ctx)
	if err != nil {
		return err
	}
	before, missing := app.LoadService(ctx, s, c.Service)
	switch err := missing; {
	case app.IsMissingService(err):
		a.Note("%s: saving creates it", app.Sentence(err))
	case err != nil:
		return err
	}
	if err := a.Report(a.Unreadable(true, before)...); err != nil {
		return err
	}
	a.NoteDamaged(before)
	e := edit.New(a, before, edit.Options{Format: c.Format, Yes: c.Yes, PreserveCase: c.PreserveCase, Adopt: c.Adopt})
	path, err := e.Run(s)
	if path != "" {
		a.Say("your edits are in %s; delete the file when you are done", path)
	}
	if err == nil && !e.Changed() {
		err = missing // nothing was saved that would create the service
	}
	return a.Report(append(before.Damaged, err)...)
}
