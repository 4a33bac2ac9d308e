package cmd

import (
	"context"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/store"
)

// RestoreCmd makes an old version of a secret the newest, or brings a deleted secret back.
type RestoreCmd struct {
	Service string `arg:"" help:"Service."`
	Key     string `arg:"" optional:"" help:"Key."`

	Version *int   `short:"v" placeholder:"N" help:"Version whose value becomes the newest."`
	Deleted bool   `help:"Bring a deleted secret back, with its versions, where the bucket keeps what is deleted; without a key, list what can be."`
	At      string `placeholder:"STATE" help:"With --deleted: not its last state but this one, by its id or its newest version."`
	Adopt   bool   `help:"Take over a secret whose key alias cannot be told."`
}

// Run restores, or lists what can be.
func (c *RestoreCmd) Run(ctx context.Context, a *app.App) error {
	switch {
	case c.Deleted && c.Version != nil:
		return app.Hinted(app.Usage("--version is of a secret that is there"), "--at chooses the state of a deleted one")
	case !c.Deleted && c.Version == nil:
		return app.Hinted(app.Usage("no version to restore"), "--version N names it; --deleted brings a deleted secret back")
	case c.At != "" && (!c.Deleted || c.Key == ""):
		return app.Usage("--at goes with --deleted and a key")
	case !c.Deleted && c.Key == "":
		return app.Usage("name the key whose version to restore")
	case c.Deleted:
		return c.undelete(ctx, a)
	}
	return c.version(ctx, a, *c.Version)
}

// version writes the value of the old version as a new one, unless the newest has it already. A
// write that comes between is a conflict, and stands.
func (c *RestoreCmd) version(ctx context.Context, a *app.App, version int) error {
	id, err := app.NewID(c.Service, c.Key)
	if err != nil {
		return err
	}
	if version < 1 {
		return app.Usage("--version %d: versions begin at 1", version)
	}
	s, err := a.Open(ctx)
	if err != nil {
		return err
	}
	newest, err := s.Read(ctx, id, store.Latest)
	if err != nil {
		return err
	}
	old, err := s.Read(ctx, newest.ID, version)
	if err != nil {
		return err
	}
	// The store knows whether an equal value settles it: not for a secret that was put back from outside.
	result, err := s.Write(ctx, newest.ID, old.Value, store.WriteOptions{IfVersion: &newest.Version, SkipUnchanged: true, Adopt: c.Adopt})
	if result.Outcome == "" || result.Err != nil {
		return err
	}
	if printErr := a.PrintResults([]store.Result{result}); printErr != nil {
		return printErr
	}
	if result.Outcome == store.Unchanged {
		return err
	}
	a.Note("version %d has the value of version %d", result.Meta.Version, version)
	return err
}
