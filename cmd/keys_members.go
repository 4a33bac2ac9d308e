package cmd

import (
	"context"
	"time"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/internal/team"
	"github.com/coffer-secrets/coffer/store/admin"
)

// KeysMembersCmd lists the members of an alias.
type KeysMembersCmd struct {
	Alias string `arg:"" help:"The key alias."`
}

type teamJSON struct {
	Alias   string       `json:"alias"`
	KeyID   string       `json:"key_id"`
	Number  int          `json:"number"`
	Since   time.Time    `json:"since,omitzero"`
	Members []memberJSON `json:"members"`
}

type memberJSON struct {
	Name      string    `json:"name"`
	Recipient string    `json:"recipient"`
	Since     time.Time `json:"since,omitzero"`
	By        string    `json:"by,omitempty"`
	Self      bool      `json:"self"`
}

func newTeamJSON(t admin.Team) teamJSON {
	out := teamJSON{Alias: t.KeyAlias, KeyID: t.KeyID, Number: t.Number, Since: t.Since, Members: []memberJSON{}}
	for _, m := range t.Members {
		out.Members = append(out.Members, memberJSON(m))
	}
	return out
}

// Run prints a row for each member.
func (c *KeysMembersCmd) Run(ctx context.Context, a *app.App) error {
	s, alias, err := team.Open(ctx, a, c.Alias)
	if err != nil {
		return err
	}
	t, err := s.Team(ctx, alias)
	if err != nil {
		return err
	}
	if a.Globals.JSON {
		return render.JSON(a.Stdout, newTeamJSON(t))
	}
	table := a.Table("Name", "Recipient", "Since", "Granted by", "You").Cuts("Recipient", "Granted by").Drops("Granted by", "Since")
	for _, m := range t.Members {
		table.Row(m.Name, app.ShortRecipient(m.Recipient), m.Since, m.By, map[bool]string{true: "yes", false: "no"}[m.Self])
	}
	if err := table.Print(); err != nil {
		return err
	}
	a.Note("the key of %s is %s", alias, t.KeyID)
	return nil
}

// KeysTrustCmd accepts the key of an alias.
type KeysTrustCmd struct {
	Alias string `arg:"" help:"The key alias."`
	ID    string `arg:"" name:"id" help:"The id of its key, as another member sees it with coffer keys members."`
}

// Run remembers the key.
func (c *KeysTrustCmd) Run(ctx context.Context, a *app.App) error {
	s, alias, err := team.Open(ctx, a, c.Alias)
	if err != nil {
		return err
	}
	t, err := s.Trust(ctx, alias, c.ID)
	if err != nil {
		return err
	}
	if a.Globals.JSON {
		return render.JSON(a.Stdout, newTeamJSON(t))
	}
	a.NoteDone("the key %s of %s is trusted", t.KeyID, alias)
	return nil
}
