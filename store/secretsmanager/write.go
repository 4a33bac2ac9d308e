package secretsmanager

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/internal/strictjson"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/awserror"
	"github.com/coffer-secrets/coffer/store/internal/batch"
)

var errNoTags = fmt.Errorf("%w: Secrets Manager tags a whole service, not one secret of it", store.ErrUnsupported)

// Write implements [store.Store].
func (s *Store) Write(ctx context.Context, id store.ID, v store.Value, o store.WriteOptions) (store.Result, error) {
	results, err := s.write(ctx, id.Service, map[string]store.Value{id.Key: v}, o)
	if len(results) == 0 {
		return store.Result{}, awserror.Wrap("write", id, err)
	}
	return results[0], err
}

// WriteAll implements [store.Store]. Here it is atomic: all secrets that can be written become
// visible together, or none does. A service that would be larger than [MaxService] is
// [store.ErrInvalid] and is not changed.
func (s *Store) WriteAll(ctx context.Context, service string, values map[string]store.Value, o store.WriteOptions) ([]store.Result, error) {
	if len(values) == 0 {
		return nil, nil
	}
	results, err := s.write(ctx, service, values, o)
	return results, awserror.Wrap("write", store.ID{Service: service}, err)
}

func (s *Store) write(ctx context.Context, service string, values map[string]store.Value, o store.WriteOptions) ([]store.Result, error) {
	if len(o.Tags) > 0 {
		return nil, awserror.Wrap("write", store.ID{Service: service}, errNoTags)
	}
	names := slices.Sorted(maps.Keys(values))
	if err := checkPlan(service, names, values, o); err != nil {
		return nil, err
	}
	author := beside(func() string { return s.author(ctx) })
	var results []store.Result
	err := s.commit(ctx, service, func(d *document) (bool, error) {
		keys, _ := d.keys()
		if len(keys) == 0 && o.NewService != nil {
			if err := o.NewService(ctx); err != nil {
				return false, err
			}
		}
		w := &writing{document: d, before: keys, o: o, created: strictjson.FormatTime(s.now()), author: author}
		results = make([]store.Result, len(names))
		for i, name := range names {
			results[i] = w.apply(store.ID{Service: service, Key: name}, values[name])
		}
		return len(d.changed) > 0, nil
	})
	first := finish("write", service, results, err)
	if o.Progress != nil {
		for _, r := range results {
			o.Progress(r)
		}
	}
	return results, first
}

// checkPlan validates everything before anything is read.
func checkPlan(service string, names []string, values map[string]store.Value, o store.WriteOptions) error {
	stored := map[string]string{}
	for _, name := range names {
		id := store.ID{Service: service, Key: name}
		err := checkWritten(id, values[name])
		if twin, ok := stored[newKey(name, o)]; ok {
			err = fmt.Errorf("%w: %q and %q would be stored as one key", store.ErrInvalid, twin, name)
		}
		if err != nil {
			return awserror.Wrap("write", id, err)
		}
		stored[newKey(name, o)] = name
	}
	return nil
}

func newKey(name string, o store.WriteOptions) string {
	if o.PreserveCase {
		return name
	}
	return strings.ToLower(name)
}

// writing applies values to a document.
type writing struct {
	*document
	before  []string // the keys, among which names are looked up
	o       store.WriteOptions
	created string
	author  func() string
}

func (w *writing) apply(id store.ID, v store.Value) store.Result {
	result, err := w.try(id, v)
	if err != nil {
		return store.Result{Meta: store.Meta{ID: id}, Outcome: store.Failed, Err: awserror.Wrap("write", id, err)}
	}
	return result
}

func (w *writing) try(id store.ID, v store.Value) (store.Result, error) {
	key, err := store.Lookup(id.Key, w.before)
	if errors.Is(err, store.ErrNotFound) {
		key, err = newKey(id.Key, w.o), nil
	}
	if err != nil {
		return store.Result{}, err
	}
	have, name := w.version(key), id.Key
	id.Key = key
	switch want := w.o.IfVersion; {
	case slices.Contains(w.changed, key):
		return store.Result{}, fmt.Errorf("%w: two names in this write mean %q", store.ErrInvalid, key)
	case want != nil && *want != have:
		return store.Result{}, &store.VersionError{Have: have, Want: *want}
	case have == 0:
		if err := store.CheckNewKey(name); err != nil {
			return store.Result{}, err
		}
	case w.o.SkipUnchanged && valueOf(w.members[key]) == v:
		return store.Result{Meta: w.secret(id).Meta, Outcome: store.Unchanged}, nil
	}
	if err := w.set(key, v, w.created, w.author()); err != nil {
		return store.Result{}, err
	}
	outcome := store.Updated
	if have == 0 {
		outcome = store.Created
	}
	return store.Result{Meta: w.secret(id).Meta, Outcome: outcome}, nil
}

// finish marks the results as failed if the commit failed, and returns the first failure. Without
// results the error is that of the service.
func finish(op, service string, results []store.Result, err error) error {
	all := batch.New(len(results), batch.Credentials)
	if err != nil && errors.Is(all.Do(func() error { return err }), batch.ErrLeft) {
		return stop(op, service, all, results)
	}
	first := error(nil)
	for i, r := range results {
		if err != nil && r.Outcome != store.Unchanged && r.Outcome != store.Failed {
			id := r.Meta.ID
			results[i] = store.Result{Meta: store.Meta{ID: id}, Outcome: store.Failed, Err: awserror.Wrap(op, id, err)}
		}
		if first == nil {
			first = results[i].Err
		}
	}
	if first == nil && err != nil {
		return awserror.Wrap(op, store.ID{Service: service}, err)
	}
	return first
}

// stop sets the error that stopped a commit in the results of all its changes. None of them is
// stored.
func stop(op, service string, all *batch.Batch, results []store.Result) error {
	var left []*store.Result
	for i := range results {
		if r := &results[i]; r.Outcome != store.Unchanged && r.Outcome != store.Failed {
			left = append(left, r)
		}
	}
	stopped := all.Stop(op, service, len(left), all.Cause())
	for _, r := range left {
		*r = store.Result{Meta: store.Meta{ID: r.Meta.ID}, Outcome: store.Left, Err: stopped}
	}
	return stopped
}
