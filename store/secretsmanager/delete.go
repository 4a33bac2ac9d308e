package secretsmanager

import (
	"context"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/awserror"
)

// Delete implements [store.Store] with one change. The package comment says what it cannot remove.
func (s *Store) Delete(ctx context.Context, service string, keys ...string) ([]store.Result, error) {
	for _, key := range keys {
		id := store.ID{Service: service, Key: key}
		err := checkName(id)
		if err == nil {
			err = checkOwner(service)
		}
		if err != nil {
			return nil, awserror.Wrap("delete", id, err)
		}
	}
	var results []store.Result
	err := s.commit(ctx, service, func(d *document) (bool, error) {
		results = make([]store.Result, len(keys))
		for i, name := range keys {
			id := store.ID{Service: service, Key: name}
			key, err := d.lookup(name)
			if err != nil {
				results[i] = store.Result{Meta: store.Meta{ID: id}, Outcome: store.Failed, Err: awserror.Wrap("delete", id, err)}
				continue
			}
			id.Key = key
			d.remove(key)
			results[i] = store.Result{Meta: store.Meta{ID: id}, Outcome: store.Deleted}
		}
		return len(d.changed) > 0, nil
	})
	return results, finish("delete", service, results, err)
}
