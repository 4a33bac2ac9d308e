package sealed

import (
	"context"
	"iter"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

var (
	_ bucket.Versioned = (*Bucket)(nil)
	_ bucket.Tagger    = (*tagged)(nil)
)

// tagged is a Bucket whose storage has tags.
type tagged struct {
	*Bucket
	tagger bucket.Tagger
}

// Tags implements [bucket.Tagger].
func (t *tagged) Tags(ctx context.Context, name string) (map[string]string, error) {
	if err := check("get the tags of", name); err != nil {
		return nil, err
	}
	return t.tagger.Tags(ctx, name)
}

// SetTags implements [bucket.Tagger].
func (t *tagged) SetTags(ctx context.Context, name string, tags map[string]string) error {
	if err := check("set the tags of", name); err != nil {
		return err
	}
	return t.tagger.SetTags(ctx, name, tags)
}

const (
	opVersions      = "list the versions of"
	opGetVersion    = "get a version of"
	opDeleteVersion = "delete a version of"
)

// versioned returns the storage, or an error if it has no versions.
func (b *Bucket) versioned(op, name string) (bucket.Versioned, error) {
	if v, ok := b.storage.(bucket.Versioned); ok {
		return v, nil
	}
	return nil, &bucket.Error{Op: op, Name: name, Err: bucket.ErrUnsupported}
}

// Versions implements [bucket.Versioned].
func (b *Bucket) Versions(ctx context.Context, prefix string) iter.Seq2[bucket.Version, error] {
	v, err := b.versioned(opVersions, prefix)
	if err != nil {
		return func(yield func(bucket.Version, error) bool) { yield(bucket.Version{}, err) }
	}
	return unsealed(v.Versions(ctx, prefix), func(v *bucket.Version) *bucket.Info { return &v.Info })
}

// GetVersion implements [bucket.Versioned].
func (b *Bucket) GetVersion(ctx context.Context, name, id string) (bucket.Object, error) {
	v, err := b.versioned(opGetVersion, name)
	if err == nil {
		err = check(opGetVersion, name)
	}
	if err != nil {
		return bucket.Object{}, err
	}
	b.prepare(ctx, name)
	o, err := v.GetVersion(ctx, name, id)
	if err != nil {
		return bucket.Object{}, err
	}
	return b.open(ctx, opGetVersion, o)
}

// DeleteVersion implements [bucket.Versioned].
func (b *Bucket) DeleteVersion(ctx context.Context, name, id string) error {
	v, err := b.versioned(opDeleteVersion, name)
	if err == nil {
		err = check(opDeleteVersion, name)
	}
	if err != nil {
		return err
	}
	return v.DeleteVersion(ctx, name, id)
}
