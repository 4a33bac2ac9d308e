package app

import (
	"context"
	"errors"
	"time"

	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// SecretJSON is a secret as --json prints it.
type SecretJSON struct {
	Service   string  `json:"service"`
	Key       string  `json:"key"`
	Version   int     `json:"version,omitempty"`
	Created   string  `json:"created,omitempty"`
	CreatedBy string  `json:"created_by,omitempty"`
	KeyAlias  string  `json:"key_alias,omitempty"`
	Value     *string `json:"value,omitempty"`
}

// NewSecretJSON returns a secret as --json prints it, without its value.
func NewSecretJSON(m store.Meta) SecretJSON {
	return SecretJSON{
		Service: m.ID.Service, Key: m.ID.Key, Version: m.Version, Created: Timestamp(m.Created),
		CreatedBy: m.CreatedBy, KeyAlias: m.KeyAlias,
	}
}

// NewSecretJSONWithValue is [NewSecretJSON] with the value, for commands that were asked to print it.
func NewSecretJSONWithValue(s store.Secret) SecretJSON {
	out, value := NewSecretJSON(s.Meta), s.Value.Reveal()
	out.Value = &value
	return out
}

// Timestamp formats a time as RFC 3339 in UTC; "" for the zero time.
func Timestamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// VersionCell returns a version for a table; an empty cell for 0.
func VersionCell(version int) any {
	if version == 0 {
		return nil
	}
	return version
}

// ValueCell returns a value for a table; an empty cell for nil. An empty value is shown as "".
func ValueCell(value *string) any {
	if value == nil {
		return nil
	}
	return render.Text(*value)
}

// SecretIDs returns the IDs of the secrets of a service, including hidden ones.
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

// Versions returns the versions of a secret with their values, oldest first. A store without
// [admin.Historian] is asked for each version, eight in parallel.
func Versions(ctx context.Context, s store.Store, id store.ID) ([]store.Secret, error) {
	if h, ok := s.(admin.Historian); ok {
		return h.Versions(ctx, id)
	}
	metas, err := s.History(ctx, id)
	if err != nil {
		return nil, err
	}
	secrets := make([]store.Secret, len(metas))
	err = pace.Each(ctx, 8, len(metas), func(ctx context.Context, i int) (err error) {
		secrets[i], err = s.Read(ctx, metas[i].ID, metas[i].Version)
		return err
	})
	return secrets, err
}

// Histories reads the histories of secrets, eight in parallel, and counts the secrets that the caller
// may not read. failed says what else could not be read. With named, a secret that is missing or denied
// is a failure too. Its error is one that [EndsAll].
func Histories(ctx context.Context, s store.Store, ids []store.ID, named bool) (all []store.Meta, hidden int, failed []error, err error) {
	each, denied := make([][]store.Meta, len(ids)), make([]bool, len(ids))
	failed, err = Each(ctx, 8, len(ids), func(ctx context.Context, i int) (err error) {
		each[i], err = s.History(ctx, ids[i])
		switch {
		case named:
		case errors.Is(err, store.ErrDenied):
			denied[i], err = true, nil
		case errors.Is(err, store.ErrNotFound): // deleted in the meantime
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
	return all, hidden, failed, err
}
