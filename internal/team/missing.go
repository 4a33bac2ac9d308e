package team

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// named is a store whose aliases are named by a person: one without a key is a name that doesn't exist, not
// a key that the caller can't open.
type named struct{ Store }

func (s named) Team(ctx context.Context, alias string) (admin.Team, error) {
	t, err := s.Store.Team(ctx, alias)
	return t, s.missing(ctx, alias, err)
}

func (s named) Grant(ctx context.Context, alias string, g admin.Grant) (admin.Granted, error) {
	granted, err := s.Store.Grant(ctx, alias, g)
	return granted, s.missing(ctx, alias, err)
}

func (s named) NextKey(ctx context.Context, alias, member string, dryRun bool) (admin.Team, bool, error) {
	t, changed, err := s.Store.NextKey(ctx, alias, member, dryRun)
	return t, changed, s.missing(ctx, alias, err)
}

func (s named) Trust(ctx context.Context, alias, id string) (admin.Team, error) {
	t, err := s.Store.Trust(ctx, alias, id)
	return t, s.missing(ctx, alias, err)
}

// missing returns what to say of an error about an alias that has no key.
func (s named) missing(ctx context.Context, alias string, err error) error {
	var refused *store.StorageError
	if !errors.As(err, &refused) || refused.Code != store.CodeNoTeamKey {
		return err
	}
	var other *store.OtherBackendError
	if bucket, ok := s.Store.(admin.Surveyor); ok && errors.As(bucket.OtherBackend(ctx), &other) {
		return other
	}
	missing := fmt.Errorf("%w: %s has no key", store.ErrNotFound, alias)
	if aliases, err := s.TeamAliases(ctx); err == nil && len(aliases) > 0 {
		return app.WithHint(missing, "aliases with a key: "+strings.Join(aliases, ", "))
	}
	return app.WithHint(missing, "the first write under an alias creates its key; so does coffer init")
}
