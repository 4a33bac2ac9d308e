package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/migrate"
	"github.com/coffer-secrets/coffer/store"
)

// MigrateCmd copies services from one backend to another, with their history.
type MigrateCmd struct {
	Services []string `arg:"" optional:"" name:"service" help:"The services."`

	Prefix      string `placeholder:"TEXT" help:"All services whose names begin with this."`
	AllServices bool   `help:"All services."`

	FromBackend string `placeholder:"NAME" help:"The backend to read from."`
	FromBucket  string `placeholder:"NAME" help:"The bucket to read from."`
	ToBackend   string `placeholder:"NAME" help:"The backend to write to. --kms-key-alias is the key alias there."`
	ToBucket    string `placeholder:"NAME" help:"The bucket to write to."`
	app.Contexts

	app.KeyFlags
	History   bool `default:"true" negatable:"" help:"Copy older versions too. --no-history copies only the newest. Tags are not copied: a note names the secrets that have some."`
	Overwrite bool `help:"Overwrite secrets that have another value at the destination, as a new version. One that has the source's newest value as an older version is left as it is."`
	DryRun    bool `help:"Show what would be written, and write nothing."`
	Adopt     bool `help:"Overwrite secrets whose key alias is unknown."`
}

// Run migrates the services one after the other. It never changes the source. It can be killed and
// run again at any time, and again after the source has changed.
func (c *MigrateCmd) Run(ctx context.Context, a *app.App) error {
	from, to, err := c.places(ctx, a)
	if err != nil {
		return err
	}
	services, err := c.services(ctx, from)
	if err != nil {
		return err
	}
	if err := a.CheckDestination(ctx, to, c.ToContext, c.DryRun); err != nil {
		return err
	}
	m := migrate.New(a, from, to, migrate.Options{
		KeyFlags: c.KeyFlags, History: c.History, Overwrite: c.Overwrite, DryRun: c.DryRun, Adopt: c.Adopt,
	})
	var failures []error
	for i, service := range services {
		err := m.Service(ctx, service)
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return a.Report(append(failures, app.WithHint(err, "what was written is kept; run the same command again to do the rest"))...)
		case app.EndsAll(err):
			if left := len(services) - i - 1; left > 0 {
				a.Note("%s not migrated", app.Count(left, "service"))
			}
			return errors.Join(a.Report(append(failures, err)...), m.Report())
		default:
			failures = append(failures, err)
		}
	}
	if len(failures) == 0 {
		failures = append(failures, m.RefuseMissed())
	}
	if app.Worst(failures...) == nil || !m.Empty() {
		if err := m.Report(); err != nil {
			return err
		}
	}
	return a.Report(failures...)
}

// places opens the source and the destination.
func (c *MigrateCmd) places(ctx context.Context, a *app.App) (from, to app.Place, err error) {
	if from, err = c.place(ctx, a, "from", c.FromContext, c.FromBackend, c.FromBucket); err != nil {
		return from, to, err
	}
	if to, err = c.place(ctx, a, "to", c.ToContext, c.ToBackend, c.ToBucket); err != nil {
		return from, to, err
	}
	switch {
	case !from.Same(to):
	case from.Kind().String() != to.Kind().String():
		err = app.WithHint(app.Usage("%s and %s can't share the bucket %s: their objects have the same names", from.Kind(), to.Kind(), to.Bucket.Value),
			"use another bucket: --to-bucket NAME (coffer init --bucket NAME creates it)")
	default:
		err = app.WithHint(app.Usage("source and destination are the same: %s", to), "use --from-backend and --to-backend, or --from-context and --to-context")
	}
	return from, to, err
}

func (c *MigrateCmd) place(ctx context.Context, a *app.App, side, fileContext, backend, bucket string) (app.Place, error) {
	switch {
	case fileContext != "" && backend+bucket != "":
		return app.Place{}, app.Usage("--%s-context already names the backend and the bucket: omit --%s-backend and --%s-bucket", side, side, side)
	case fileContext != "":
		return a.OpenPlace(ctx, fileContext)
	case backend != "" && !slices.Contains(app.Backends(), strings.ToLower(backend)):
		return app.Place{}, app.Usage("unknown backend %q (--%s-backend); the backends are %s", backend, side, strings.Join(app.Backends(), ", "))
	case backend+bucket != "":
		return a.OnBackend(backend, bucket, "--"+side+"-bucket").Place(ctx)
	}
	return a.Place(ctx)
}

// services returns the services to migrate.
func (c *MigrateCmd) services(ctx context.Context, from app.Place) ([]string, error) {
	selectors := 0
	for _, given := range []bool{len(c.Services) > 0, c.Prefix != "", c.AllServices} {
		if given {
			selectors++
		}
	}
	if selectors != 1 {
		return nil, app.Usage("name the services, or give --prefix or --all-services")
	}
	if len(c.Services) > 0 {
		return app.DistinctServices(ctx, from.Store, c.Services)
	}
	names, err := app.ServicesThatBegin(ctx, from.Store, c.Prefix)
	if err == nil && len(names) == 0 {
		err = fmt.Errorf("%w: %s has no services", store.ErrNotFound, from)
		if c.Prefix != "" {
			err = fmt.Errorf("%w that begins with %q", err, c.Prefix)
		}
	}
	return names, err
}
