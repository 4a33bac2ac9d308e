package app

import (
	"context"
	"errors"
	"time"

	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store"
)

// SecretJSON is how a secret is printed with --json.
type SecretJSON struct {
	Service   string  `json:"service"`
	Key       string  `json:"key"`
	Version   int     `json:"version,omitempty"`
	Created   string  `json:"created,omitempty"`
	CreatedBy string  `json:"created_by,omitempty"`
	KeyAlias  string  `json:"key_alias,omitempty"`
	Value     *string `json:"value,omitempty"`
}

// Described is what is printed of a secret with --json, without its value.
func Described(m store.Meta) SecretJSON {
	return SecretJSON{
		Service: m.ID.Service, Key: m.ID.Key, Version: m.Version, Created: Timestamp(m.Created),
		CreatedBy: m.CreatedBy, KeyAlias: m.KeyAlias,
	}
}

// Valued is described with the value, for a command that was asked to print it.
func Valued(s store.Secret) SecretJSON {
	out, value := Described(s.Meta), s.Value.Reveal()
	out.Value = &value
	return out
}

// Timestamp is a time in RFC 3339, in UTC; "" of none.
func Timestamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// OrNone is the cell of a version: empty where there is none.
func OrNone(version int) any {
	if version == 0 {
		return nil
	}
	return version
}

// Shown is the cell of a value: empty where there is none.
func Shown(value *string) any {
	if value == nil {
		return nil
	}
	return *value
}

// SecretIDs names the secrets of a service, hidden ones too.
func SecretIDs(ctx context.Context, a *App, s store.Store, service string) ([]store.ID, error) {
	var found []store.ID
	if lister, ok := s.(store.Lister); ok {
		all, err := lister.IDs(ctx, service)
		for _, id := range all {
			if id.Service == service {
				found = append(found, id)
			}
		}
		return found, err
	}
	contents, err := s.Load(ctx, service)
	for _, notice := range contents.Notices {
		a.Note("%s", notice)
	}
	for _, key := range contents.Keys() {
		found = append(found, store.ID{Service: service, Key: key})
	}
	return found, err
}

// Histories reads the histories of secrets, eight at once, and counts those that the caller may
// not read. named says that one was asked for, which must be there and be readable.
func Histories(ctx context.Context, s store.Store, ids []store.ID, named bool) (all []store.Meta, hidden int, err error) {
	each, denied := make([][]store.Meta, len(ids)), make([]bool, len(ids))
	err = pace.Each(ctx, 8, len(ids), func(ctx context.Context, i int) (err error) {
		each[i], err = s.History(ctx, ids[i])
		switch {
		case named:
		case errors.Is(err, store.ErrDenied):
			denied[i], err = true, nil
		case errors.Is(err, store.ErrNotFound): // deleted meanwhile
			err = nil
		}
		return err
	})
	for i := range ids {
		all = append(all, each[i]...)
		if denied[i] {
			hidden++
		}
	}
	return all, hidden, err
}
