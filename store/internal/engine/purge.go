package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

var _ admin.Purger = (*Engine)(nil)

// Residue implements [admin.Purger].
func (e *Engine) Residue(ctx context.Context, service string, keys ...string) ([]admin.Kept, error) {
	p, err := e.listVersions(ctx, service)
	if err != nil {
		return nil, wrap("list the versions of", service, "", err)
	}
	found, err := p.resolve(keys)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	var all []admin.Kept
	for _, key := range found {
		all = append(all, keptOf(store.ID{Service: service, Key: key}, p.secrets[key]))
	}
	for _, file := range slices.Sorted(maps.Keys(p.indexes)) {
		if k := keptOf(store.ID{Service: service}, p.indexes[file]); k.Old+k.Marks > 0 {
			all = append(all, k)
		}
	}
	return all, nil
}

func keptOf(id store.ID, versions []bucket.Version) admin.Kept {
	k := admin.Kept{ID: id, Object: versions[0].Name, Live: !versions[0].Mark}
	for _, v := range versions {
		switch {
		case v.Mark:
			k.Marks++
		case !v.Latest:
			k.Old++
		}
	}
	return k
}

// Purge implements [admin.Purger]. It removes the delete marks and tombstones of the secrets last. As
// long as any version is left, a second run finds the secret by them. And if a mark was removed before the
// version below it, that version would become visible again.
func (e *Engine) Purge(ctx context.Context, service string, keys ...string) ([]store.Result, []admin.Kept, error) {
	p, err := e.listVersions(ctx, service)
	if err != nil {
		return nil, nil, wrap("purge", service, "", err)
	}
	names, missing, err := p.exact(keys)
	if err != nil {
		return nil, nil, err
	}
	results, err := e.deleteKeys(ctx, service, names, true)
	if results == nil {
		return nil, nil, err
	}
	var gone []string
	var first error
	for i, r := range results {
		switch known := p.secrets[names[i]] != nil; {
		case r.Outcome == store.Deleted:
			gone = append(gone, names[i])
		case errors.Is(r.Err, store.ErrNotFound) && known:
			gone = append(gone, names[i])
			results[i] = store.Result{Meta: store.Meta{ID: store.ID{Service: service, Key: names[i]}}, Outcome: store.Purged}
		default:
			if missing[i] != nil {
				results[i].Err = wrap("purge", service, keys[i], missing[i])
			}
			first = cmp.Or(first, results[i].Err)
		}
	}
	if err != nil {
		// The current index may still have a value. Keep the marks, so that a second run finds the secrets.
		return unfinished(results, err), nil, also(first, err)
	}
	if len(gone) == 0 {
		return results, nil, first
	}
	removed, err := e.sweep(ctx, service, gone)
	if err = wrap("purge", service, "", err); err != nil {
		results = unfinished(results, err)
	}
	return results, removed, also(first, err)
}

// unfinished sets the results of secrets that are reported as purged to failed, with err.
func unfinished(results []store.Result, err error) []store.Result {
	for i, r := range results {
		if r.Outcome == store.Purged {
			results[i].Outcome, results[i].Err = store.Failed, err
		}
	}
	return results
}

// exact resolves names to keys, of deleted secrets too. A name without any version is returned as it
// is, with its error in missing.
func (p *versionList) exact(names []string) (keys []string, missing []error, err error) {
	keys, missing = make([]string, len(names)), make([]error, len(names))
	for i, name := range names {
		if keys[i], missing[i] = store.Lookup(name, p.keys()); errors.Is(missing[i], store.ErrAmbiguousName) {
			return nil, nil, wrap("purge", p.service, name, missing[i])
		}
		if missing[i] != nil {
			keys[i] = name
		}
		if at := slices.Index(keys[:i], keys[i]); at >= 0 {
			err := fmt.Errorf("%w: %q and %q are the same secret, %q", store.ErrInvalid, names[at], name, keys[i])
			return nil, nil, wrap("purge", p.service, name, err)
		}
	}
	return keys, missing, nil
}

// sweep removes the old versions of the indexes and then those of deleted secrets (P3 to P5).
func (e *Engine) sweep(ctx context.Context, service string, keys []string) ([]admin.Kept, error) {
	p, err := e.listVersions(ctx, service)
	if err != nil {
		return nil, err
	}
	s := &sweeping{e: e, p: p, removed: map[string]*admin.Kept{}}
	var indexes, secrets []bucket.Version
	for _, versions := range p.indexes {
		indexes = append(indexes, versions...)
	}
	for _, key := range keys {
		secrets = append(secrets, p.secrets[key]...)
		s.note(ObjectName(service, key)).ID.Key = key
	}
	err = s.states(ctx, indexes)
	if err == nil {
		err = s.states(ctx, secrets)
	}
	if err == nil {
		err = s.marks(ctx, slices.Concat(indexes, secrets))
	}
	if err == nil {
		err = s.tombstones(ctx, keys)
	}
	var all []admin.Kept
	for _, name := range slices.Sorted(maps.Keys(s.removed)) {
		if k := *s.removed[name]; k.Old+k.Marks > 0 {
			k.ID.Service = service
			all = append(all, k)
		}
	}
	return all, err
}

// sweeping is one removal of versions.
type sweeping struct {
	e       *Engine
	p       *versionList
	mu      sync.Mutex
	removed map[string]*admin.Kept // by object
}

func (s *sweeping) note(name string) *admin.Kept {
	if s.removed[name] == nil {
		s.removed[name] = &admin.Kept{Object: name}
	}
	return s.removed[name]
}

// states removes old versions and lists again to check that they are gone, because the marks above
// them may be removed only then. It removes versions that are still listed again, a few times.
func (s *sweeping) states(ctx context.Context, of []bucket.Version) error {
	old := only(of, func(v bucket.Version) bool { return !v.Latest && !v.Mark })
	for n := 0; len(old) > 0; n++ {
		if err := s.versions(ctx, old); err != nil {
			return err
		}
		listed := map[[2]string]bool{}
		for v, err := range s.p.Versions(ctx, s.p.service+"/") {
			if err != nil {
				return err
			}
			listed[[2]string{v.Name, v.ID}] = true
		}
		old = only(old, func(v bucket.Version) bool { return listed[[2]string{v.Name, v.ID}] })
		for _, v := range old {
			s.note(v.Name).Old-- // it was counted too early
		}
		if len(old) > 0 && n == deletions {
			return fmt.Errorf("%w: the storage reported that a version of %s was deleted, but still lists it", store.ErrUnavailable, old[0].Name)
		}
	}
	return nil
}

// marks removes delete marks. The versions below them must have been removed.
func (s *sweeping) marks(ctx context.Context, of []bucket.Version) error {
	return s.versions(ctx, only(of, func(v bucket.Version) bool {
		return v.Mark && !(v.Latest && v.ID == bucket.NullVersion) // this id may be another client's new object by now
	}))
}

func only(versions []bucket.Version, chosen func(bucket.Version) bool) []bucket.Version {
	return slices.DeleteFunc(slices.Clone(versions), func(v bucket.Version) bool { return !chosen(v) })
}

func (s *sweeping) versions(ctx context.Context, versions []bucket.Version) error {
	return pace.Each(ctx, writers, len(versions), func(ctx context.Context, i int) error {
		v := versions[i]
		if err := s.remove(ctx, v); err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if k := s.note(v.Name); v.Mark {
			k.Marks++
		} else {
			k.Old++
		}
		return nil
	})
}

// remove removes one version. A version id is unique, so that the request can be repeated safely.
func (s *sweeping) remove(ctx context.Context, v bucket.Version) error {
	for n := 0; ; n++ {
		err := s.p.DeleteVersion(ctx, v.Name, v.ID)
		switch {
		case err == nil, errors.Is(err, bucket.ErrNotFound):
			return nil
		case n == deletions, !retryable(err):
			return err
		}
		if err := s.e.pause(ctx, n); err != nil {
			return err
		}
	}
}

// tombstones removes the tombstones of the secrets. The versions below them must have been removed. An
// object that another client has put on top stays.
func (s *sweeping) tombstones(ctx context.Context, keys []string) error {
	for _, key := range keys {
		versions := s.p.secrets[key]
		if len(versions) == 0 || versions[0].Mark || versions[0].ID == bucket.NullVersion {
			continue
		}
		o, _, err := s.e.stateOf(ctx, s.p, key, versions[0].ID)
		switch {
		case err == nil && o.Absent():
			err = s.remove(ctx, versions[0])
		case err == nil, errors.Is(err, bucket.ErrNotFound), unreadable(err):
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}
