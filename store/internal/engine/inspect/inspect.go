// Package inspect finds faults of a service, and repairs those that need no decision of its owner. The
// commands doctor, keys and audit use it. It examines every object and index of a service
// through the engine. Only [Inspector.Repair] changes anything.
package inspect

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/engine"
)

// Inspector is an [admin.Inspector] over an engine.
type Inspector struct{ e *engine.Engine }

var _ admin.Inspector = (*Inspector)(nil)

// New returns an inspector of the engine's bucket.
func New(e *engine.Engine) *Inspector { return &Inspector{e} }

// inspections limits how often a service is inspected again because other clients change it meanwhile.
const inspections = 3

// Inspect implements [admin.Inspector]. It makes a listing, two requests for each index, a HEAD of
// each object, and a GET of each object for which no index vouches.
func (i *Inspector) Inspect(ctx context.Context, service string) (admin.Inspection, error) {
	in, err := inspect(ctx, i.e, service)
	if err != nil {
		return admin.Inspection{}, engine.Fail("inspect", store.ID{Service: service}, err)
	}
	return in.report(), nil
}

// Occupied implements [admin.Inspector].
func (i *Inspector) Occupied(ctx context.Context, prefix string) ([]string, error) {
	found := map[string]bool{}
	for info, err := range i.e.Bucket.Walk(ctx, prefix) {
		if err != nil {
			return nil, engine.Fail("list services", store.ID{Service: prefix}, err)
		}
		service, base, ok := engine.CutLast(info.Name)
		if !ok || store.CheckService(service) != nil || !strings.HasPrefix(service, prefix) {
			continue
		}
		if _, secret := engine.KeyOf(service, info.Name); secret || index.Is(base, i.e.Plain()) {
			found[service] = true
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// inspection is one inspection of a service.
type inspection struct {
	e       *engine.Engine
	v       *engine.View
	indexes []*seenIndex  // by name
	secrets []*seenSecret // by key
	faults  []*fault
	targets map[string]*target // by file name
	moved   bool               // an index was changed during the inspection
}

// seenIndex is an index as it was read, with the result of a later HEAD.
type seenIndex struct {
	*engine.IndexState
	info bucket.Info // of the HEAD; without Tag if that was refused
	err  error       // why it could not be read
}

// seenSecret is a secret object. It is opened only if no index vouches for it.
type seenSecret struct {
	key        string
	info       bucket.Info
	vouchedBy  *engine.IndexState // the index that vouches for it
	object     *engine.Document   // nil if it was not opened
	alias      string             // its alias; "" if unknown
	hidden     bool               // the caller has no permission to read it
	headDenied bool               // its HEAD failed: info is from the listing
	deleted    bool               // a tombstone
	err        error              // why it could not be read, except for missing permission
}

// inspect reads a service and finds its faults. It starts again if an index was put meanwhile.
func inspect(ctx context.Context, e *engine.Engine, service string) (*inspection, error) {
	if err := store.CheckService(service); err != nil {
		return nil, err
	}
	for n := 1; ; n++ {
		in := &inspection{
			e: cachingKeys(e), targets: map[string]*target{},
			v: &engine.View{Service: service, Indexes: map[string]*engine.IndexState{}},
		}
		for _, step := range []func(context.Context) error{in.list, in.readIndexes, in.headSecrets, in.open, in.headIndexes} {
			if err := step(ctx); err != nil {
				return nil, err
			}
		}
		in.check(ctx)
		// If a secret is deleted and created again between the reads of its index and its object, it looks
		// like a rollback. Therefore a rollback is checked a second time.
		if n == inspections || !in.moved && (n > 1 || !in.found(admin.CheckRollback)) {
			return in, nil
		}
	}
}

// cachingKeys returns an engine that asks only once for the key of an alias.
func cachingKeys(e *engine.Engine) *engine.Engine {
	o, known := e.Options, map[string]string{}
	o.KeyID = func(ctx context.Context, alias string) string {
		id, ok := known[alias]
		if !ok {
			id = e.KeyID(ctx, alias)
			known[alias] = id
		}
		return id
	}
	return engine.New(o)
}

func (in *inspection) list(ctx context.Context) error { return in.e.List(ctx, in.v) }

// readIndexes reads every index. Indexes are read before the objects, so that an object which changes
// during the inspection looks like drift, not like a deleted or rolled back secret.
func (in *inspection) readIndexes(ctx context.Context) error {
	own := index.FileName(in.e.Alias)
	in.v.Indexes[own] = &engine.IndexState{File: own, Missing: true}
	files := slices.Sorted(maps.Keys(in.v.Files))
	seen := make([]*seenIndex, len(files))
	err := pace.Each(ctx, engine.Readers, len(files), func(ctx context.Context, i int) error {
		s, err := in.e.ReadIndex(ctx, in.v.Service, files[i])
		if err != nil && !visible(err) {
			return err
		}
		if err != nil {
			s = &engine.IndexState{File: files[i], Denied: err}
		}
		seen[i] = &seenIndex{IndexState: s, err: cmp.Or(s.Denied, s.Corrupt)}
		return nil
	})
	if err != nil {
		return err
	}
	for _, s := range seen {
		in.v.Indexes[s.File] = s.IndexState
		if !s.Missing { // otherwise it was deleted since the listing
			in.indexes = append(in.indexes, s)
		}
	}
	return nil
}

// visible reports whether an error is about one object only and can become a finding. Any other
// error ends the inspection.
func visible(err error) bool {
	for _, own := range []error{bucket.ErrDenied, bucket.ErrNotFound, bucket.ErrKey, bucket.ErrTorn, bucket.ErrRefused, store.ErrCorrupt} {
		if errors.Is(err, own) {
			return true
		}
	}
	return false
}

// headSecrets makes a HEAD for the tag and the key of every listed object, and of every entry that is not
// listed: its object may have been created since.
func (in *inspection) headSecrets(ctx context.Context) error {
	keys := maps.Clone(in.v.Objects)
	for _, s := range in.v.Readable() {
		for key := range s.Index.Entries {
			if _, listed := keys[key]; !listed && store.CheckKey(key) == nil {
				keys[key] = bucket.Info{}
			}
		}
	}
	names := slices.Sorted(maps.Keys(keys))
	seen := make([]*seenSecret, len(names))
	err := pace.Each(ctx, engine.Heads, len(names), func(ctx context.Context, i int) error {
		info, err := in.e.Bucket.Head(ctx, engine.ObjectName(in.v.Service, names[i]))
		listed := keys[names[i]]
		switch {
		case errors.Is(err, bucket.ErrNotFound), err != nil && listed.Tag == "" && visible(err):
			return nil
		case errors.Is(err, bucket.ErrDenied):
			seen[i] = &seenSecret{key: names[i], info: listed, hidden: true, headDenied: true}
		case err != nil && visible(err):
			seen[i] = &seenSecret{key: names[i], info: listed, err: err, headDenied: true}
		case err == nil:
			seen[i] = &seenSecret{key: names[i], info: info}
		}
		if seen[i] == nil {
			return err
		}
		return nil
	})
	in.secrets = slices.DeleteFunc(seen, func(s *seenSecret) bool { return s == nil })
	return err
}

// open reads the objects for which no index vouches. It skips those that are certainly hidden, because
// they are under the key of a denied index.
func (in *inspection) open(ctx context.Context) error {
	denied, err := in.deniedKeys(ctx)
	if err != nil {
		return err
	}
	return pace.Each(ctx, engine.Readers, len(in.secrets), func(ctx context.Context, i int) error {
		s := in.secrets[i]
		in.vouch(s)
		if s.vouchedBy != nil || s.deleted || s.hidden || s.err != nil {
			return nil
		}
		if alias, ok := denied[s.info.Seal.KeyID]; ok {
			s.hidden, s.alias = true, alias
			return nil
		}
		o, info, err := in.e.ReadDocument(ctx, in.v.Service, s.key)
		switch {
		case errors.Is(err, bucket.ErrDenied):
			s.hidden = true
		case err != nil && visible(err):
			s.err = err
		case err != nil:
			return err
		case o != nil:
			s.object, s.info, s.deleted = o, info, o.Absent()
			in.vouch(s)
		}
		return nil
	})
}

// vouch sets the index that vouches for a secret, or that it is a tombstone. If two indexes vouch,
// neither is trusted.
func (in *inspection) vouch(s *seenSecret) {
	tag := string(s.info.Tag)
	var by []*engine.IndexState
	for _, x := range in.v.Readable() {
		if e, ok := x.Index.Verified(s.key, tag); ok && !e.Moving {
			by = append(by, x)
		}
		s.deleted = s.deleted || tag != "" && x.Index.Gone[s.key] == tag
	}
	if len(by) == 1 {
		s.vouchedBy = by[0]
	}
	s.deleted = s.deleted && len(by) == 0
}

// deniedKeys returns the encryption keys of the denied indexes, with the aliases derived from the indexes'
// names.
func (in *inspection) deniedKeys(ctx context.Context) (map[string]string, error) {
	keys := map[string]string{}
	for _, s := range in.indexes {
		if !errors.Is(s.err, bucket.ErrDenied) {
			continue
		}
		info, err := in.e.Bucket.Head(ctx, in.v.Service+"/"+s.File)
		if err != nil && !visible(err) {
			return nil, err
		}
		if info.Seal.KeyID != "" {
			keys[info.Seal.KeyID] = in.e.AliasOfFile(s.File)
		}
	}
	for _, s := range in.v.Readable() { // two aliases may share a key
		delete(keys, s.Seal.KeyID)
	}
	return keys, nil
}

// headIndexes makes a HEAD of each index, for the keys of those that could not be read, and to find
// out whether any was put or deleted since it was read.
func (in *inspection) headIndexes(ctx context.Context) error {
	return pace.Each(ctx, 1, len(in.indexes), func(ctx context.Context, i int) error {
		s := in.indexes[i]
		info, err := in.e.Bucket.Head(ctx, in.v.Service+"/"+s.File)
		if err != nil && !visible(err) {
			return err
		}
		s.info = info
		s.Seal = cmp.Or(s.Seal, info.Seal)
		in.moved = in.moved || errors.Is(err, bucket.ErrNotFound) || s.Tag != "" && info.Tag != "" && s.Tag != info.Tag
		return nil
	})
}

// report returns the result of the inspection.
func (in *inspection) report() admin.Inspection {
	out := admin.Inspection{Service: in.v.Service, Foreign: in.v.Foreign}
	for _, s := range in.secrets {
		m := store.Meta{ID: store.ID{Service: in.v.Service, Key: s.key}, KeyAlias: s.alias}
		if s.vouchedBy != nil {
			m = engine.SecretOf(in.v.Service, s.key, s.vouchedBy.Index.Entries[s.key]).Meta
		} else if s.object != nil && !s.deleted {
			m = s.object.Meta(s.object.Newest(), s.alias)
		}
		out.Secrets = append(out.Secrets, admin.Inspected{
			Meta: m, Sealed: s.info.Seal.Method, KeyID: s.info.Seal.KeyID, Hidden: s.hidden, Deleted: s.deleted,
		})
	}
	for _, s := range in.indexes {
		x := admin.InspectedIndex{
			Object: in.v.Service + "/" + s.File, KeyAlias: s.KeyAlias(in.e), Sealed: s.Seal.Method, KeyID: s.Seal.KeyID,
			Err: engine.Fail("inspect", store.ID{Service: in.v.Service}, s.err),
		}
		if s.Index != nil {
			x.Entries, x.NoCache = len(s.Index.Entries), s.Index.NoCache
		}
		out.Indexes = append(out.Indexes, x)
	}
	for _, f := range in.faults {
		out.Findings = append(out.Findings, f.Finding)
	}
	return out
}
