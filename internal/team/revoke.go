package team

import (
	"context"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// Revocation takes a member out of an alias, and encrypts again what is under the keys that they know. It can
// end anywhere, and be run again: the second run finds what is left to do.
type Revocation struct {
	Store  Store
	Alias  string
	Member string

	// Begin is called for each service with the secrets to encrypt again, if there are any. What it returns
	// is called for each of them, from several goroutines, and at the end with all results.
	Begin func(service string, plan []store.Result) (step func(store.Result), end func([]store.Result))
}

// Services returns the services that may have something under the alias: all of them, those too that have
// only an index or deleted secrets.
func (r *Revocation) Services(ctx context.Context) ([]string, error) {
	return r.Store.Occupied(ctx, "")
}

// Rekey encrypts again what is in the services under an earlier key of the alias. failures are of single
// services; the rest was done. A service whose index alone is left is done without a word.
func (r *Revocation) Rekey(ctx context.Context, services []string) (failures []error) {
	for _, service := range services {
		err := r.service(ctx, service)
		if err != nil {
			failures = append(failures, err)
		}
		if ctx.Err() != nil || app.EndsAll(err) {
			break
		}
	}
	return failures
}

func (r *Revocation) service(ctx context.Context, service string) error {
	o := admin.RekeyOptions{Rewrite: true, DryRun: true}
	plan, err := r.Store.Rekey(ctx, service, o)
	if err != nil && len(plan) == 0 {
		return err
	}
	end := func([]store.Result) {}
	if o.DryRun = false; len(plan) > 0 {
		o.Progress, end = r.Begin(service, plan)
	}
	results, err := r.Store.Rekey(ctx, service, o)
	end(results)
	return err
}

// Under returns what is stored under the alias, by service: what a revocation encrypts again. It reads what the
// caller can read, and changes nothing.
func (r *Revocation) Under(ctx context.Context, services []string) (secrets []store.Meta, failures []error) {
	for _, service := range services {
		in, err := r.Store.Inspect(ctx, service)
		if err != nil {
			failures = append(failures, err)
			if app.EndsAll(err) {
				break
			}
			continue
		}
		for _, s := range in.Secrets {
			if s.KeyAlias == r.Alias {
				secrets = append(secrets, s.Meta)
			}
		}
	}
	return secrets, failures
}
