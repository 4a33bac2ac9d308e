package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// versionList is all object versions of one service in a bucket with versioning. Nested services are
// not included.
type versionList struct {
	bucket.Versioned
	service string
	secrets map[string][]bucket.Version // by key, newest first
	indexes map[string][]bucket.Version // by file
}

var errNoVersions = fmt.Errorf("%w: this storage keeps no old versions of objects", store.ErrUnsupported)

// listVersions lists the versions of a service. It returns [store.ErrUnsupported] if the bucket has
// no versioning.
func (e *Engine) listVersions(ctx context.Context, service string) (*versionList, error) {
	if err := store.CheckService(service); err != nil {
		return nil, err
	}
	versioned, ok := e.Bucket.(bucket.Versioned)
	if !ok {
		return nil, errNoVersions
	}
	p := &versionList{versioned, service, map[string][]bucket.Version{}, map[string][]bucket.Version{}}
	for v, err := range versioned.Versions(ctx, service+"/") {
		if err != nil {
			return nil, err
		}
		base := strings.TrimPrefix(v.Name, service+"/")
		if index.Is(base, e.Plain()) {
			p.indexes[base] = append(p.indexes[base], v)
		} else if key, ok := KeyOf(service, v.Name); ok {
			p.secrets[key] = append(p.secrets[key], v)
		}
	}
	return p, nil
}

func (p *versionList) keys() []string { return slices.Sorted(maps.Keys(p.secrets)) }

// resolve returns the sorted keys of the named secrets, deleted ones too, or all keys if names is
// empty. It omits names without any version.
func (p *versionList) resolve(names []string) ([]string, error) {
	if len(names) == 0 {
		return p.keys(), nil
	}
	var found []string
	for _, name := range names {
		key, err := store.Lookup(name, p.keys())
		switch {
		case errors.Is(err, store.ErrNotFound):
			continue
		case err != nil:
			return nil, wrap("look up", p.service, name, err)
		}
		found = append(found, key)
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// states returns the versions of a secret without the delete marks.
func (p *versionList) states(key string) []bucket.Version {
	return slices.DeleteFunc(slices.Clone(p.secrets[key]), func(v bucket.Version) bool { return v.Mark })
}

// stateOf reads the version of a secret's object that has the given id.
func (e *Engine) stateOf(ctx context.Context, p *versionList, key, id string) (*Document, bucket.Info, error) {
	o, err := p.GetVersion(ctx, ObjectName(p.service, key), id)
	if err != nil {
		return nil, bucket.Info{}, err
	}
	return e.open(p.service, key, o)
}

// unreadable reports whether an error concerns one object only, so that others may be readable.
func unreadable(err error) bool {
	return errors.Is(err, bucket.ErrDenied) || errors.Is(err, bucket.ErrKey) || errors.Is(err, bucket.ErrTorn) || errors.Is(err, store.ErrCorrupt)
}

// deleted returns which of the keys are deleted now: their newest version is a delete mark or a
// tombstone.
func (e *Engine) deleted(ctx context.Context, p *versionList, keys []string) (map[string]bool, error) {
	gone, v := map[string]bool{}, &View{
		Service: p.service, Objects: map[string]bucket.Info{}, Files: map[string]bucket.Info{}, Indexes: map[string]*IndexState{},
	}
	for _, key := range keys {
		if newest := p.secrets[key][0]; newest.Mark {
			gone[key] = true
		} else {
			v.Objects[key] = newest.Info
		}
	}
	if len(v.Objects) == 0 {
		return gone, nil
	}
	for file, versions := range p.indexes {
		if !versions[0].Mark {
			v.Files[file] = versions[0].Info
		}
	}
	if err := e.readIndexes(ctx, v); err != nil {
		return nil, err
	}
	verified, unknown := index.Merge(v.tags(), indexesOf(v.Readable())...)
	tombs := make([]bool, len(unknown))
	err := pace.Each(ctx, Readers, len(unknown), func(ctx context.Context, i int) error {
		o, _, err := e.ReadDocument(ctx, p.service, unknown[i])
		if err != nil && !unreadable(err) {
			return err
		}
		tombs[i] = err == nil && o.Absent()
		return nil
	})
	for key := range v.Objects {
		_, live := verified[key]
		i, asked := slices.BinarySearch(unknown, key)
		gone[key] = !live && (!asked || tombs[i])
	}
	return gone, err
}

// OlderVersion returns the id of the newest version of a secret's object that opens, if the object as it is now doesn't, and
// deleting that loses nothing: the bucket keeps it. alias is that of the version, or the one given. It returns "" if
// none was seen.
func (e *Engine) OlderVersion(ctx context.Context, service, key, known string) (id, alias string) {
	const most = 10 // versions
	versioned, ok := e.Bucket.(bucket.Versioned)
	if !ok {
		return "", known
	}
	name, tried := ObjectName(service, key), 0
	for v, err := range versioned.Versions(ctx, name) {
		switch {
		case err != nil, v.Name != name, v.Latest && (v.ID == "" || v.ID == bucket.NullVersion), tried == most:
			return "", known
		case v.Latest || v.Mark:
			continue
		}
		tried++
		o, err := versioned.GetVersion(ctx, name, v.ID)
		if err != nil {
			continue
		}
		if d, _, err := e.open(service, key, o); err == nil && !d.Absent() {
			return v.ID, cmp.Or(d.Alias, known)
		}
	}
	return "", known
}
