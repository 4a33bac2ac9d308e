package team

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/site"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// Setup are the parts of a store with members that init makes besides the bucket.
type Setup struct {
	a     *app.App
	alias string
	store Store // of the identity that exists; nil before [Setup.Key], and after an identity was made

	Stranger bool // the alias has a key, and the caller isn't a member
	member   bool // the caller opens the key
}

// NewSetup returns the setup of the configured alias.
func NewSetup(a *app.App, s *app.Settings) (*Setup, error) {
	alias, err := store.NormalizeAlias(s.KMSKeyAlias.Value)
	return &Setup{a: a, alias: alias}, err
}

// Identity returns the part for the caller's age identity.
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
		u.store = nil
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

// Key returns the part for the key of the alias. It reads the key object, and no setting of the bucket. If that
// is denied, nothing tells whether there is one, and the part is open. Errors: those of a key that must not be
// used, and of an identity that can't be.
func (u *Setup) Key(ctx context.Context) (site.Part, error) {
	p := site.Part{Name: "key of " + u.alias, State: "a new key, with you as its first member", Make: u.makeKey}
	s, _, err := Open(ctx, u.a, u.alias)
	if err != nil {
		return p, err
	}
	u.store = s
	t, err := s.Team(ctx, u.alias)
	var refused *store.StorageError
	switch {
	case err == nil:
		p.Done, p.State, u.member = true, t.KeyID, true
	case app.IsNoIdentity(err): // there is a key object to open
		p.Done, p.State, u.Stranger = true, "held by others", true
	case errors.Is(err, store.ErrNotFound) && !errors.As(err, &refused): // the alias has no key yet
	case !errors.As(err, &refused):
		return p, err
	case refused.Code == store.CodeNotMember:
		p.Done, p.State, u.Stranger = true, "held by others", true
	case refused.Bucket != "": // it doesn't exist
	case refused.Code == store.CodeLostTeamKey || !errors.Is(err, store.ErrDenied):
		return p, err
	default:
		p.State = "unknown: you may not read " + refused.Object
	}
	return p, nil
}

func (u *Setup) makeKey(ctx context.Context) error {
	s, _, err := Open(ctx, u.a, u.alias)
	if err != nil {
		return err
	}
	t, made, err := s.CreateKey(ctx, u.alias)
	u.member = err == nil && made
	if err == nil && !made { // another has been faster
		return fmt.Errorf("%w: %s has a key by now: %s", store.ErrConflict, u.alias, t.KeyID)
	}
	return err
}

// Introduce prints the recipients of the caller, and what one who isn't a member does next. Without an identity it
// prints nothing.
func (u *Setup) Introduce(ctx context.Context) {
	var err error
	if u.store == nil {
		u.store, _, err = Open(ctx, u.a, u.alias)
	}
	var self admin.Self
	if err == nil {
		self, err = u.store.Self(ctx)
	}
	if err == nil {
		u.a.Publish(self)
	}
	switch {
	case app.IsNoIdentity(err): // the caller has chosen not to make one
	case err != nil:
		u.a.NoteWarning("your recipient isn't known: %s", app.Sentence(err))
	case u.Stranger:
		u.a.NoteWarning("you are not a member of %s yet: %s", u.alias, app.AskForGrant(u.alias, self))
	case u.member && app.PublicFile(self) != "":
		u.a.Note("your public key is %s", app.PublicFile(self))
	case u.member:
		u.a.Note("your recipient: %s", strings.Join(self.Recipients, ", "))
	default:
		u.a.NoteWarning("nothing tells whether you are a member of %s. If you are not: %s", u.alias, app.AskForGrant(u.alias, self))
	}
}
