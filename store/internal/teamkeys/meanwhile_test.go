package teamkeys_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/teamkeys"
)

// meanwhile is a bucket in which something happens after the key object was read, before the answer arrives.
type meanwhile struct {
	*membucket.Bucket
	happens func()
}

func (b *meanwhile) Get(ctx context.Context, name string) (bucket.Object, error) {
	o, err := b.Bucket.Get(ctx, name)
	if happens := b.happens; happens != nil {
		b.happens = nil
		happens()
	}
	return o, err
}

func TestAKeyThatAnotherCommandMakesMeanwhileIsNoReasonForDoubt(t *testing.T) {
	ann, bob := newPerson(t, "ann"), newPerson(t, "bob")
	b, team := created(t, ann)
	granted(t, b, ann, bob)
	slow := &meanwhile{Bucket: b, happens: func() {
		if _, _, err := ann.keys(b).Next(t.Context(), alias, "bob"); err != nil {
			t.Error(err)
		}
	}}
	key, err := ann.keys(slow).Current(t.Context(), alias)
	if err != nil || key.ID != ann.state.seen[alias].ID || key.ID == team.Keys[0].ID {
		t.Errorf("key %s, %v; the state has %+v", key.ID, err, ann.state.seen)
	}

	// The same for the first key: its object is not missing.
	ann.state = &state{}
	b = membucket.New(membucket.Options{})
	slow = &meanwhile{Bucket: b, happens: func() {
		if _, _, err := ann.keys(b).Create(t.Context(), alias, []teamkeys.Member{ann.member()}); err != nil {
			t.Error(err)
		}
	}}
	key, err = ann.keys(slow).Current(t.Context(), alias)
	if err != nil || key.ID != ann.state.seen[alias].ID {
		t.Errorf("key %s, %v; the state has %+v", key.ID, err, ann.state.seen)
	}
}

func TestARefusedKeyIsNotKept(t *testing.T) {
	ann := newPerson(t, "ann")
	b, team := created(t, ann)
	good := b.Objects()[object].Body
	now := time.Now()
	k := teamkeys.New(with(ann.options(b), func(o *teamkeys.Options) { o.Now = func() time.Time { return now } }))
	forged := forge(t, b, ann)
	for _, id := range []string{forged, team.Keys[0].ID, forged} {
		if _, err := k.Find(t.Context(), alias, id); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("key %s: %v", id, err)
		}
	}
	b.Plant(object, good, bucket.Seal{})
	now = now.Add(2 * time.Minute)
	if _, err := k.Find(t.Context(), alias, team.Keys[0].ID); err != nil {
		t.Error("the right object is there again:", err)
	}
}
