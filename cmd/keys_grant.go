package cmd

import (
	"context"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/internal/team"
	"github.com/coffer-secrets/coffer/store/admin"
)

// KeysGrantCmd makes someone a member of an alias.
type KeysGrantCmd struct {
	Alias     string `arg:"" help:"The key alias."`
	Recipient string `arg:"" help:"An age recipient, an SSH public key, a file with one, or - for standard input."`

	Name   string `filled:"" placeholder:"NAME" help:"The name of the member. Renames who is a member already. Default: the comment of an SSH public key."`
	DryRun bool   `help:"Show what would be changed, and change nothing."`
}

type grantJSON struct {
	teamJSON
	Granted string `json:"granted"`                // the name of the member
	Was     string `json:"renamed_from,omitempty"` // the name before
	Changed bool   `json:"changed"`                // false if it was a member of this name before
}

// Run changes the key object of the alias, and nothing else.
func (c *KeysGrantCmd) Run(ctx context.Context, a *app.App) error {
	s, alias, err := team.Open(ctx, a, c.Alias)
	if err != nil {
		return err
	}
	recipient, err := team.ReadRecipient(ctx, a, c.Recipient)
	if err != nil {
		return err
	}
	g, err := s.Grant(ctx, alias, admin.Grant{Recipient: recipient, Name: c.Name, DryRun: c.DryRun})
	if err != nil {
		return err
	}
	if a.Globals.JSON {
		return render.JSON(a.Stdout, grantJSON{newTeamJSON(g.Team), g.Member.Name, g.Was, g.Changed && !c.DryRun})
	}
	switch {
	case !g.Changed:
		a.Note("%s is a member of %s already", g.Member.Name, alias)
	case c.DryRun && g.Was != "":
		a.Note("the member %s of %s would be renamed to %s", g.Was, alias, g.Member.Name)
	case g.Was != "":
		a.NoteDone("the member %s of %s was renamed to %s; the key is the same", g.Was, alias, g.Member.Name)
	case c.DryRun:
		a.Note("%s would become a member of %s", g.Member.Name, alias)
	default:
		a.NoteDone("%s is a member of %s now. Where that alias is new to their machine: coffer keys trust %s %s", g.Member.Name, alias, alias, g.Team.KeyID)
	}
	return nil
}
