package cmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/internal/team"
	"github.com/coffer-secrets/coffer/store"
)

// askTeams fills in the caller's age identity, and the aliases that have a key, with what the caller is to each.
func (w *whoamiJSON) askTeams(ctx context.Context, a *app.App, s *app.Settings) error {
	w.KMSKeyAlias = s.AliasOfWrites()
	w.AgeIdentity = s.IdentityFile()
	if w.AgeIdentity == "" {
		w.AgeIdentity = s.Identity.From
	}
	opened, _, err := team.Open(ctx, a, s.KMSKeyAlias.Value)
	if err != nil {
		return err
	}
	self, unusable := opened.Self(ctx) // the rest is known all the same
	w.PublicKey = app.PublicFile(self)
	if w.Recipients = self.Recipients; unusable != nil {
		a.NoteWarning("%s", a.Advice(unusable))
	}
	aliases, err := opened.TeamAliases(ctx)
	if err != nil {
		a.Note("can't list the keys of aliases: %s", app.Sentence(err))
		return nil
	}
	for _, alias := range aliases {
		row := keyJSON{Alias: alias}
		t, err := opened.Team(ctx, alias)
		var untrusted *store.KeyTrustError
		switch {
		case err == nil:
			row.Key, row.State = t.KeyID, "member"
		case errors.As(err, &untrusted):
			row.Key, row.State = untrusted.KeyID, "not trusted"
		case errors.Is(err, store.ErrDenied), app.IsNoIdentity(err):
			row.State = "not a member"
		case errors.Is(err, store.ErrCorrupt):
			row.State = "damaged"
			a.Note("%s; coffer doctor shows the way out", app.Sentence(err))
		case unusable != nil, app.IsNotAsked(err):
			row.State = "unknown"
			if unusable == nil {
				unusable = err
				a.NoteWarning("%s", a.Advice(err))
			}
		default:
			return err
		}
		w.Keys = append(w.Keys, row)
	}
	return nil
}

// printRecipient prints the recipient of the caller, to be sent to a member. It makes no request.
func printRecipient(ctx context.Context, a *app.App, s *app.Settings) error {
	opened, _, err := team.Open(ctx, a, s.KMSKeyAlias.Value)
	if err != nil {
		return err
	}
	own, err := opened.Self(ctx)
	switch {
	case err != nil:
		return err
	case len(own.Recipients) == 0:
		return app.WithHint(fmt.Errorf("%w: the recipient of the identity in %s isn't known", store.ErrConfiguration, own.Identity),
			"put it into a comment before the identity, as in \"# public key: age1...\"")
	case a.Globals.JSON:
		return render.JSON(a.Stdout, own.Recipients[:1])
	}
	return a.Print(own.Recipients[0] + "\n")
}
