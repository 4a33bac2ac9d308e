package engine

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// view is what one command sees of one service: a listing, and the indexes it has read.
type view struct {
	service string
	objects map[string]bucket.Info // the secret objects, by key
	files   map[string]bucket.Info // the indexes, by file name
	foreign []string               // the names of all other objects
	denied  error                  // why the service could not be listed; nil when it was
	indexes map[string]*indexState // those that were asked for, by file name
	pinned  []string               // the aliases that are known to stand for a pinned key

	mu   sync.Mutex
	told map[string]bool // what a person was told of it
}

// indexState is one index as it was read: exactly one of missing, denied, corrupt and idx says how.
type indexState struct {
	file    string
	missing bool
	denied  error // the caller may not read it
	corrupt error // it does not parse
	idx     *index.Index
	tag     bucket.Tag
	seal    bucket.Seal
}

// look makes a view: the listing and the index of the configured alias at once (R1), then
// whatever other indexes the listing shows, if all are wanted (R2).
func (e *Engine) look(ctx context.Context, service string, all bool) (*view, error) {
	v := &view{service: service, indexes: map[string]*indexState{}}
	own := index.FileName(e.Alias)
	var ownState *indexState
	err := pace.All(ctx,
		func(ctx context.Context) (err error) {
			ownState, err = e.getIndex(ctx, service, own)
			return err
		},
		func(ctx context.Context) error {
			err := e.list(ctx, v)
			if !errors.Is(err, bucket.ErrDenied) {
				return err
			}
			v.denied = err
			return nil
		},
	)
	if err != nil {
		return nil, err
	}
	if _, listed := v.files[own]; listed && ownState.missing {
		// Made between the two requests.
		var err error
		if ownState, err = e.getIndex(ctx, service, own); err != nil {
			return nil, err
		}
	} else if v.denied == nil && !listed && ownState.denied != nil {
		// Without permission to list, S3 answers 403 for what is missing; the listing, which
		// was allowed, knows better.
		ownState = &indexState{file: own, missing: true}
	}
	v.indexes[own] = ownState
	if all {
		return v, e.readIndexes(ctx, v)
	}
	return v, nil
}

// list fills the view from one listing. On an error the view is as if nothing were listed.
func (e *Engine) list(ctx context.Context, v *view) error {
	v.objects, v.files, v.foreign = map[string]bucket.Info{}, map[string]bucket.Info{}, nil
	for info, err := range e.Bucket.List(ctx, v.service+"/") {
		if err != nil {
			v.objects, v.files = map[string]bucket.Info{}, map[string]bucket.Info{}
			return err
		}
		base := strings.TrimPrefix(info.Name, v.service+"/")
		if index.Is(base, e.plain()) {
			v.files[base] = info
		} else if key, ok := keyOf(v.service, info.Name); ok {
			v.objects[key] = info
		} else {
			v.foreign = append(v.foreign, info.Name)
		}
	}
	return nil
}

// readIndexes reads the listed indexes that the view does not have yet.
func (e *Engine) readIndexes(ctx context.Context, v *view) error {
	var missing []string
	v.mu.Lock()
	for file := range v.files {
		if v.indexes[file] == nil {
			missing = append(missing, file)
		}
	}
	v.mu.Unlock()
	states := make([]*indexState, len(missing))
	err := pace.Each(ctx, readers, len(missing), func(ctx context.Context, i int) (err error) {
		states[i], err = e.getIndex(ctx, v.service, missing[i])
		return err
	})
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, s := range states {
		v.indexes[s.file] = s
	}
	return nil
}

// getIndex reads one index. Missing, denied and corrupt are states, not errors.
func (e *Engine) getIndex(ctx context.Context, service, file string) (*indexState, error) {
	name := service + "/" + file
	s := &indexState{file: file}
	o, err := e.Bucket.Get(ctx, name)
	switch {
	case errors.Is(err, bucket.ErrNotFound):
		s.missing = true
		return s, nil
	case errors.Is(err, bucket.ErrDenied):
		s.denied = err
		return s, nil
	case err != nil:
		return nil, err
	}
	if err := e.Vouch(name, o.Seal); err != nil {
		return nil, err
	}
	s.tag, s.seal = o.Tag, o.Seal
	alias := ""
	if !e.plain() {
		alias = e.aliasOf(file)
	}
	if s.idx, err = index.Parse(alias, o.Body); err != nil {
		s.corrupt = corrupt(name, err)
		return s, nil
	}
	// What another alias' entries say of themselves beats what the file name suggests.
	if owner, foreign := s.idx.Foreign(); foreign && file != index.FileName(e.Alias) && index.FileName(owner) == file {
		s.idx.Alias = owner
	}
	return s, nil
}

// aliasOf returns the alias that an index is most likely of.
func (e *Engine) aliasOf(file string) string {
	if file == index.FileName(e.Alias) {
		return e.Alias
	}
	return "alias/" + strings.TrimPrefix(index.Label(file), "alias_")
}

func (v *view) keys() []string { return slices.Sorted(maps.Keys(v.objects)) }

func (v *view) tags() map[string]string {
	tags := make(map[string]string, len(v.objects))
	for key, info := range v.objects {
		tags[key] = string(info.Tag)
	}
	return tags
}

// readable returns the indexes that parse, in the order of their names. Of several writes at once
// one may be reading more of them meanwhile.
func (v *view) readable() []*indexState {
	v.mu.Lock()
	defer v.mu.Unlock()
	var out []*indexState
	for _, file := range slices.Sorted(maps.Keys(v.indexes)) {
		if s := v.indexes[file]; s.idx != nil {
			out = append(out, s)
		}
	}
	return out
}

func indexesOf(states []*indexState) []*index.Index {
	out := make([]*index.Index, len(states))
	for i, s := range states {
		out[i] = s.idx
	}
	return out
}

// getObject reads one secret object. A missing one is nil with no error.
func (e *Engine) getObject(ctx context.Context, service, key string) (*secretObject, bucket.Info, error) {
	name := objectName(service, key)
	o, err := e.Bucket.Get(ctx, name)
	if errors.Is(err, bucket.ErrNotFound) {
		return nil, bucket.Info{}, nil
	}
	if err != nil {
		return nil, bucket.Info{}, err
	}
	return e.open(service, key, o)
}

// open reads what stands in an object, once its seal is acceptable.
func (e *Engine) open(service, key string, o bucket.Object) (*secretObject, bucket.Info, error) {
	if err := e.Vouch(objectName(service, key), o.Seal); err != nil {
		return nil, bucket.Info{}, err
	}
	s, err := parseObject(service, key, o.Body)
	return s, o.Info, err
}
