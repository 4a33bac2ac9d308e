package cmd

import (
	"context"
	"errors"
	"strings"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/site"
	"github.com/coffer-secrets/coffer/internal/team"
	"github.com/coffer-secrets/coffer/store"
)

// team makes the identity of the caller, the bucket, and the key of the alias. A bucket that has a key of the
// alias works already: one who may not look at its settings needs none of them changed.
func (c *InitCmd) team(ctx context.Context, a *app.App, s *app.Settings, at *site.Site) error {
	setup, err := team.NewSetup(a, s)
	if err != nil {
		return err
	}
	identity, err := setup.Identity(s)
	if err != nil {
		return err
	}
	key, err := setup.Key(ctx)
	var parts []site.Part
	if err == nil {
		c.works = key.Done
		parts, err = c.inspect(ctx, a, at)
	}
	var other *store.OtherBackendError
	if errors.As(err, &other) {
		return err
	}
	if err != nil {
		return c.identityAlone(ctx, a, setup, at, identity, err)
	}
	if err := site.RefuseOtherBackend(ctx, a); err != nil {
		return err
	}
	if len(c.unseen) > 0 {
		a.NoteWarning("not checked, as you may not look at it: %s. The bucket has a key of the alias, so it was set up", strings.Join(c.unseen, ", "))
	}
	if setup.Stranger { // who can't write a secret needs no check that it works
		c.Without = append(c.Without, "check")
	}
	err = c.make(ctx, a, at, append(append([]site.Part{identity}, parts...), key))
	setup.Introduce(ctx)
	return err
}

// identityAlone makes the identity although the rest can't be, which err says, and prints what the caller needs to
// become a member.
func (c *InitCmd) identityAlone(ctx context.Context, a *app.App, setup *team.Setup, at *site.Site, identity site.Part, err error) error {
	if ctx.Err() != nil {
		return err
	}
	if identity.Open() {
		c.Without = append(c.Without, "check")
		if failed := c.make(ctx, a, at, []site.Part{identity}); failed != nil {
			a.NoteWarning("%s", app.Sentence(err))
			return failed
		}
	}
	setup.Introduce(ctx)
	return err
}

// denied reports whether an error is a refusal to show a bucket that works, and notes what wasn't shown.
func (c *InitCmd) denied(what string, err error) bool {
	if !c.works || !errors.Is(err, store.ErrDenied) {
		return false
	}
	c.unseen = append(c.unseen, what)
	return true
}

// check tries the store with a test secret. One who may not look at the bucket's settings may have permissions for
// some services only.
func (c *InitCmd) check(ctx context.Context, a *app.App) error {
	err := site.Check(ctx, a)
	if len(c.unseen) == 0 || !errors.Is(err, store.ErrDenied) {
		return err
	}
	a.NoteWarning("not checked with a test secret: %s; coffer policy check writer SERVICE tries what you may do", app.Sentence(err))
	return nil
}
