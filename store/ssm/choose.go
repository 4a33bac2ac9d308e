package ssm

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/awserror"
)

var _ store.Chooser = (*Store)(nil)

// LoadChosen implements [store.Chooser] with the requests of [Store.Load], and one GetParameterHistory for each
// 50 versions of a secret whose history is needed.
func (s *Store) LoadChosen(ctx context.Context, service string, c store.Choice) (store.Contents, error) {
	contents := store.Contents{Service: service}
	err := store.CheckService(service)
	if err == nil {
		err = s.choose(ctx, &contents, c)
	}
	return contents, awserror.Wrap("load", store.ID{Service: service}, err)
}

func (s *Store) choose(ctx context.Context, c *store.Contents, choice store.Choice) error {
	parameters, err := s.fill(ctx, c, "")
	if err != nil {
		return err
	}
	c.Hidden = slices.DeleteFunc(c.Hidden, func(key string) bool { return !choice.Wants(key) })
	parameters = slices.DeleteFunc(parameters, func(p parameter) bool { return !choice.Wants(p.ID.Key) })
	histories := make([]history, len(parameters))
	newest := make([]bool, len(parameters))
	for i, p := range parameters {
		newest[i] = !p.copied && choice.TakesNewest(p.Secret)
	}
	err = pace.Each(ctx, requests, len(parameters), func(ctx context.Context, i int) (err error) {
		if !newest[i] {
			histories[i], err = s.history(ctx, parameters[i].ID)
		}
		return err
	})
	if err != nil {
		return err
	}
	c.Secrets = nil
	for i, p := range parameters {
		if !newest[i] {
			if p.Secret, err = s.chosen(ctx, histories[i], choice); errors.Is(err, errNone) {
				continue
			} else if err != nil {
				return err
			}
		}
		c.Secrets = append(c.Secrets, p.Secret)
	}
	return nil
}

// history is what Parameter Store has of a secret.
type history struct {
	merged []historical
	sealed bool // the values could not be decrypted
	gap    bool // it has had older versions
}

// history reads the versions of a secret. A copy that a rekey made is the version that it is a copy of only
// if it has its value: whoever may put parameters can give another one the description of a copy. Where that
// can't be compared, since the key of the original can't be used, it has the date of the copy.
func (s *Store) history(ctx context.Context, id store.ID) (h history, err error) {
	all, err := s.recorded(ctx, id, true)
	if h.sealed = errors.Is(err, store.ErrDenied) || errors.Is(err, store.ErrConfiguration); h.sealed {
		all, err = s.recorded(ctx, id, false)
	}
	if err != nil || len(all) == 0 {
		return h, err
	}
	h.gap = all[0].number > 1
	for i, v := range all {
		at := original(all[:i], v)
		if at < 0 || h.sealed || v.Value == all[at].Value {
			continue
		}
		return h, &store.CorruptError{
			Object: parameterName(id), Offset: -1,
			Reason: fmt.Sprintf("Parameter Store's version %d says that it is a copy of version %d, and has another value", v.number, v.Version),
		}
	}
	put := map[int64]historical{}
	for _, v := range all {
		put[v.number] = v
	}
	h.merged = merged(all)
	for i, v := range h.merged {
		if h.sealed {
			h.merged[i].Created = put[v.number].Created
		}
	}
	return h, nil
}

// errNone means that a choice picks no version.
var errNone = &store.NotFoundError{What: "version"}

// chosen returns the version that a choice picks, with its value, or errNone.
func (s *Store) chosen(ctx context.Context, h history, c store.Choice) (store.Secret, error) {
	versions := make([]store.Version, len(h.merged))
	for i, v := range h.merged {
		versions[i] = store.Version{Secret: v.Secret, Gap: i == 0 && h.gap}
	}
	secret, ok := c.PickOf(versions)
	if !ok {
		return secret, errNone
	}
	if !h.sealed {
		return secret, nil
	}
	at := len(versions) - 1
	for versions[at].Version != secret.Version {
		at--
	}
	var err error
	secret.Value, err = s.valueOf(ctx, secret.ID, h.merged[at].number)
	return secret, err
}

// ReadChosen implements [store.Chooser] with one GetParameterHistory for each 50 versions.
func (s *Store) ReadChosen(ctx context.Context, id store.ID, c store.Choice) (store.Secret, error) {
	secret, err := answer(ctx, s, id, func(id store.ID) (store.Secret, error) {
		h, err := s.history(ctx, id)
		if err != nil {
			return store.Secret{}, err
		}
		return s.chosen(ctx, h, c)
	})
	return secret, awserror.Wrap("read", id, err)
}
