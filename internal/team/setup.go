package team

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/site"
	"github.com/coffer-secrets/coffer/store"
)

// Setup are the parts of a store with members that init makes besides the bucket.
type Setup struct {
	a     *app.App
	alias string

	Stranger bool // the alias has a key, and the caller isn't a member
}

// NewSetup returns the setup of the configured alias.
func NewSetup(a *app.App, s *app.Settings) (*Setup, error) {
	alias, err := store.NormalizeAlias(s.KMSKeyAlias.Value)
	return &Setup{a: a, alias: alias}, err
}

// Identity returns the part for the caller's age identity. One that is configured by name must exist.
func (u *Setup) Identity(s *app.Settings) (site.Part, error) {
	p := site.Part{Name: "age identity", State: s.Identity.From, Done: true}
	path := s.IdentityFile()
	if s.AgeIdentity != "" {
		return p, nil
	}
	if path == "" {
		return p, fmt.Errorf("%w: no home directory for an identity file; use --identity FILE", store.ErrConfiguration)
	}
	_, err := os.Stat(path)
	if p.State, p.Done = path, err == nil; err != nil && !errors.Is(err, fs.ErrNotExist) {
		return p, fmt.Errorf("%w: the identity: %w", store.ErrConfiguration, err)
	}
	p.Make = func(context.Context) error {
		public, err := u.a.CreateIdentity(path)
		if err == nil {
			if public != "" {
				u.a.Note("your public key, for those who grant you a key, is %s", public)
			}
			u.a.NoteWarning("keep a copy of %s: if all members of an alias lose their identities, nobody can decrypt its secrets", path)
		}
		return err
	}
	return p, nil
}

// Key returns the part for the key of the alias. bucket says whether the bucket exists.
func (u *Setup) Key(ctx context.Context, bucket bool) (site.Part, error) {
	p := site.Part{Name: "key of " + u.alias, State: "a new key, with you as its first member", Make: u.makeKey}
	if !bucket {
		return p, nil
	}
	s, _, err := Open(ctx, u.a, u.alias)
	if err != nil {
		return p, err
	}
	aliases, err := s.TeamAliases(ctx)
	if err != nil || !slices.Contains(aliases, u.alias) {
		return p, err
	}
	p.Done = true
	t, err := s.Team(ctx, u.alias)
	switch {
	case err == nil:
		p.State = t.KeyID
	case errors.Is(err, store.ErrDenied), app.IsNoIdentity(err):
		p.State, u.Stranger, err = "held by others", true, nil
	}
	return p, err
}

func (u *Setup) makeKey(ctx context.Context) error {
	s, _, err := Open(ctx, u.a, u.alias)
	if err != nil {
		return err
	}
	t, made, err := s.CreateKey(ctx, u.alias)
	if err == nil && !made { // another has been faster
		return fmt.Errorf("%w: %s has a key by now: %s", store.ErrConflict, u.alias, t.KeyID)
	}
	return err
}

// Invite says what a caller who isn't a member does next.
func (u *Setup) Invite(ctx context.Context) error {
	s, _, err := Open(ctx, u.a, u.alias)
	if err != nil {
		return err
	}
	self, err := s.Self(ctx)
	if err != nil {
		return err
	}
	u.a.Publish(self)
	u.a.NoteWarning("you are not a member of %s yet: %s", u.alias, app.AskForGrant(u.alias, self))
	return nil
}
