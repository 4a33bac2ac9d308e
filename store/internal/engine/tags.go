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
	_ store.Tagger       = (*Engine)(nil)
	_ store.Lister       = (*Engine)(nil)
	_ store.IndexReviser = (*Engine)(nil)

	errNoTags = fmt.Errorf("%w: this storage doesn't support tags", store.ErrUnsupported)
)

// tags returns the tags for a put: those of the object, which a put would drop, and those of the
// write. It costs a request only if the object has tags.
func (w *writing) tags(ctx context.Context, key string, info bucket.Info) (map[string]string, error) {
	if info.Tags == 0 {
		return w.o.Tags, nil
	}
	tagger, ok := w.e.Bucket.(bucket.Tagger)
	if !ok {
		return nil, nil
	}
	tags, err := tagger.Tags(ctx, ObjectName(w.v.Service, key))
	if errors.Is(err, bucket.ErrNotFound) {
		return w.o.Tags, nil // deleted meanwhile: the put will fail
	}
	if err != nil {
		return nil, err
	}
	maps.Copy(tags, w.o.Tags)
	return tags, nil
}

// retag adds the tags of a write whose value is stored already to those of the object.
func (w *writing) retag(ctx context.Context, key string, info bucket.Info) error {
	tagger, ok := w.e.Bucket.(bucket.Tagger)
	if !ok {
		return errNoTags
	}
	name, tags := ObjectName(w.v.Service, key), map[string]string{}
	if info.Tags > 0 {
		have, err := tagger.Tags(ctx, name)
		if err != nil {
			return StorageError(err)
		}
		maps.Copy(tags, have)
	}
	before := maps.Clone(tags)
	maps.Copy(tags, w.o.Tags)
	if maps.Equal(before, tags) {
		return nil
	}
	return StorageError(tagger.SetTags(ctx, name, tags))
}

// located finds a secret and calls do with the name of its object.
func (e *Engine) located(ctx context.Context, op string, id store.ID, do func(t bucket.Tagger, name string) error) error {
	tagger, ok := e.Bucket.(bucket.Tagger)
	if !ok {
		return wrap(op, id.Service, id.Key, errNoTags)
	}
	o, err := e.find(ctx, id)
	if err == nil {
		err = do(tagger, ObjectName(o.service, o.key))
	}
	return wrap(op, id.Service, id.Key, err)
}

// tagged is like located and also passes the tags of the object to do.
func (e *Engine) tagged(ctx context.Context, op string, id store.ID, do func(t bucket.Tagger, name string, tags map[string]string) error) error {
	return e.located(ctx, op, id, func(t bucket.Tagger, name string) error {
		tags, err := t.Tags(ctx, name)
		if err != nil {
			return err
		}
		return do(t, name, tags)
	})
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

// SetTags implements [store.Tagger].
func (e *Engine) SetTags(ctx context.Context, id store.ID, tags map[string]string) error {
	return e.located(ctx, "set tags", id, func(t bucket.Tagger, name string) error { return t.SetTags(ctx, name, tags) })
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
