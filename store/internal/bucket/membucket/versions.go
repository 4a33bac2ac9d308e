package membucket

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

var _ bucket.Versioned = (*Bucket)(nil)

// version is one state of an object, or a delete marker.
type version struct {
	bucket.Object
	id   string
	mark bool
}

// push adds v as the newest version of its name. In a bucket without versions it is the only one.
func (b *Bucket) push(v version) {
	kept := b.objects.versions[v.Name]
	v.id = fmt.Sprintf("v%d", b.objects.puts)
	if !b.opts.Versioned {
		v.id, kept = bucket.NullVersion, nil
	}
	b.objects.versions[v.Name] = slices.Concat([]version{v}, kept)
}

// remove removes an object. In a versioned bucket it adds a delete marker, even if there was no
// object.
func (b *Bucket) remove(name string) {
	delete(b.objects.byName, name)
	if !b.opts.Versioned {
		delete(b.objects.versions, name)
		return
	}
	b.push(version{mark: true, Object: bucket.Object{Info: bucket.Info{Name: name, Modified: b.tick()}}})
}

// Versions implements [bucket.Versioned].
func (b *Bucket) Versions(ctx context.Context, prefix string) iter.Seq2[bucket.Version, error] {
	return func(yield func(bucket.Version, error) bool) {
		found, err := b.versionsOf(ctx, prefix)
		if err != nil {
			yield(bucket.Version{}, err)
			return
		}
		for _, v := range found {
			if !yield(v, nil) {
				return
			}
		}
	}
}

func (b *Bucket) versionsOf(ctx context.Context, prefix string) ([]bucket.Version, error) {
	const op = "list the versions of"
	if err := ctx.Err(); err != nil {
		return nil, &bucket.Error{Op: op, Name: prefix, Err: err}
	}
	b.objects.Lock()
	defer b.objects.Unlock()
	if !b.mayList(prefix) {
		return nil, refusal(op, prefix, bucket.ErrDenied, http.StatusForbidden, "AccessDenied")
	}
	var found []bucket.Version
	for _, name := range slices.Sorted(maps.Keys(b.objects.versions)) {
		if rest, ok := strings.CutPrefix(name, prefix); !ok || strings.Contains(rest, "/") {
			continue
		}
		for i, v := range b.objects.versions[name] {
			info := v.Info
			info.Seal = bucket.Seal{}
			found = append(found, bucket.Version{Info: info, ID: v.id, Latest: i == 0, Mark: v.mark})
		}
	}
	return found, nil
}

// GetVersion implements [bucket.Versioned].
func (b *Bucket) GetVersion(ctx context.Context, name, id string) (bucket.Object, error) {
	const op = "get a version of"
	if err := begin(ctx, op, name); err != nil {
		return bucket.Object{}, err
	}
	b.objects.Lock()
	defer b.objects.Unlock()
	i := slices.IndexFunc(b.objects.versions[name], func(v version) bool { return v.id == id && !v.mark })
	if i < 0 {
		return bucket.Object{}, refusal(op, name, bucket.ErrNotFound, http.StatusNotFound, "NoSuchVersion")
	}
	o := b.objects.versions[name][i].Object
	o.Body = bytes.Clone(o.Body)
	return o, b.useKey(op, name, o.Seal.KeyID)
}

// DeleteVersion implements [bucket.Versioned].
func (b *Bucket) DeleteVersion(ctx context.Context, name, id string) error {
	if err := begin(ctx, "delete a version of", name); err != nil {
		return err
	}
	b.objects.Lock()
	defer b.objects.Unlock()
	kept := slices.DeleteFunc(slices.Clone(b.objects.versions[name]), func(v version) bool { return v.id == id })
	delete(b.objects.byName, name)
	delete(b.objects.versions, name)
	if len(kept) > 0 {
		b.objects.versions[name] = kept
		if !kept[0].mark {
			b.objects.byName[name] = kept[0].Object
		}
	}
	return nil
}
