package storetest

import (
	"context"
	"slices"

	"github.com/coffer-secrets/coffer/store"
)

func (m *mapStore) LoadChosen(ctx context.Context, service string, c store.Choice) (store.Contents, error) {
	contents, err := m.Load(ctx, service)
	all := contents.Secrets
	contents.Secrets = nil
	for _, newest := range slices.Clone(all) {
		switch {
		case !c.Wants(newest.ID.Key):
		case c.TakesNewest(newest):
			contents.Secrets = append(contents.Secrets, newest)
		default:
			if secret, ok := c.PickOf(m.history(newest.ID)); ok {
				contents.Secrets = append(contents.Secrets, secret)
			}
		}
	}
	return contents, err
}

func (m *mapStore) ReadChosen(ctx context.Context, id store.ID, c store.Choice) (store.Secret, error) {
	versions, err := m.find(ctx, id)
	if err != nil {
		return store.Secret{}, fail("read", id, err)
	}
	secret, ok := c.PickOf(m.history(versions[0].ID))
	if !ok {
		return secret, fail("read", id, &store.NotFoundError{What: "version"})
	}
	return secret, nil
}

func (m *mapStore) history(id store.ID) (out []store.Version) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := 0
	for _, s := range m.versions[id] {
		out = append(out, store.Version{Secret: s, Gap: s.Version != before+1})
		before = s.Version
	}
	return out
}

// choosesNewest is a store whose choices are of no effect.
type choosesNewest struct{ *mapStore }

func (b choosesNewest) LoadChosen(ctx context.Context, service string, _ store.Choice) (store.Contents, error) {
	return b.Load(ctx, service)
}
