package migrate

import (
	"context"
	"errors"
	"slices"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/store"
)

// versions returns the values of a secret that a store still has, oldest first, up to the one
// that was loaded.
func versions(ctx context.Context, p app.Place, newest store.Secret) ([]store.Value, error) {
	metas, err := p.History(ctx, newest.ID)
	if err != nil {
		return nil, err
	}
	var values []store.Value
	for _, meta := range metas {
		if meta.Version >= newest.Version {
			continue
		}
		s, err := p.Read(ctx, newest.ID, meta.Version)
		switch {
		case errors.Is(err, store.ErrNotFound): // the oldest one goes when a new one comes
		case err != nil:
			return nil, err
		default:
			values = append(values, s.Value)
		}
	}
	return append(values, newest.Value), nil
}

// relation is how what the destination has is related to what the source has.
type relation int

const (
	behind relation = iota // it has the source's past, or nothing: the rest can be written on top
	level                  // its newest value is the source's
	ahead                  // it had the source's newest value, and has gone on
	other                  // it has a value that the source never had
)

// remainder compares two histories, oldest first, the source's with one value at least. It
// returns what is to be written at the destination, so that a run which was killed goes on
// where it was. With other, that is the source's newest value.
func remainder(source, destination []store.Value) ([]store.Value, relation) {
	newest := source[len(source)-1]
	if len(destination) == 0 {
		return source, behind
	}
	if n := len(destination); n <= len(source) && slices.Equal(destination, source[:n]) {
		if n == len(source) {
			return nil, level
		}
		return source[n:], behind
	}
	last := destination[len(destination)-1]
	switch {
	case last == newest:
		return nil, level
	case slices.Contains(destination, newest):
		return nil, ahead
	}
	for i, value := range slices.Backward(source) {
		if value == last {
			return source[i+1:], behind
		}
	}
	return source[len(source)-1:], other
}
