package site

import (
	"context"
	"errors"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// RefuseOtherBackend returns an error if the bucket has secrets of another backend, and none of the one that is
// configured. Whatever else fails is found when the parts are looked for: a missing bucket isn't an error here.
func RefuseOtherBackend(ctx context.Context, a *app.App) error {
	s, err := a.Open(ctx)
	if err != nil {
		return nil //nolint:nilerr // see above
	}
	var other *store.OtherBackendError
	if bucket, ok := s.(admin.Surveyor); ok && errors.As(bucket.OtherBackend(ctx), &other) {
		return other
	}
	return nil
}
