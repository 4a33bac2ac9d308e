package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

var (
	_ store.Tagger = (*Engine)(nil)
	_ store.Lister = (*Engine)(nil)

	errNoTags = fmt.Errorf("%w: this storage keeps no tags", store.ErrUnsupported)
)

// tags returns what a put must name so that the object keeps its tags. Only an object that
// has some costs a request.
func (w *writing) tags(ctx context.Context, key string, info bucket.Info) (map[string]string, error) {
	if info.Tags == 0 {
		return w.o.Tags, nil
	}
	tagger, ok := w.e.Bucket.(bucket.Tagger)
	if !ok {
		return nil, nil
	}
	tags, err := tagger.Tags(ctx, objectName(w.v.service, key))
	if errors.Is(err, bucket.ErrNotFound) {
		return w.o.Tags, nil // deleted meanwhile: the put finds that out
	}
	if err != nil {
		return nil, err
	}
	maps.Copy(tags, w.o.Tags)
	return tags, nil
}

// tagged finds a secret, and hands its object's name and tags to do.
func (e *Engine) tagged(ctx context.Context, op string, id store.ID, do func(t bucket.Tagger, name string, tags map[string]string) error) error {
	tagger, ok := e.Bucket.(bucket.Tagger)
	if !ok {
		return wrap(op, id.Service, id.Key, errNoTags)
	}
	o, err := e.find(ctx, id)
	if err != nil {
		return wrap(op, id.Service, id.Key, err)
	}
	name := objectName(o.service, o.key)
	tags, err := tagger.Tags(ctx, name)
	if err == nil {
		err = do(tagger, name, tags)
	}
	return wrap(op, id.Service, id.Key, err)
}

// ReadTags implements [store.Tagger].
func (e *Engine) ReadTags(ctx context.Context, id store.ID) (map[string]string, error) {
	var found map[string]string
	err := e.tagged(ctx, "read tags", id, func(_ bucket.Tagger, _ string, tags map[string]string) error {
		found = tags
		return nil
	})
	return found, err
}

// WriteTags implements [store.Tagger].
func (e *Engine) WriteTags(ctx context.Context, id store.ID, tags map[string]string) error {
	return e.tagged(ctx, "write tags", id, func(t bucket.Tagger, name string, have map[string]string) error {
		maps.Copy(have, tags)
		return t.SetTags(ctx, name, have)
	})
}

// DeleteTags implements [store.Tagger].
func (e *Engine) DeleteTags(ctx context.Context, id store.ID, names ...string) error {
	return e.tagged(ctx, "delete tags", id, func(t bucket.Tagger, name string, have map[string]string) error {
		for _, n := range names {
			delete(have, n)
		}
		return t.SetTags(ctx, name, have)
	})
}
