package engine

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/coffer-secrets/coffer/store"
)

var _ store.Chooser = (*Engine)(nil)

// LoadChosen implements [store.Chooser]: R1 to R5 of the protocol, in which the object of a secret is read
// unless a verified entry has the version that is chosen.
func (e *Engine) LoadChosen(ctx context.Context, service string, c store.Choice) (store.Contents, error) {
	return e.loadChosen(ctx, service, &c)
}

// loadChosen loads the versions that a choice wants, or the newest without one.
func (e *Engine) loadChosen(ctx context.Context, service string, choice *store.Choice) (store.Contents, error) {
	c, err := e.load(ctx, service, choice)
	var rollback *store.RollbackError
	if errors.As(err, &rollback) {
		// The secret may have been deleted and created again between the reads of the index and
		// of the object. It is a rollback only if a second load finds it too.
		c, err = e.load(ctx, service, choice)
	}
	if err != nil {
		return store.Contents{}, wrap("load", service, "", err)
	}
	return c, nil
}

// ReadChosen implements [store.Chooser]. It makes the same requests as [Engine.Read].
func (e *Engine) ReadChosen(ctx context.Context, id store.ID, c store.Choice) (store.Secret, error) {
	o, err := e.find(ctx, id)
	if err != nil {
		return store.Secret{}, wrap("read", id.Service, id.Key, err)
	}
	s, ok := chosen(&c, o, "")
	if !ok {
		return s, wrap("read", id.Service, id.Key, &store.NotFoundError{What: "version"})
	}
	return s, nil
}

// chosen returns the version that a choice takes of an object: the newest without a choice. ok is false if it
// takes none. alias is as in [Document.Meta].
func chosen(c *store.Choice, o *Document, alias string) (s store.Secret, ok bool) {
	if c == nil {
		return o.Secret(o.Newest(), alias), true
	}
	var history []store.Version
	for _, n := range slices.Sorted(maps.Keys(o.Versions)) {
		_, follows := o.Versions[n-1]
		history = append(history, store.Version{Secret: o.Secret(n, alias), Gap: n > 1 && !follows})
	}
	return c.PickOf(history)
}

// deletedOf returns the keys of the deleted secrets of which the indexes have the numbers, sorted.
func deletedOf(v *View, states []*IndexState) []string {
	deleted := map[string]bool{}
	for _, s := range states {
		for key := range s.Index.Last {
			if v.Objects[key].Tag == "" || s.Index.Gone[key] == string(v.Objects[key].Tag) { // or a tombstone
				deleted[key] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(deleted))
}
