package migrate

import (
	"context"
	"errors"
	"slices"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/store"
)

// versions returns the values of a secret that a store still has, up to the version that was loaded,
// the oldest first.
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
		case errors.Is(err, store.ErrNotFound): // a write has removed the oldest version since
		case err != nil:
			return nil, err
		default:
			values = append(values, s.Value)
		}
	}
	return append(values, newest.Value), nil
}

// relation is the state of the destination's history, compared with the source's.
type relation int

const (
	behind   relation = iota // it ends with an older value of the source, or is empty
	equal                    // its newest value is the source's newest
	ahead                    // it has the source's newest value, and newer ones
	diverged                 // its newest value was never at the source
)

// missingValues compares two histories, each with the oldest value first. The source has at least
// one value. It returns the values to write at the destination: those that an interrupted migration
// has not written or, if the histories have diverged, the source's newest value.
func missingValues(source, destination []store.Value) ([]store.Value, relation) {
	newest := source[len(source)-1]
	if len(destination) == 0 {
		return source, behind
	}
	if n := len(destination); n <= len(source) && slices.Equal(destination, source[:n]) {
		if n == len(source) {
			return nil, equal
		}
		return source[n:], behind
	}
	last := destination[len(destination)-1]
	switch {
	case last == newest:
		return nil, equal
	case slices.Contains(destination, newest):
		return nil, ahead
	}
	for i, value := range slices.Backward(source) {
		if value == last {
			return source[i+1:], behind
		}
	}
	return source[len(source)-1:], diverged
}
