package cmd

import (
	"cmp"
	"context"
	"slices"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/keyuse"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// KeysCmd shows the keys that encrypt secrets, and the members who hold them. Its first command needs no name.
type KeysCmd struct {
	Show    KeysShowCmd    `cmd:"" default:"withargs" reads:"" help:"Show which keys encrypt your secrets, and whether they work."`
	Members KeysMembersCmd `cmd:"" reads:"" help:"Show who holds the key of an alias (s3-age)."`
	Grant   KeysGrantCmd   `cmd:"" help:"Give the key of an alias to another member (s3-age)."`
	Revoke  KeysRevokeCmd  `cmd:"" help:"Take a member out of an alias, and encrypt its secrets again (s3-age)."`
	Trust   KeysTrustCmd   `cmd:"" help:"Accept the key that an alias has now (s3-age)."`
}

// KeysShowCmd lists the keys that encrypt secrets.
type KeysShowCmd struct {
	Services []string `arg:"" optional:"" name:"service" help:"The services. Without any: all services."`

	Key string `placeholder:"ALIAS" help:"Only secrets under this key: an alias, a key id or an ARN."`

	NoCache    string `placeholder:"ALIAS" xor:"cache" help:"Forbid exec --cache for the secrets under this alias."`
	AllowCache string `placeholder:"ALIAS" xor:"cache" help:"Allow exec --cache again for the secrets under this alias."`

	AllowEmpty bool `help:"Show an empty table for a service without secrets."`
}

// Run prints a row for each alias and key of each service.
func (c *KeysShowCmd) Run(ctx context.Context, a *app.App) error {
	if c.NoCache != "" || c.AllowCache != "" {
		return c.setCacheRule(ctx, a)
	}
	s, err := a.Open(ctx)
	if err != nil {
		return err
	}
	services, err := c.services(ctx, s)
	if err != nil {
		return err
	}
	uses, unknown, failures, err := keyuse.List(ctx, a, s, services, c.Key)
	if err != nil {
		return a.Report(append(failures, err)...)
	}
	if c.AllowEmpty {
		failures = slices.DeleteFunc(failures, app.IsMissingService)
	}
	if len(uses) == 0 && len(failures) > 0 {
		return a.Report(failures...)
	}
	if err := printKeyUses(a, uses); err != nil {
		return err
	}
	noteOtherKeys(a, uses)
	if c.Key != "" {
		a.Note("%s under %s; old versions that the bucket keeps are not counted", app.Count(keyuse.Objects(uses), "object"), c.Key)
	}
	if unknown > 0 {
		a.Note("the key of %s is unknown: the storage doesn't report it", app.Count(unknown, "object"))
	}
	return a.Report(failures...)
}

// services returns the services that were named, or else all.
func (c *KeysShowCmd) services(ctx context.Context, s store.Store) ([]string, error) {
	if len(c.Services) > 0 {
		return app.ServiceNames(c.Services), nil
	}
	if inspector, ok := s.(admin.Inspector); ok {
		return inspector.Occupied(ctx, "")
	}
	return s.Services(ctx, "")
}

// setCacheRule forbids or allows that readers keep secrets. It changes the indexes of the alias.
func (c *KeysShowCmd) setCacheRule(ctx context.Context, a *app.App) error {
	a.DefaultTimeout = app.ChangeTimeout
	alias, err := store.NormalizeAlias(cmp.Or(c.NoCache, c.AllowCache))
	if err != nil {
		return err
	}
	s, err := a.Open(ctx)
	if err != nil {
		return err
	}
	if kind := a.InForce.Kind(); !kind.CacheRules() {
		return app.Usage("the %s backend has no place for this rule; only %s has", kind, app.JoinNames(app.BackendsThat(app.Backend.CacheRules)))
	}
	services, err := c.services(ctx, s)
	if err != nil {
		return err
	}
	rules, failed := keyuse.SetCacheRule(ctx, s, services, len(c.Services) == 0, alias, c.NoCache != "")
	if a.Globals.JSON {
		if err := render.JSON(a.Stdout, append([]keyuse.CacheRule{}, rules...)); err != nil {
			return err
		}
	}
	for _, r := range rules {
		switch {
		case a.Globals.JSON:
		case !r.Changed:
			a.Note("%s: %s: unchanged", r.Service, r.Alias)
		case r.NoCache:
			a.NoteDone("%s: readers may no longer cache what is under %s", r.Service, r.Alias)
		default:
			a.NoteDone("%s: readers may cache what is under %s", r.Service, r.Alias)
		}
	}
	return a.Report(failed...)
}

func printKeyUses(a *app.App, uses []*keyuse.Use) error {
	if a.Globals.JSON {
		return render.JSON(a.Stdout, append([]*keyuse.Use{}, uses...))
	}
	names := keyuse.ShortNames(uses)
	columns := []string{"Service", "Alias", "Key", "Secrets", "Other objects", "State", "Usable", "Current", "Last change"}
	forbidden := slices.ContainsFunc(uses, func(u *keyuse.Use) bool { return u.NoCache })
	if forbidden {
		columns = append(columns, "Cache")
	}
	t := a.Table(columns...).Drops("Last change", "Other objects", "Current", "Secrets", "State")
	for _, u := range uses {
		row := []any{u.Service, u.Alias, cmp.Or(names[u.Key], u.Sealed), u.Secrets, u.Indexes + u.Tombstones, u.State, u.Usable, u.Current, u.LastChange}
		if forbidden {
			row = append(row, map[bool]string{true: "forbidden", false: "allowed"}[u.NoCache])
		}
		t.Row(row...)
	}
	return t.Print()
}

// noteOtherKeys prints the secrets that are under an older key than the one of their alias.
func noteOtherKeys(a *app.App, uses []*keyuse.Use) {
	names := keyuse.ShortNames(uses)
	for _, u := range uses {
		if u.Current == keyuse.No && u.Secrets > 0 {
			a.Note("%s: %s of %s under %s, but the alias now points to another key; coffer rekey %s --same --kms-key-alias %s moves them there",
				u.Service, app.Count(u.Secrets, "secret"), u.Alias, names[u.Key], u.Service, u.Alias)
		}
	}
}
