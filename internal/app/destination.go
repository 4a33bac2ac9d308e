package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/coffer-secrets/coffer/internal/formats"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// CheckDestination returns an error, before anything is copied, if a place can't take secrets: its bucket or the key of
// its alias doesn't exist, or the bucket is that of another backend. fileContext is the context that describes the place;
// "" without one. Where the first write creates the key, CheckDestination says so. What can't be told is no error.
func (a *App) CheckDestination(ctx context.Context, p Place, fileContext string, dryRun bool) error {
	if bucket, ok := p.Store.(admin.Surveyor); ok {
		var other *store.OtherBackendError
		var refused *store.StorageError
		err := bucket.OtherBackend(ctx)
		switch {
		case errors.As(err, &other):
			return other
		case errors.As(err, &refused) && refused.Bucket != "":
			return WithHint(err, p.initCommand(fileContext)+" creates it; nothing was copied")
		}
	}
	exists, known := p.hasKey(ctx)
	switch {
	case !known && p.Kind().Teams:
		return a.checkMember(ctx, p, fileContext)
	case exists || !known:
	case p.Kind().Teams:
		return a.checkFirstMember(ctx, p, fileContext)
	case !p.createsKeys() && p.Kind().Bucket:
		return WithHint(p.noKey(), p.initCommand(fileContext)+" creates it")
	case !p.createsKeys():
		return p.noKey()
	case dryRun:
		return a.CheckKey(ctx, p)
	}
	return nil
}

// checkMember returns an error if the caller can't write under the key of a team: without an identity, or as no
// member. What else is wrong with the key, the first request tells.
func (a *App) checkMember(ctx context.Context, p Place, fileContext string) error {
	teams, ok := p.Store.(admin.Teams)
	if !ok {
		return nil
	}
	_, err := teams.Team(ctx, p.AliasOfWrites())
	var refused *store.StorageError
	switch {
	case IsNoIdentity(err):
		return p.noIdentity(err, fileContext, " makes one; nothing was copied")
	case errors.As(err, &refused) && refused.Code == store.CodeNotMember:
		own, _ := teams.Self(ctx)
		return WithHint(fmt.Errorf("%w: %s", store.ErrDenied, refused.Reason), AskForGrant(p.AliasOfWrites(), own)+"; nothing was copied")
	}
	return nil
}

// noIdentity is the error of a caller without an age identity. The error's own hint is about the backend in force.
func (p Place) noIdentity(err error, fileContext, then string) error {
	return WithHint(fmt.Errorf("%w: %s", store.ErrConfiguration, Sentence(err)), p.initCommand(fileContext)+then)
}

// checkFirstMember says that the first write makes the key of a team, or returns an error if the caller has no
// identity for that.
func (a *App) checkFirstMember(ctx context.Context, p Place, fileContext string) error {
	if teams, ok := p.Store.(admin.Teams); ok {
		if _, err := teams.Self(ctx); IsNoIdentity(err) {
			return p.noIdentity(err, fileContext, " makes one, and the key of "+p.AliasOfWrites()+"; nothing was copied")
		}
	}
	a.Note("%s has no key in %s yet: the first write creates it, as does %s, with you as its only member", p.AliasOfWrites(), p, p.initCommand(fileContext))
	return nil
}

// initCommand returns the command that sets up a place.
func (p Place) initCommand(fileContext string) string {
	if fileContext != "" {
		return "coffer init --context " + formats.ShellQuote(fileContext)
	}
	line := fmt.Sprintf("coffer init -b %s --bucket %s", p.Kind(), formats.ShellQuote(p.Bucket.Value))
	if alias := p.AliasOfWrites(); p.Kind().Keys {
		line += " --kms-key-alias " + formats.ShellQuote(alias)
	}
	return line
}
