package cmd

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/coffer-secrets/coffer/store"
)

// Contexts name the stores of a command that has two; without one, it is the store in force.
type Contexts struct {
	FromContext string `placeholder:"NAME" help:"Context of the configuration file that the first service is in."`
	ToContext   string `placeholder:"NAME" help:"Context of the configuration file that the second service is in."`
}

// open opens both.
func (c Contexts) open(ctx context.Context, app *App) (from, to place, err error) {
	if from, err = app.openPlace(ctx, c.FromContext); err == nil {
		to, err = app.openPlace(ctx, c.ToContext)
	}
	return from, to, err
}

// place is an open store, and what tells it from another.
type place struct {
	store.Store
	*settings
}

// openPlace opens the store that a command with two of them means; without a context, the one
// that is in force.
func (a *App) openPlace(ctx context.Context, fileContext string) (place, error) {
	if fileContext != "" {
		a = a.inContext(fileContext)
	}
	return a.place(ctx)
}

func (a *App) place(ctx context.Context) (place, error) {
	s, err := a.Open(ctx)
	if err != nil {
		return place{}, err
	}
	return place{s, a.inForce}, nil
}

// inContext returns an App for the store of a context of the configuration file. Flags and
// variables that describe a store do not reach it: they would make one store of two contexts.
func (a *App) inContext(name string) *App {
	g := a.globals
	other := *a
	other.inForce = nil
	other.globals = &Globals{
		Context: name, Config: g.Config, Retries: g.Retries, RetryMode: g.RetryMode, Timeout: g.Timeout,
		AllowHTTP: g.AllowHTTP, SingleWriter: g.SingleWriter, AllowRollback: g.AllowRollback,
		Quiet: g.Quiet, Verbose: g.Verbose,
	}
	other.Environ = slices.DeleteFunc(slices.Clone(a.Environ), describesStore)
	return &other
}

// describesStore reports whether a variable of the environment says where secrets are.
func describesStore(entry string) bool {
	name, _, _ := strings.Cut(entry, "=")
	if foldNames {
		name = strings.ToUpper(name)
	}
	if slices.Contains([]string{"COFFER_CONFIG", "COFFER_RETRIES", "COFFER_RETRY_MODE", "COFFER_TIMEOUT", "CHAMBER_RETRIES", "CHAMBER_RETRY_MODE"}, name) {
		return false
	}
	return strings.HasPrefix(name, "COFFER_") || strings.HasPrefix(name, "CHAMBER_")
}

// onBackend returns an App for another backend, or another bucket, than the one in force.
func (a *App) onBackend(backend, bucket string) *App {
	g, other := *a.globals, *a
	if backend != "" {
		g.Backend = backend
	}
	if bucket != "" {
		g.Bucket = bucket
	}
	if slices.Contains([]string{"s3", "secretsmanager", "null"}, strings.ToLower(backend)) {
		g.KMSKeyAlias = "" // it is the other side's
	}
	other.globals, other.inForce = &g, nil
	return &other
}

// String names the place for people.
func (p place) String() string {
	switch at := p.Backend.Value; {
	case p.onS3():
		return at + " " + p.Bucket.Value
	case at == "local":
		return at + " " + p.Dir.Value
	case p.Region.Value != "":
		return at + " " + p.Region.Value
	default:
		return at
	}
}

func (p place) onS3() bool { return p.Backend.Value == "s3" || p.Backend.Value == "s3-kms" }

// same reports whether two places are known to be one. Two backends in one bucket are: their
// secrets have the same names.
func (p place) same(q place) bool {
	switch {
	case p.onS3() && q.onS3():
		return p.Bucket.Value == q.Bucket.Value && p.EndpointURL.Value == q.EndpointURL.Value
	case p.Backend.Value != q.Backend.Value:
		return false
	case p.Backend.Value == "local":
		return p.Dir.Value == q.Dir.Value
	}
	return p.Region.Value == q.Region.Value && p.Profile.Value == q.Profile.Value && p.EndpointURL.Value == q.EndpointURL.Value
}

// loadBoth reads a service of each of two places, at once.
func loadBoth(ctx context.Context, from place, source string, to place, destination string) (there, here store.Contents, err error) {
	for _, service := range []string{source, destination} {
		if err := store.CheckService(service); err != nil {
			return there, here, err
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		there, err = from.Load(gctx, source)
		return err
	})
	g.Go(func() (err error) {
		here, err = to.Load(gctx, destination)
		return err
	})
	return there, here, g.Wait()
}

// refuseUnlisted ends a command that must know which secrets there are.
func refuseUnlisted(all ...store.Contents) error {
	for _, c := range all {
		if c.Unlisted {
			return &unreadableError{c}
		}
	}
	return nil
}

// noSecrets is the error of a service that holds none.
func noSecrets(op, service string) error {
	return &store.Error{Op: op, ID: store.ID{Service: service}, Err: &store.NotFoundError{What: "service"}}
}

// noKey is the error of patterns that no key of a service matches.
func noKey(service string, only, except []string) error {
	flags := make([]string, 0, len(only)+len(except))
	for _, glob := range only {
		flags = append(flags, "--keys "+glob)
	}
	for _, glob := range except {
		flags = append(flags, "--except "+glob)
	}
	return fmt.Errorf("%w: no key of %s is left by %s", store.ErrNotFound, service, strings.Join(flags, " "))
}
