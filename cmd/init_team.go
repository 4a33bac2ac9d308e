package cmd

import (
	"context"
	"slices"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/site"
	"github.com/coffer-secrets/coffer/internal/team"
)

// team makes the identity of the caller, the bucket, and the key of the alias.
func (c *InitCmd) team(ctx context.Context, a *app.App, s *app.Settings, at *site.Site) error {
	setup, err := team.NewSetup(a, s)
	if err != nil {
		return err
	}
	identity, err := setup.Identity(s)
	if err != nil {
		return err
	}
	parts, err := c.inspect(ctx, a, at)
	if err != nil {
		return err
	}
	bucket := slices.ContainsFunc(parts, func(p site.Part) bool { return p.Name == "bucket" && p.Done })
	key, err := setup.Key(ctx, bucket)
	if err != nil {
		return err
	}
	if setup.Stranger { // who can't write a secret needs no check that it works
		c.Without = append(c.Without, "check")
	}
	if err := c.make(ctx, a, at, append(append([]site.Part{identity}, parts...), key)); err != nil || !setup.Stranger {
		return err
	}
	return setup.Invite(ctx)
}
