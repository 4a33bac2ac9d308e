package keyuse

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// CacheRule is whether readers may keep the secrets of a service under an alias.
type CacheRule struct {
	Service string `json:"service"`
	Alias   string `json:"alias"`
	NoCache bool   `json:"no_cache"`
	Changed bool   `json:"changed"`
}

// SetCacheRule forbids or allows that readers keep the secrets under an alias, in services of which each
// must have the alias, or in all of those that have it.
func SetCacheRule(ctx context.Context, s store.Store, services []string, all bool, alias string, forbid bool) (rules []CacheRule, failed []error) {
	forbidder := s.(admin.CacheForbidder)
	for _, name := range services {
		stored := name
		changed, err := app.InService(ctx, s, name, func(service string) (bool, error) {
			stored = service
			return forbidder.ForbidCache(ctx, service, alias, forbid)
		})
		var missing *store.NotFoundError
		switch {
		case err == nil:
			rules = append(rules, CacheRule{Service: stored, Alias: alias, NoCache: forbid, Changed: changed})
		case all && errors.As(err, &missing):
		case errors.As(err, &missing):
			failed = append(failed, app.WithHint(fmt.Errorf("%w: service %q has no secrets under %s", store.ErrNotFound, stored, alias),
				"coffer keys "+stored+" shows its aliases"))
		default:
			failed = append(failed, err)
		}
		if slices.ContainsFunc(failed, app.EndsAll) {
			break
		}
	}
	if all && len(rules)+len(failed) == 0 {
		failed = append(failed, fmt.Errorf("%w: no service has secrets under %s", store.ErrNotFound, alias))
	}
	return rules, failed
}
