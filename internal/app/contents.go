package app

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/coffer-secrets/coffer/store"
)

// Contents is a service as far as it can be read. If Missing is not nil, it is a service that does not exist yet.
type Contents struct {
	store.Contents
	Missing error
	Damaged []error // for each secret that can't be read because it is damaged
}

// Keys returns the keys of all secrets of the service, hidden and damaged ones too.
func (c Contents) Keys() []string { return append(c.Contents.Keys(), c.damagedKeys()...) }

func (c Contents) damagedKeys() (keys []string) {
	for _, err := range c.Damaged {
		if key := KeyOf(err); key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}

// KeyOf returns the key of the secret that an error names; "" if it names none.
func KeyOf(err error) string {
	var op *store.Error
	if errors.As(err, &op) {
		return op.ID.Key
	}
	return ""
}

// DamageOf returns the errors of the damaged secrets among these keys, and those that name no secret.
func (c Contents) DamageOf(keys map[string]bool) (damage []error) {
	for _, err := range c.Damaged {
		if key := KeyOf(err); key == "" || keys[key] {
			damage = append(damage, err)
		}
	}
	return damage
}

// Existing returns the secret that a write of id would change: the one with the same key, in any
// case; nil if there is none. The error says why the key must not be written.
func (c Contents) Existing(id store.ID) (*store.Secret, error) {
	key, err := store.Lookup(id.Key, c.Keys())
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, &store.Error{Op: "write", ID: id, Err: err}
	}
	for i := range c.Secrets {
		if c.Secrets[i].ID.Key == key {
			return &c.Secrets[i], nil
		}
	}
	for _, err := range c.Damaged {
		if KeyOf(err) == key {
			return nil, err
		}
	}
	return nil, &store.Error{Op: "write", ID: id, Err: fmt.Errorf("%w: it exists, but is hidden from you", store.ErrDenied)}
}

// NoteDamaged prints which secrets of a service are left out because they are damaged. The command
// returns the errors at its end, as [App.Report] does.
func (a *App) NoteDamaged(c Contents) {
	if keys := c.damagedKeys(); len(keys) > 0 {
		a.NoteWarning("%s: %s left out, because it is damaged: %s", c.Service, Count(len(keys), "secret"), strings.Join(keys, ", "))
	}
}

// LoadExactly reads the service of exactly this name, and leaves out damaged secrets. The error of a service
// without secrets is that of a missing one.
func LoadExactly(ctx context.Context, s store.Store, service string) (Contents, error) {
	whole, err := loadOne(ctx, s, service, "")
	if !errors.Is(err, store.ErrCorrupt) {
		return Contents{Contents: whole}, err
	}
	read, damaged, err := loadOneByOne(ctx, s, service, err)
	c := Contents{Contents: read, Damaged: damaged}
	if c.Service = service; err == nil && len(c.Keys()) == 0 { // no secret is named
		err = Worst(damaged...)
	}
	return c, err
}

// LoadService reads the service that a name means, as [LoadExactly] does. If there is none, the contents
// are those of a new service, and the error is that of a missing one.
func LoadService(ctx context.Context, s store.Store, typed string) (Contents, error) {
	if err := store.CheckService(typed); err != nil {
		return Contents{}, err
	}
	c, err := InService(ctx, s, typed, func(service string) (Contents, error) { return LoadExactly(ctx, s, service) })
	if IsMissingService(err) {
		c.Contents = store.Contents{Service: strings.ToLower(typed)}
	}
	return c, err
}

// LoadBoth reads the service of the source and that of the destination which names mean, in parallel. failed says
// what else can't be read, of both. Its error is one that [EndsAll], or one of the command line.
func LoadBoth(ctx context.Context, from Place, source string, to Place, destination string) (src, dst Contents, failed []error, err error) {
	for _, service := range []string{source, destination} {
		if err := store.CheckService(service); err != nil {
			return src, dst, nil, err
		}
	}
	places, names, sides := []Place{from, to}, []string{source, destination}, make([]Contents, 2)
	failed, err = Each(ctx, len(sides), len(sides), func(ctx context.Context, i int) (err error) {
		sides[i], err = loadSide(ctx, places[i], names[i])
		return err
	})
	return sides[0], sides[1], failed, err
}

func loadSide(ctx context.Context, p Place, typed string) (Contents, error) {
	c, err := inService(ctx, p.Store, typed, func(service string) (Contents, error) { return LoadExactly(ctx, p.Store, service) })
	if IsMissingService(err) {
		return Contents{Contents: store.Contents{Service: strings.ToLower(typed)}, Missing: err}, nil
	}
	return c, err
}

// Unreadable returns an error for each of several services of which nothing can be read, or, if listed, which
// can't be listed. It prints the notices, and how many secrets of the others are hidden.
func (a *App) Unreadable(listed bool, all ...Contents) (failed []error) {
	for _, c := range all {
		switch err := a.RefuseUnreadable([]store.Contents{c.Contents}); {
		case listed && c.Unlisted:
			failed = append(failed, &unreadableError{c.Contents})
		case err != nil:
			failed = append(failed, err)
		}
	}
	return failed
}
