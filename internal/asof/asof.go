// Package asof reads secrets as they were at a time, from their histories.
package asof

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/coffer-secrets/coffer/store"
)

// Pick returns the number of the version that was the newest at a time, of versions that are sorted from the
// oldest; 0 if the secret didn't exist yet. The times are those of the writers' clocks, so they may be out of
// order: the newest is the last in the history that isn't later than at. problem says why it can't be known.
func Pick(versions []store.Version, at time.Time) (number int, problem string) {
	for i, v := range slices.Backward(versions) {
		switch later := i + 1; {
		case v.Created.IsZero():
			return 0, fmt.Sprintf("when version %d was written isn't recorded", v.Version)
		case v.Created.After(at):
			continue
		case later < len(versions) && versions[later].Gap:
			return 0, fmt.Sprintf("the versions between %d and %d (%s) aren't kept any more", v.Version, versions[later].Version, stamp(versions[later].Created))
		}
		return v.Version, ""
	}
	if len(versions) > 0 && versions[0].Gap {
		return 0, fmt.Sprintf("its history begins with version %d (%s), and doesn't reach back that far", versions[0].Version, stamp(versions[0].Created))
	}
	return 0, ""
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Error is a [store.ErrNotFound]: which secrets can't be read as they were at a time, and why.
type Error struct {
	At       time.Time
	Problems []string // for each secret "service/key: reason"
}

func (e *Error) Error() string {
	return fmt.Sprintf("not known as of %s: %s", stamp(e.At), strings.Join(e.Problems, "; "))
}

func (*Error) Unwrap() error { return store.ErrNotFound }

// Hint says how to go on.
func (e *Error) Hint() string {
	return "coffer history SERVICE KEY shows what is kept of a secret; choose a later --at"
}

// Store is a store as it was at a time: Load and Read return the versions that were the newest then. Secrets that
// were deleted since are missing. It can't be changed.
type Store struct {
	store.Store
	chooser store.Chooser
	at      time.Time
	o       Options
}

// Options refine [New].
type Options struct {
	AllowEmpty bool // a service that had no secrets is no error
	Salted     bool // the salts of the versions are needed, so that a history is read where one is missing
	Brief      bool // what was written later isn't noted

	// Needs, if not nil, returns which of the keys of a service are needed. A secret that isn't, and can't be
	// known, is in [store.Contents.LeftOut] instead of the [*Error].
	Needs func(service string, keys []string) (map[string]bool, error)
}

// New returns a store as it was at a time. One without the histories of whole services is
// [store.ErrUnsupported].
func New(s store.Store, at time.Time, o Options) (*Store, error) {
	chooser, ok := s.(store.Chooser)
	if !ok {
		return nil, fmt.Errorf("%w: this backend can't read older versions", store.ErrUnsupported)
	}
	return &Store{s, chooser, at, o}, nil
}

// Load implements [store.Store]. Errors besides: [*Error], which names every secret that can't be known and is
// needed, and those of [Options].Needs.
func (s *Store) Load(ctx context.Context, service string) (store.Contents, error) {
	var later []string
	problems := map[string]string{} // by key
	c, err := s.chooser.LoadChosen(ctx, service, store.Choice{
		Newest: func(newest store.Secret) bool {
			return !newest.Created.IsZero() && !newest.Created.After(s.at) && (!s.o.Salted || newest.Salt != store.Salt{})
		},
		Pick: func(versions []store.Version) int {
			n, problem := Pick(versions, s.at)
			switch id := versions[0].ID; {
			case problem != "":
				problems[id.Key] = problem
			case n == 0:
				later = append(later, id.Key)
			}
			return n
		},
	})
	if err == nil && len(problems) > 0 {
		err = s.leaveOut(&c, problems)
	}
	switch {
	case err != nil:
		return c, err
	case len(later) > 0 && len(c.Secrets)+len(c.Hidden)+len(c.Denied)+len(c.LeftOut) == 0 && !s.o.AllowEmpty:
		return c, &Error{s.at, []string{service + ": it had no secrets then"}}
	}
	if s.o.Brief {
		later = nil
	}
	c.Notices = append(c.Notices, notices(service, later, c.Deleted)...)
	return c, nil
}

// leaveOut returns an [*Error] for the secrets that can't be known and are needed, and otherwise adds them to
// LeftOut.
func (s *Store) leaveOut(c *store.Contents, problems map[string]string) error {
	c.LeftOut = slices.Sorted(maps.Keys(problems))
	needed := problems
	if s.o.Needs != nil {
		keys := slices.Clone(c.LeftOut)
		for _, secret := range c.Secrets {
			keys = append(keys, secret.ID.Key)
		}
		wanted, err := s.o.Needs(c.Service, keys)
		if err != nil {
			return err
		}
		maps.DeleteFunc(needed, func(key, _ string) bool { return !wanted[key] })
	}
	if len(needed) == 0 {
		return nil
	}
	e := &Error{At: s.at}
	for _, key := range slices.Sorted(maps.Keys(needed)) {
		e.Problems = append(e.Problems, store.ID{Service: c.Service, Key: key}.String()+": "+needed[key])
	}
	return e
}

// notices returns what the contents of a service at a time don't have.
func notices(service string, later, deleted []string) (out []string) {
	if len(later) > 0 {
		slices.Sort(later)
		later = slices.Compact(later) // a store may load twice
		out = append(out, fmt.Sprintf("%s: written later, so left out: %s", service, some(later)))
	}
	if len(deleted) > 0 {
		out = append(out, fmt.Sprintf("%s: deleted, and missing here even if they existed then: %s", service, some(deleted)))
	}
	return out
}

// some returns names as a list, and of many how many more there are.
func some(names []string) string {
	const most = 10
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// Read implements [store.Store]; [store.Latest] is the newest version at the time.
func (s *Store) Read(ctx context.Context, id store.ID, version int) (store.Secret, error) {
	if version != store.Latest {
		return s.Store.Read(ctx, id, version)
	}
	reason := ""
	secret, err := s.chooser.ReadChosen(ctx, id, store.Choice{Pick: func(versions []store.Version) int {
		n, problem := Pick(versions, s.at)
		switch id = versions[0].ID; {
		case problem != "":
			reason = problem
		case n == 0:
			reason = fmt.Sprintf("it didn't exist yet: its first version is of %s", stamp(versions[0].Created))
		}
		return n
	}})
	if reason != "" {
		return secret, &Error{s.at, []string{id.String() + ": " + reason}}
	}
	return secret, err
}

var errPast = fmt.Errorf("%w: the past can't be changed", store.ErrUnsupported)

// Write implements [store.Store]: it is refused.
func (s *Store) Write(_ context.Context, id store.ID, _ store.Value, _ store.WriteOptions) (store.Result, error) {
	return store.Result{}, &store.Error{Op: "write", ID: id, Err: errPast}
}

// WriteAll implements [store.Store]: it is refused.
func (s *Store) WriteAll(_ context.Context, service string, _ map[string]store.Value, _ store.WriteOptions) ([]store.Result, error) {
	return nil, &store.Error{Op: "write", ID: store.ID{Service: service}, Err: errPast}
}

// Delete implements [store.Store]: it is refused.
func (s *Store) Delete(_ context.Context, service string, _ ...string) ([]store.Result, error) {
	return nil, &store.Error{Op: "delete", ID: store.ID{Service: service}, Err: errPast}
}
