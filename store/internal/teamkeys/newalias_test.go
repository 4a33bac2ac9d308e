package teamkeys_test

import (
	"errors"
	"testing"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/teamkeys"
)

// TestAnAliasThatTurnsUpLaterIsNotTrustedOnFirstUse: whoever can write the bucket can make one up, with the
// caller as a member.
func TestAnAliasThatTurnsUpLaterIsNotTrustedOnFirstUse(t *testing.T) {
	const evil = "alias/evil"
	ann, eve := newPerson(t, "ann"), newPerson(t, "eve")
	b, team := created(t, ann)
	granted(t, b, ann, eve)
	other := membucket.New(membucket.Options{})
	made, _, err := eve.keys(other).Create(t.Context(), evil, []teamkeys.Member{eve.member(), ann.member()})
	if err != nil {
		t.Fatal(err)
	}
	name := teamkeys.ObjectName(evil)
	b.Plant(name, other.Objects()[name].Body, bucket.Seal{})
	id := made.Keys[0].ID
	doubt := store.KeyTrustError{KeyID: id, New: true}

	pinned := map[string]string{alias: team.Keys[0].ID}
	fresh := newPerson(t, "ann on a new machine")
	fresh.identity, fresh.recipient = ann.identity, ann.recipient
	for _, k := range []*teamkeys.Keys{ann.keys(b), teamkeys.New(with(fresh.options(b), func(o *teamkeys.Options) { o.Pins = pinned }))} {
		for range 2 {
			_, err := k.Find(t.Context(), evil, id)
			var is *store.KeyTrustError
			if !errors.As(err, &is) || is.KeyID != doubt.KeyID || !is.New || is.Alias != evil {
				t.Errorf("%v, want %+v", err, doubt)
			}
		}
	}
	// The first use of the bucket is that of all its aliases.
	k := fresh.keys(b)
	for of, id := range map[string]string{alias: team.Keys[0].ID, evil: id} {
		if _, err := k.Find(t.Context(), of, id); err != nil {
			t.Error(err)
		}
	}
	if _, err := ann.keys(b).Trust(t.Context(), evil, id); err != nil {
		t.Error(err)
	}
	if _, err := ann.keys(b).Find(t.Context(), evil, id); err != nil {
		t.Errorf("trusted: %v", err)
	}
}
