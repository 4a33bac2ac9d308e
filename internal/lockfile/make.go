package lockfile

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/store"
)

// Newest is a store whose newest versions have what identifies them: Load reads the histories of secrets whose
// salt isn't in what Load reads otherwise. If dated is true, the storage itself sets the dates of versions and
// replaces none, and no salt is needed.
type Newest struct {
	store.Store
	dated bool
}

// Identified returns a store whose newest versions have what identifies them.
func Identified(s store.Store, dated bool) Newest { return Newest{s, dated} }

// Load implements [store.Store].
func (s Newest) Load(ctx context.Context, service string) (store.Contents, error) {
	chooser, ok := s.Store.(store.Chooser)
	if !ok {
		return s.Store.Load(ctx, service)
	}
	return chooser.LoadChosen(ctx, service, store.Choice{
		Newest: func(newest store.Secret) bool { return s.dated || newest.Salt != store.Salt{} },
		Pick:   func(versions []store.Version) int { return versions[len(versions)-1].Version },
	})
}

// Of returns the lock file of services. The error names every secret that has nothing to identify its version.
func Of(services []store.Contents) (f File, err error) {
	var bad []string
	for _, c := range services {
		f.Services = append(f.Services, c.Service)
		for _, s := range c.Secrets {
			e := Entry{ID: s.ID, Version: s.Version, Proof: Proof(s)}
			if e.Proof == "" {
				bad = append(bad, s.ID.String())
			}
			f.Entries = append(f.Entries, e)
		}
	}
	f.Entries = sorted(f.Entries)
	if len(bad) > 0 {
		return f, fmt.Errorf("%w: another program wrote them without a version and a date, so they can't be locked: %s", store.ErrUnsupported, strings.Join(bad, ", "))
	}
	return f, nil
}

// The states of a secret in a comparison.
const (
	Added     = "added"     // it is not locked
	Removed   = "removed"   // it is locked, and doesn't exist
	Changed   = "changed"   // its newest version is another one
	Replaced  = "replaced"  // its newest version has the locked number, and isn't what was locked
	Rewritten = "rewritten" // the same, but another program has dropped what the fingerprint needs
	Hidden    = "hidden"    // it can't be read, and so not compared
)

// Difference is a secret whose newest version is not the one that is locked.
type Difference struct {
	store.ID
	State       string
	Locked, Now int // versions; 0 for none
}

// Compare returns what has moved since the services were locked, sorted. The services are those of the file.
func (f File) Compare(services []store.Contents) []Difference {
	var out []Difference
	for _, c := range services {
		locked := f.Of(c.Service)
		for _, s := range c.Secrets {
			e, ok := locked[s.ID.Key]
			delete(locked, s.ID.Key)
			switch {
			case !ok:
				out = append(out, Difference{s.ID, Added, 0, s.Version})
			case e.Version != s.Version:
				out = append(out, Difference{s.ID, Changed, e.Version, s.Version})
			case !e.Agrees(s) && e.disagreement(s) == rewritten:
				out = append(out, Difference{s.ID, Rewritten, e.Version, s.Version})
			case !e.Agrees(s):
				out = append(out, Difference{s.ID, Replaced, e.Version, s.Version})
			}
		}
		for _, key := range c.Hidden {
			if e, ok := locked[key]; ok {
				delete(locked, key)
				out = append(out, Difference{e.ID, Hidden, e.Version, 0})
			}
		}
		for _, e := range locked {
			out = append(out, Difference{e.ID, Removed, e.Version, 0})
		}
	}
	slices.SortFunc(out, func(a, b Difference) int {
		return cmp.Or(strings.Compare(a.Service, b.Service), strings.Compare(a.Key, b.Key))
	})
	return out
}

// Refuse returns a [*Refusal] of what exec would refuse of the newest versions, or nil.
func Refuse(found []Difference) error {
	r := &Refusal{}
	for _, d := range found {
		switch d.State {
		case Replaced:
			r.add(d.ID, d.Locked, replaced)
		case Rewritten:
			r.add(d.ID, d.Locked, rewritten)
		}
	}
	return r.orNil()
}
