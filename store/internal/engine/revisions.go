package engine

import (
	"context"

	"github.com/coffer-secrets/coffer/store"
)

// Revisions implements [store.Reviser] with one listing: the revision of a secret is the tag of its object.
func (e *Engine) Revisions(ctx context.Context, service string) (map[string]string, error) {
	if err := store.CheckService(service); err != nil {
		return nil, wrap("list", service, "", err)
	}
	v := &View{Service: service}
	if err := e.List(ctx, v); err != nil {
		return nil, wrap("list", service, "", err)
	}
	return v.tags(), nil
}
