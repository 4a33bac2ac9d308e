package cmd

import (
	"context"
	"errors"

	"github.com/coffer-secrets/coffer/internal/app"
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
	self, err := opened.Self(ctx)
	if err != nil && !app.IsNoIdentity(err) {
		return err
	}
	if w.Recipients = self.Recipients; err != nil {
		a.Note("%s; coffer init makes one", app.Sentence(err))
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
		default:
			return err
		}
		w.Keys = append(w.Keys, row)
	}
	return nil
}
