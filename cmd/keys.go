package cmd

import (
	"cmp"
	"context"
	"slices"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/keyuse"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/store/admin"
)

// KeysCmd lists the keys that encrypt secrets.
type KeysCmd struct {
	Services []string `arg:"" optional:"" name:"service" help:"The services. Without any: all services."`

	Key string `placeholder:"ALIAS" help:"Only secrets under this key: an alias, a key id or an ARN."`

	AllowEmpty bool `help:"Show an empty table for a service without secrets."`
}

// Run prints a row for each alias and key of each service.
func (c *KeysCmd) Run(ctx context.Context, a *app.App) error {
	s, err := a.Open(ctx)
	if err != nil {
		return err
	}
	services := app.ServiceNames(c.Services)
	inspector, inspects := s.(admin.Inspector)
	if len(services) == 0 {
		if inspects {
			services, err = inspector.Occupied(ctx, "")
		} else {
			services, err = s.Services(ctx, "")
		}
		if err != nil {
			return err
		}
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

func printKeyUses(a *app.App, uses []*keyuse.Use) error {
	if a.Globals.JSON {
		return render.JSON(a.Stdout, append([]*keyuse.Use{}, uses...))
	}
	names := keyuse.ShortNames(uses)
	t := a.Table("Service", "Alias", "Key", "Secrets", "Other objects", "State", "Usable", "Current", "Last change").
		Drops("Last change", "Other objects", "Current", "Secrets", "State")
	for _, u := range uses {
		t.Row(u.Service, u.Alias, cmp.Or(names[u.Key], u.Sealed), u.Secrets, u.Indexes+u.Tombstones, u.State, u.Usable, u.Current, u.LastChange)
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
