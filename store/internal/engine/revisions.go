package engine

import (
	"context"

	"github.com/coffer-secrets/coffer/store"
)

// Revisions implements [store.Reviser] with one listing: the revision of a secret is the tag of its object.
func (e *Engine) Revisions(ctx context.Context, service string) (map[string]string, error) {
	secrets, _, err := e.AllRevisions(ctx, service)
	return secrets, err
}

// AllRevisions implements [store.IndexReviser] with the same listing.
func (e *Engine) AllRevisions(ctx context.Context, service string) (secrets, indexes map[string]string, err error) {
	if err := store.CheckService(service); err != nil {
		return nil, nil, wrap("list", service, "", err)
	}
	v := &View{Service: service}
	if err := e.List(ctx, v); err != nil {
		return nil, nil, wrap("list", service, "", err)
	}
	indexes = map[string]string{}
	for file, info := range v.Files {
		indexes[service+"/"+file] = string(info.Tag)
	}
	return v.tags(), indexes, nil
}
