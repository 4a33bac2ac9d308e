package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coffer-secrets/coffer/store"
)

// mapStore is the smallest store that keeps every sentence of the interface.
type mapStore struct {
	maxValue int
	mu       sync.Mutex
	versions map[store.ID][]store.Secret
	last     map[store.ID]int // the highest version, also of what is deleted
}

func newMapStore() *mapStore {
	return &mapStore{maxValue: store.MaxValue, versions: map[store.ID][]store.Secret{}, last: map[store.ID]int{}}
}

func fail(op string, id store.ID, err error) error {
	return &store.Error{Op: op, ID: id, Err: err}
}

func (m *mapStore) Read(ctx context.Context, id store.ID, version int) (store.Secret, error) {
	versions, err := m.find(ctx, id)
	if err != nil {
		return store.Secret{}, fail("read", id, err)
	}
	if version == store.Latest {
		version = versions[len(versions)-1].Version
	}
	for _, v := range versions {
		if v.Version == version {
			return v, nil
		}
	}
	return store.Secret{}, fail("read", id, &store.NotFoundError{What: "version"})
}

func (m *mapStore) Load(ctx context.Context, service string) (store.Contents, error) {
	contents := store.Contents{Service: service}
	if err := errors.Join(ctx.Err(), store.CheckService(service)); err != nil {
		return contents, fail("load", store.ID{Service: service}, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range m.keys(service) {
		versions := m.versions[store.ID{Service: service, Key: key}]
		contents.Secrets = append(contents.Secrets, versions[len(versions)-1])
	}
	contents.Listed, contents.Revisions = len(contents.Secrets), m.revisions(service)
	return contents, nil
}

func (m *mapStore) Revisions(ctx context.Context, service string) (map[string]string, error) {
	if err := errors.Join(ctx.Err(), store.CheckService(service)); err != nil {
		return nil, fail("list", store.ID{Service: service}, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.revisions(service), nil
}

func (m *mapStore) revisions(service string) map[string]string {
	revisions := map[string]string{}
	for _, key := range m.keys(service) {
		versions := m.versions[store.ID{Service: service, Key: key}]
		revisions[key] = versions[len(versions)-1].Revision
	}
	return revisions
}

func (m *mapStore) History(ctx context.Context, id store.ID) ([]store.Meta, error) {
	versions, err := m.find(ctx, id)
	if err != nil {
		return nil, fail("history", id, err)
	}
	var metas []store.Meta
	for _, v := range versions {
		metas = append(metas, v.Meta)
	}
	return metas, nil
}

func (m *mapStore) Services(ctx context.Context, prefix string) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, fail("services", store.ID{}, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	names := map[string]bool{}
	for id := range m.versions {
		if strings.HasPrefix(id.Service, prefix) {
			names[id.Service] = true
		}
	}
	return slices.Sorted(maps.Keys(names)), nil
}

func (m *mapStore) Write(ctx context.Context, id store.ID, v store.Value, o store.WriteOptions) (store.Result, error) {
	if err := errors.Join(ctx.Err(), m.check(id, v)); err != nil {
		return store.Result{}, fail("write", id, err)
	}
	r, err := m.put(id, v, o, m.lookup)
	if err != nil {
		return r, fail("write", id, err)
	}
	return r, nil
}

func (m *mapStore) WriteAll(ctx context.Context, service string, values map[string]store.Value, o store.WriteOptions) ([]store.Result, error) {
	keys := slices.Sorted(maps.Keys(values))
	for _, key := range keys {
		id := store.ID{Service: service, Key: key}
		if err := errors.Join(ctx.Err(), m.check(id, values[key])); err != nil {
			return nil, fail("writeall", id, err)
		}
	}
	var results []store.Result
	var first error
	for _, key := range keys {
		id := store.ID{Service: service, Key: key}
		r, err := m.put(id, values[key], o, m.lookup)
		if err != nil {
			r = store.Result{Meta: store.Meta{ID: id}, Outcome: store.Failed, Err: fail("writeall", id, err)}
			first = cmpError(first, r.Err)
		}
		if o.Progress != nil {
			o.Progress(r)
		}
		results = append(results, r)
	}
	return results, first
}

func cmpError(first, next error) error {
	if first != nil {
		return first
	}
	return next
}

func (m *mapStore) Delete(ctx context.Context, service string, keys ...string) ([]store.Result, error) {
	var results []store.Result
	var first error
	for _, key := range keys {
		id := store.ID{Service: service, Key: key}
		versions, err := m.find(ctx, id)
		if err != nil {
			err = fail("delete", id, err)
			first = cmpError(first, err)
			results = append(results, store.Result{Meta: store.Meta{ID: id}, Outcome: store.Failed, Err: err})
			continue
		}
		newest := versions[len(versions)-1].Meta
		m.mu.Lock()
		delete(m.versions, newest.ID)
		m.mu.Unlock()
		results = append(results, store.Result{Meta: newest, Outcome: store.Deleted})
	}
	return results, first
}

func (m *mapStore) check(id store.ID, v store.Value) error {
	if _, err := store.NewID(id.Service, id.Key); err != nil {
		return err
	}
	if v.Len() > m.maxValue {
		return fmt.Errorf("%w: the value has %d bytes", store.ErrInvalid, v.Len())
	}
	return v.Check()
}

// find returns the versions of the secret that answers to a name.
func (m *mapStore) find(ctx context.Context, id store.ID) ([]store.Secret, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if _, err := store.NewID(id.Service, id.Key); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	key, err := m.lookup(id)
	if err != nil {
		return nil, err
	}
	versions := m.versions[store.ID{Service: id.Service, Key: key}]
	if versions == nil {
		return nil, &store.NotFoundError{What: "secret", Nearest: m.nearest(id)}
	}
	return slices.Clone(versions), nil
}

// put stores a version under the key that resolve answers with, or as a new key.
func (m *mapStore) put(id store.ID, v store.Value, o store.WriteOptions, resolve func(store.ID) (string, error)) (store.Result, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key, err := resolve(id)
	if err != nil {
		return store.Result{}, err
	}
	stored := store.ID{Service: id.Service, Key: key}
	versions := m.versions[stored]
	outcome := store.Updated
	if versions == nil {
		outcome = store.Created
		if err := store.CheckNewKey(key); err != nil {
			return store.Result{}, err
		}
		if !o.PreserveCase {
			stored.Key = strings.ToLower(key)
		}
	}
	have := 0
	if versions != nil {
		have = m.last[stored]
	}
	if o.IfVersion != nil && *o.IfVersion != have {
		return store.Result{}, &store.VersionError{Have: have, Want: *o.IfVersion}
	}
	if o.SkipUnchanged && versions != nil && versions[len(versions)-1].Value == v {
		return store.Result{Meta: versions[len(versions)-1].Meta, Outcome: store.Unchanged}, nil
	}
	meta := store.Meta{ID: stored, Version: m.last[stored] + 1, Created: time.Now().UTC(), CreatedBy: "test", Revision: strconv.Itoa(m.last[stored] + 1)}
	m.last[stored]++
	m.versions[stored] = append(versions, store.Secret{Meta: meta, Value: v})
	return store.Result{Meta: meta, Outcome: outcome}, nil
}

func exactly(id store.ID) (string, error) { return id.Key, nil }

// lookup returns the stored key that answers to a name, or the name itself.
func (m *mapStore) lookup(id store.ID) (string, error) {
	var others []string
	for _, key := range m.keys(id.Service) {
		if key == id.Key {
			return key, nil
		}
		if strings.EqualFold(key, id.Key) {
			others = append(others, key)
		}
	}
	switch len(others) {
	case 0:
		return id.Key, nil
	case 1:
		return others[0], nil
	}
	return "", &store.AmbiguousNameError{Keys: others}
}

func (m *mapStore) keys(service string) []string {
	var keys []string
	for id := range m.versions {
		if id.Service == service {
			keys = append(keys, id.Key)
		}
	}
	slices.Sort(keys)
	return keys
}

// nearest returns the key with the longest common beginning, if that is half of the name.
func (m *mapStore) nearest(id store.ID) string {
	best, length := "", len(id.Key)/2
	for _, key := range m.keys(id.Service) {
		n := 0
		for n < min(len(key), len(id.Key)) && key[n] == id.Key[n] {
			n++
		}
		if n > length {
			best, length = key, n
		}
	}
	return best
}
