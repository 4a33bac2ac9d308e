package teamkeys_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
)

// claim puts an object that claims to be under a key.
func claim(b *membucket.Bucket, name, of, id string) {
	b.Plant(name, fmt.Appendf(nil, "age-encryption.org/v1\n-> coffer-alias %s %s c2FsdA %s\n", strings.ReplaceAll(of, "/", "%2F"), id, name), bucket.Seal{})
}

// begins is a bucket whose objects aren't read, but for keys and beginnings, which it counts.
type begins struct {
	*membucket.Bucket
	t     *testing.T
	reads atomic.Int32
}

func (b *begins) ReadHeader(ctx context.Context, name string, n int) (bucket.Info, []byte, error) {
	b.reads.Add(1)
	return b.Bucket.ReadHeader(ctx, name, n)
}

func (b *begins) Get(ctx context.Context, name string) (bucket.Object, error) {
	if !strings.HasPrefix(name, admin.KeysPrefix) {
		b.t.Errorf("%s was read whole", name)
	}
	return b.Bucket.Get(ctx, name)
}

func TestTheKeysInUseAreToldByBeginnings(t *testing.T) {
	ann, eve := newPerson(t, "ann"), newPerson(t, "eve")
	inner, team := created(t, ann)
	b := &begins{Bucket: inner, t: t}
	held, lost, other := team.Keys[0].ID, strings.Repeat("0", 32), strings.Repeat("1", 32)
	for n := range 7 {
		claim(inner, fmt.Sprintf("api/k%d.json", n), alias, held)
	}
	claim(inner, "web/a.json", alias, lost)
	claim(inner, "web/b.json", "alias/gone", other)
	inner.Plant("web/c.json", []byte("{}"), bucket.Seal{})
	inner.Plant("notes.txt", []byte("{}"), bucket.Seal{})
	for _, who := range []*person{ann, eve} { // a member, and one who isn't
		in, err := who.keys(b).InUse(t.Context(), 200)
		member := who == ann
		if err != nil || in.Objects != 10 || in.Looked != 10 || len(in.Keys) != 3 {
			t.Fatalf("%s: %+v, %v", who.name, in, err)
		}
		for i, want := range []admin.KeyInUse{
			{KeyAlias: alias, KeyID: held, Objects: 7, Opened: member, Held: member},
			{KeyAlias: alias, KeyID: lost, Objects: 1, Opened: member},
			{KeyAlias: "alias/gone", KeyID: other, Objects: 1},
		} {
			got := in.Keys[i]
			if len(got.Names) != min(want.Objects, 5) {
				t.Errorf("%s: names %q", who.name, got.Names)
			}
			if got.Names = nil; fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: %+v, want %+v", who.name, got, want)
			}
		}
	}
	b.reads.Store(0)
	in, err := ann.keys(b).InUse(t.Context(), 3)
	if err != nil || in.Objects != 10 || in.Looked != 3 || b.reads.Load() != 3 {
		t.Errorf("%+v, %v, %d reads", in, err, b.reads.Load())
	}
}
