package engine

import (
	"context"
	"maps"
	"slices"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// History implements [store.Store].
func (e *Engine) History(ctx context.Context, id store.ID) ([]store.Meta, error) {
	versions, err := e.Versions(ctx, id)
	var out []store.Meta
	for _, s := range versions {
		out = append(out, s.Meta)
	}
	return out, err
}

var _ admin.Historian = (*Engine)(nil)

// Versions implements [admin.Historian]. It makes the same requests as [Engine.Read].
func (e *Engine) Versions(ctx context.Context, id store.ID) ([]store.Secret, error) {
	o, err := e.find(ctx, id)
	if err != nil {
		return nil, wrap("history", id.Service, id.Key, err)
	}
	var out []store.Secret
	for _, n := range slices.Sorted(maps.Keys(o.Versions)) {
		out = append(out, o.Secret(n, ""))
	}
	return out, nil
}
