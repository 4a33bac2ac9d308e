package cmd

import (
	"context"
	"slices"
	"sort"
	"strings"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/asof"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/store"
)

// ListCmd lists the secrets of services.
type ListCmd struct {
	Services []string `arg:"" name:"service" help:"The services."`

	AtFlag
	Expand  bool `short:"e" help:"Show the values too."`
	Time    bool `short:"t" aliases:"sort-by-time" help:"Sort by time, the oldest first."`
	User    bool `short:"u" aliases:"sort-by-user" help:"Sort by user."`
	Version bool `short:"v" aliases:"sort-by-version" help:"Sort by version, the lowest first."`

	AllowEmpty bool `help:"Show an empty table for a service without secrets."`
}

// Run prints one table for all services. It reads their indexes alone, not each secret. What cannot be
// read is left out, and named on standard error.
func (c *ListCmd) Run(ctx context.Context, a *app.App) error {
	if err := c.use(a, c.Services, asof.Options{AllowEmpty: c.AllowEmpty}); err != nil {
		return err
	}
	all, failed, err := a.LoadReadable(ctx, c.Services, c.AllowEmpty)
	if err != nil {
		return a.Report(append(failed, err)...)
	}
	all, unreadable := a.ReportUnreadable(all)
	if failed = append(failed, unreadable...); len(all) > 0 {
		if err := c.printAll(a, all); err != nil {
			return err
		}
	}
	return a.Report(failed...)
}

func (c *ListCmd) printAll(a *app.App, all []store.Contents) error {
	var secrets []store.Secret
	for _, contents := range all {
		secrets = append(secrets, contents.Secrets...)
	}
	c.sort(secrets)
	if a.Globals.JSON {
		out := make([]app.SecretJSON, len(secrets))
		for i, s := range secrets {
			if out[i] = app.NewSecretJSON(s.Meta); c.Expand {
				out[i] = app.NewSecretJSONWithValue(s)
			}
		}
		return render.JSON(a.Stdout, out)
	}
	others := slices.ContainsFunc(c.Services, func(name string) bool { return !strings.EqualFold(name, c.Services[0]) }) // or left out
	return c.print(a, secrets, len(all) > 1 || others)
}

// print prints a row for each secret. Chamber's columns come first. With values there are no others, as
// scripts take the last column for the value.
func (c *ListCmd) print(a *app.App, secrets []store.Secret, severalServices bool) error {
	header := []string{"Key", "Version", "Last modified", "User"}
	if c.Expand {
		header = append(header, "Value")
	}
	if severalServices {
		header = append(header, "Service")
	}
	if !c.Expand {
		header = append(header, "Key alias")
	}
	t := a.Table(header...).Leads("Service").Cuts("Value").
		Drops("Key alias", "User", "Last modified", "Version")
	for _, s := range secrets {
		row := []any{s.ID.Key, s.Version, s.Created, s.CreatedBy}
		if c.Expand {
			row = append(row, render.Text(s.Value.Reveal()))
		}
		if severalServices {
			row = append(row, s.ID.Service)
		}
		if !c.Expand {
			row = append(row, s.KeyAlias)
		}
		t.Row(row...)
	}
	return t.Print()
}

func (c *ListCmd) sort(secrets []store.Secret) {
	sort.SliceStable(secrets, func(i, j int) bool {
		switch a, b := secrets[i], secrets[j]; { // of several flags one counts, in the same order as in chamber
		case c.Version:
			return a.Version < b.Version
		case c.User:
			return a.CreatedBy < b.CreatedBy
		case c.Time:
			return a.Created.Before(b.Created)
		}
		return false // already sorted by service and key
	})
}

// ServicesCmd lists services.
type ServicesCmd struct {
	Prefix  string `arg:"" optional:"" help:"Only services whose names begin with this."`
	Secrets bool   `short:"s" help:"Print service/key of each secret (list-services: /service/key, as chamber)."`
}

// Run prints one name per line, for scripts.
func (c *ServicesCmd) Run(ctx context.Context, a *app.App) error {
	s, err := a.Open(ctx)
	if err != nil {
		return err
	}
	names, err := app.ServicesThatBegin(ctx, s, strings.TrimSuffix(c.Prefix, "/"))
	if err != nil {
		return err
	}
	var failed []error
	if c.Secrets {
		all, bad, err := a.LoadFrom(ctx, s, names)
		if failed = bad; err != nil {
			return a.Report(append(failed, err)...)
		}
		prefix := ""
		if a.CommandName == "list-services" {
			prefix = "/" // chamber prints the names of parameters
		}
		names = nil
		for _, contents := range all {
			for _, key := range contents.Keys() {
				names = append(names, prefix+contents.Service+"/"+key)
			}
		}
	}
	if err := printServices(a, names); err != nil {
		return err
	}
	return a.Report(failed...)
}

func printServices(a *app.App, names []string) error {
	if a.Globals.JSON {
		return render.JSON(a.Stdout, append([]string{}, names...))
	}
	t := a.Table("Service")
	for _, name := range names {
		t.Row(name)
	}
	return t.Print()
}

// HistoryCmd lists the versions of a secret.
type HistoryCmd struct {
	Service string `arg:"" help:"The service."`
	Key     string `arg:"" help:"The key."`

	Expand bool `short:"e" help:"Show the value of each version too."`
}

// Run prints a row for each version that the store still has, the oldest first.
func (c *HistoryCmd) Run(ctx context.Context, a *app.App) error {
	if _, err := app.NewID(c.Service, c.Key); err != nil {
		return err
	}
	s, err := a.Open(ctx)
	if err != nil {
		return err
	}
	versions, err := app.InService(ctx, s, c.Service, func(service string) ([]store.Secret, error) {
		return c.versions(ctx, s, store.ID{Service: service, Key: c.Key})
	})
	if err != nil {
		return err
	}
	if a.Globals.JSON {
		out := make([]app.SecretJSON, len(versions))
		for i, v := range versions {
			if out[i] = app.NewSecretJSON(v.Meta); c.Expand {
				out[i] = app.NewSecretJSONWithValue(v)
			}
		}
		return render.JSON(a.Stdout, out)
	}
	header := []string{"Event", "Version", "Date", "User"}
	if c.Expand {
		header = append(header, "Value")
	}
	t := a.Table(header...).Drops("User", "Event").Cuts("Value")
	for i, v := range versions {
		event := "Updated"
		if i == 0 && v.Version == 1 {
			event = "Created"
		}
		row := []any{event, v.Version, v.Created, v.CreatedBy}
		if c.Expand {
			row = append(row, render.Text(v.Value.Reveal()))
		}
		t.Row(row...)
	}
	return t.Print()
}

// versions reads the versions, without values unless they are asked for.
func (c *HistoryCmd) versions(ctx context.Context, s store.Store, id store.ID) ([]store.Secret, error) {
	if c.Expand {
		return app.Versions(ctx, s, id)
	}
	metas, err := s.History(ctx, id)
	versions := make([]store.Secret, len(metas))
	for i, m := range metas {
		versions[i] = store.Secret{Meta: m}
	}
	return versions, err
}
