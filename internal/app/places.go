package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/store"
)

// Contexts are the flags of a command that copies from one store to another. Without them both are the configured store.
type Contexts struct {
	FromContext string `placeholder:"NAME" help:"The context to read from."`
	ToContext   string `placeholder:"NAME" help:"The context to write to."`
}

// Open opens both stores.
func (c Contexts) Open(ctx context.Context, app *App) (from, to Place, err error) {
	if from, err = app.OpenPlace(ctx, c.FromContext); err == nil {
		to, err = app.OpenPlace(ctx, c.ToContext)
	}
	return from, to, err
}

// Place is an open store with its settings.
type Place struct {
	store.Store
	*Settings
}

// OpenPlace opens the store of a context of the configuration file; "" is the configured store.
func (a *App) OpenPlace(ctx context.Context, fileContext string) (Place, error) {
	if fileContext != "" {
		a = a.InContext(fileContext)
	}
	return a.Place(ctx)
}

// Place opens the configured store.
func (a *App) Place(ctx context.Context) (Place, error) {
	s, err := a.Open(ctx)
	if err != nil {
		return Place{}, err
	}
	return Place{s, a.InForce}, nil
}

// InContext returns an App for the store of a context of the configuration file. It ignores flags
// and variables that describe a store: with them, both contexts would be the same store.
func (a *App) InContext(name string) *App {
	g := a.Globals
	other := *a
	other.InForce = nil
	other.Globals = &Globals{
		Context: name, Config: g.Config, Retries: g.Retries, RetryMode: g.RetryMode, Timeout: g.Timeout,
		AllowHTTP: g.AllowHTTP, SingleWriter: g.SingleWriter, AllowRollback: g.AllowRollback, Identity: g.Identity, TrustFirstUse: g.TrustFirstUse,
		Quiet: g.Quiet, Verbose: g.Verbose,
	}
	other.Environ = slices.DeleteFunc(slices.Clone(a.Environ), describesStore)
	return &other
}

// describesStore reports whether an entry of the environment sets where secrets are.
func describesStore(entry string) bool {
	name, _, _ := strings.Cut(entry, "=")
	if FoldNames {
		name = strings.ToUpper(name)
	}
	if slices.Contains([]string{"COFFER_CONFIG", identityVariable, identityFileVariable, "COFFER_RETRIES", "COFFER_RETRY_MODE", "COFFER_TIMEOUT", "CHAMBER_RETRIES", "CHAMBER_RETRY_MODE"}, name) {
		return false
	}
	return strings.HasPrefix(name, "COFFER_") || strings.HasPrefix(name, "CHAMBER_")
}

// OnBackend returns an App for another backend or bucket, with the flag that names the bucket. An empty
// argument changes nothing.
func (a *App) OnBackend(name, bucket, flag string) *App {
	g, other := *a.Globals, *a
	if name != "" {
		g.Backend = name
	}
	if bucket != "" {
		g.Bucket, g.bucketFlag = bucket, flag
	}
	if of := backend(name); name != "" && !of.Keys {
		g.KMSKeyAlias = "" // --kms-key-alias is for the other store
	}
	other.Globals, other.InForce = &g, nil
	return &other
}

// String returns the backend and the bucket, directory or region, for messages.
func (p Place) String() string {
	switch b := p.Kind(); {
	case b.Bucket:
		return b.name + " " + p.Bucket.Value
	case b.Directory:
		return b.name + " " + p.Dir.Value
	case p.Region.Value != "":
		return b.name + " " + p.Region.Value
	default:
		return b.name
	}
}

// Same reports whether two places are the same store, as far as the settings show. Two backends on
// one bucket are: their objects have the same names.
func (p Place) Same(q Place) bool {
	switch {
	case p.Kind().Bucket && q.Kind().Bucket:
		return p.Bucket.Value == q.Bucket.Value && p.EndpointURL.Value == q.EndpointURL.Value
	case p.Backend.Value != q.Backend.Value:
		return false
	case p.Kind().Directory:
		return p.Dir.Value == q.Dir.Value
	}
	return p.Region.Value == q.Region.Value && p.Profile.Value == q.Profile.Value && p.EndpointURL.Value == q.EndpointURL.Value
}

// NearestTo adds the nearest service of a store to the error of a missing one.
func (p Place) NearestTo(ctx context.Context, missing error) error {
	var e *store.Error
	if missing == nil || !errors.As(missing, &e) {
		return missing
	}
	return withNearest(ctx, p.Store, e.ID.Service, missing)
}

// RefuseUnlisted returns an error if a service may not be listed, for commands that need all keys.
func RefuseUnlisted(all ...store.Contents) error {
	for _, c := range all {
		if c.Unlisted {
			return &unreadableError{c}
		}
	}
	return nil
}

// NoKey returns the error of patterns that select no key of a service.
func NoKey(service string, only, except []string) error {
	flags := make([]string, 0, len(only)+len(except))
	for _, glob := range only {
		flags = append(flags, "--keys "+glob)
	}
	for _, glob := range except {
		flags = append(flags, "--except "+glob)
	}
	return fmt.Errorf("%w: %[3]s leaves no key of %[2]s", store.ErrNotFound, service, strings.Join(flags, " "))
}
