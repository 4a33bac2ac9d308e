package lockfile

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/store"
)

// Store is a store whose newest versions are those of a lock file, for Load and Read. It must not be written to.
type Store struct {
	store.Store
	chooser store.Chooser
	file    File
	needs   func(store.ID) bool
}

// Use returns the store with the versions of a lock file. needs reports whether a secret is needed: one that
// isn't is in [store.Contents.LeftOut] if it can't be had. The error of a store without the histories of whole services is
// [store.ErrUnsupported].
func Use(s store.Store, f File, needs func(store.ID) bool) (*Store, error) {
	chooser, ok := s.(store.Chooser)
	if !ok {
		return nil, fmt.Errorf("%w: this backend can't read older versions", store.ErrUnsupported)
	}
	return &Store{s, chooser, f, needs}, nil
}

// Load implements [store.Store]. What is missing, hidden or isn't what was locked is a [*Refusal]. Secrets that
// aren't locked are left out.
func (s *Store) Load(ctx context.Context, service string) (store.Contents, error) {
	locked := s.file.Of(service)
	if len(locked) == 0 {
		return store.Contents{}, &Refusal{Unlocked: fmt.Sprintf("service %q", service)}
	}
	exists, unlocked := map[string]bool{}, map[string]bool{}
	c, err := s.chooser.LoadChosen(ctx, service, store.Choice{
		Wanted: func(key string) bool {
			_, ok := locked[key]
			if !ok {
				unlocked[key] = true
			}
			return ok
		},
		Newest: func(newest store.Secret) bool { return locked[newest.ID.Key].Agrees(newest) },
		Pick: func(versions []store.Version) int {
			e := locked[versions[0].ID.Key]
			exists[e.Key] = true
			if !slices.ContainsFunc(versions, func(v store.Version) bool { return v.Version == e.Version }) {
				return 0
			}
			return e.Version
		},
	})
	if err != nil {
		return c, err
	}
	hidden := func(key string) bool { return slices.Contains(c.Hidden, key) }
	r := s.check(&c, locked, func(e Entry) string {
		switch {
		case hidden(e.Key):
			return denied
		case exists[e.Key]:
			return pruned
		}
		return missing
	})
	c.Hidden = slices.DeleteFunc(c.Hidden, func(key string) bool { _, ok := locked[key]; return !ok })
	c.Deleted = nil
	if len(unlocked) > 0 {
		c.Notices = append(c.Notices, leftOut(service, slices.Sorted(maps.Keys(unlocked))))
	}
	if len(c.Hidden) == 0 && c.Listed > 0 {
		c.Denied = nil // of what else the service has
	}
	c.Listed = len(c.Secrets) + len(c.Hidden)
	return c, r.orNil()
}

// leftOut says which secrets of a service aren't locked; of many, how many more.
func leftOut(service string, keys []string) string {
	const most = 10
	names := strings.Join(keys[:min(most, len(keys))], ", ")
	if len(keys) > most {
		names += fmt.Sprintf(" and %d more", len(keys)-most)
	}
	return fmt.Sprintf("%s: not in the lock file, so left out: %s", service, names)
}

// Read implements [store.Store]; [store.Latest] is the locked version. A secret that isn't locked is a [*Refusal].
func (s *Store) Read(ctx context.Context, id store.ID, version int) (store.Secret, error) {
	if version != store.Latest {
		return s.Store.Read(ctx, id, version)
	}
	locked := s.file.Of(id.Service)
	key, err := store.Match("secret", id.Key, slices.Collect(maps.Keys(locked)))
	if err != nil {
		return store.Secret{}, &Refusal{Unlocked: id.String()}
	}
	e := locked[key]
	secret, err := s.chooser.ReadChosen(ctx, e.ID, store.Choice{Pick: func([]store.Version) int { return e.Version }})
	if err != nil {
		return store.Secret{}, err
	}
	r := &Refusal{}
	if !e.Agrees(secret) {
		r.add(e.ID, e.Version, e.disagreement(secret))
	}
	return secret, r.orNil()
}

// check removes from the contents what doesn't agree with the lock file, and returns what is wrong of what is
// needed. why says why a locked secret isn't in the contents.
func (s *Store) check(c *store.Contents, locked map[string]Entry, why func(Entry) string) *Refusal {
	r := &Refusal{}
	add := func(e Entry, problem string) {
		if s.needs(e.ID) {
			r.add(e.ID, e.Version, problem)
		} else {
			c.LeftOut = append(c.LeftOut, e.Key)
		}
	}
	found := map[string]bool{}
	c.Secrets = slices.DeleteFunc(c.Secrets, func(secret store.Secret) bool {
		e := locked[secret.ID.Key]
		found[e.Key] = true
		if e.Agrees(secret) {
			return false
		}
		add(e, e.disagreement(secret))
		return true
	})
	for _, e := range s.file.Entries {
		if _, ok := locked[e.Key]; ok && e.Service == c.Service && !found[e.Key] {
			add(e, why(e))
		}
	}
	return r
}

// What can be wrong with a locked version, the worst first.
const (
	replaced  = "not what was locked: replaced, tampered with, or of another store"
	rewritten = "can't be compared with its fingerprint, because another program has rewritten the secret"
	denied    = "you may not read it"
	pruned    = "not kept any more"
	missing   = "deleted"
)

// disagreement says why a version with the locked number doesn't agree.
func (e Entry) disagreement(s store.Secret) string {
	if Fingerprinted(e.Proof) && s.Salt == (store.Salt{}) {
		return rewritten
	}
	return replaced
}

// Refusal is why locked versions can't be used. It is a [store.ErrCorrupt] if one isn't what was locked, else
// a [store.ErrDenied] or [store.ErrNotFound].
type Refusal struct {
	Unlocked string              // a service or secret that the file doesn't have, or
	problems map[string][]string // what is wrong -> the versions
}

func (r *Refusal) add(id store.ID, version int, problem string) {
	if r.problems == nil {
		r.problems = map[string][]string{}
	}
	r.problems[problem] = append(r.problems[problem], fmt.Sprintf("%s version %d", id, version))
}

func (r *Refusal) orNil() error {
	if len(r.problems) == 0 {
		return nil
	}
	return r
}

func (r *Refusal) Error() string {
	if r.Unlocked != "" {
		return r.Unlocked + " isn't in the lock file"
	}
	var parts []string
	for _, problem := range []string{replaced, rewritten, denied, pruned, missing} {
		if names := r.problems[problem]; len(names) > 0 {
			slices.Sort(names)
			parts = append(parts, fmt.Sprintf("%s (%s)", strings.Join(names, ", "), problem))
		}
	}
	return "not as locked: " + strings.Join(parts, "; ")
}

func (r *Refusal) Unwrap() error {
	switch {
	case len(r.problems[replaced])+len(r.problems[rewritten]) > 0:
		return store.ErrCorrupt
	case len(r.problems[denied]) > 0:
		return store.ErrDenied
	}
	return store.ErrNotFound
}

// Hint says how to go on.
func (r *Refusal) Hint() string {
	if r.Unlocked != "" {
		return "lock it too: coffer lock SERVICE... -o FILE"
	}
	return "coffer lock --check FILE shows what has changed; coffer lock SERVICE... -o FILE locks the versions of today"
}
