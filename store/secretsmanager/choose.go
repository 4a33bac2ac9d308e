package secretsmanager

import (
	"context"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/awserror"
)

var _ store.Chooser = (*Store)(nil)

// LoadChosen implements [store.Chooser] with the request of [Store.Load], and where a history is needed one
// for each kept version of the service, about twenty: they have the histories of all its keys.
func (s *Store) LoadChosen(ctx context.Context, service string, c store.Choice) (store.Contents, error) {
	contents := store.Contents{Service: service}
	err := checkService(service)
	if err == nil {
		err = s.choose(ctx, &contents, c)
	}
	return contents, awserror.Wrap("load", store.ID{Service: service}, err)
}

// ReadChosen implements [store.Chooser]. It reads every kept version of the service.
func (s *Store) ReadChosen(ctx context.Context, id store.ID, c store.Choice) (store.Secret, error) {
	secret, err := s.readChosen(ctx, id, c)
	return secret, awserror.Wrap("read", id, err)
}

func (s *Store) readChosen(ctx context.Context, id store.ID, c store.Choice) (store.Secret, error) {
	d, id, err := s.find(ctx, id)
	if err != nil {
		return store.Secret{}, err
	}
	older, err := s.older(ctx, d, id.Service)
	if err != nil {
		return store.Secret{}, err
	}
	secret, ok := c.PickOf(versionsOf(d, older, id))
	if !ok {
		return secret, &store.NotFoundError{What: "version"}
	}
	return secret, nil
}

func (s *Store) choose(ctx context.Context, c *store.Contents, choice store.Choice) error {
	d, err := s.current(ctx, c.Service)
	if err != nil {
		return err
	}
	d.contents(c)
	c.Deleted = d.deleted()
	var older []*document
	wanted := c.Secrets
	c.Secrets = nil
	for _, newest := range wanted {
		switch {
		case !choice.Wants(newest.ID.Key):
			continue
		case choice.TakesNewest(newest):
			c.Secrets = append(c.Secrets, newest)
			continue
		case older == nil:
			if older, err = s.older(ctx, d, c.Service); err != nil {
				return err
			}
			older = append(older, d) // so that it isn't read twice
		}
		if secret, ok := choice.PickOf(versionsOf(d, older, newest.ID)); ok {
			c.Secrets = append(c.Secrets, secret)
		}
	}
	return nil
}

// versionsOf returns the history of a key. Chamber drops the salts of all keys whenever it writes one: a salt
// is taken from any document that has the same version.
func versionsOf(d *document, older []*document, id store.ID) []store.Version {
	var out []store.Version
	before := 0
	for _, secret := range history(d, older, id) {
		for _, o := range older {
			if s := o.secret(id); secret.Salt == (store.Salt{}) && s.Meta == secret.Meta && s.Value == secret.Value {
				secret.Salt = s.Salt
			}
		}
		out = append(out, store.Version{Secret: secret, Gap: secret.Version != before+1})
		before = secret.Version
	}
	return out
}
