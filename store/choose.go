package store

import (
	"context"
	"slices"
)

// Chooser is a [Store] that loads chosen versions of secrets instead of the newest.
type Chooser interface {
	// LoadChosen is like Load, for the versions that c chooses. A secret of which it chooses none is left
	// out. It reads each secret at most once, and only if its history is needed. What history a backend has
	// is that of [Store.History].
	LoadChosen(ctx context.Context, service string, c Choice) (Contents, error)

	// ReadChosen is like Read, for the version that c picks. If it picks none, that is [ErrNotFound].
	ReadChosen(ctx context.Context, id ID, c Choice) (Secret, error)
}

// Choice chooses a version of each secret of a service. Its functions aren't called concurrently.
type Choice struct {
	// Wanted, if not nil, reports whether a secret is of interest. Others aren't read.
	Wanted func(key string) bool
	// Newest, if not nil, reports whether the newest version is the one, whatever is before it. Then the
	// history isn't read.
	Newest func(Secret) bool
	// Pick returns the number of the version to take; 0 leaves the secret out. The versions are those that the
	// store has, oldest first; at least one.
	Pick func(versions []Version) int
}

// PickOf returns the version that the choice picks of a history; ok is false if it picks none. Of two versions
// with one number it is the newer.
func (c *Choice) PickOf(versions []Version) (s Secret, ok bool) {
	n := c.Pick(versions)
	for _, v := range slices.Backward(versions) {
		if n != 0 && v.Version == n {
			return v.Secret, true
		}
	}
	return Secret{}, false
}

// Version is one version in the history of a secret.
type Version struct {
	Secret
	// Gap means that there were versions between the one before and this one, or before the first, that the
	// store doesn't have any more.
	Gap bool
}

// Wants reports whether a secret is of interest.
func (c *Choice) Wants(key string) bool { return c == nil || c.Wanted == nil || c.Wanted(key) }

// TakesNewest reports whether the newest version is the one, without its history.
func (c *Choice) TakesNewest(s Secret) bool { return c == nil || c.Newest != nil && c.Newest(s) }
