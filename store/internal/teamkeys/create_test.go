package teamkeys_test

import (
	"errors"
	"testing"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/teamkeys"
)

func TestAKeyThatItsMakerCouldNotOpenIsNotMade(t *testing.T) {
	ann, bob := newPerson(t, "ann"), newPerson(t, "bob")
	b := membucket.New(membucket.Options{})
	_, made, err := ann.keys(b).Create(t.Context(), alias, []teamkeys.Member{bob.member()})
	if made || !errors.Is(err, bucket.ErrRefused) {
		t.Errorf("made %v, error %v", made, err)
	}
	_, _, err = ann.keys(b).Create(t.Context(), alias, []teamkeys.Member{ann.member(), {Name: "ann2", Recipient: ann.recipient}})
	wantError(t, err, store.ErrConflict, "named ann")
	_, _, err = ann.keys(b).Create(t.Context(), alias, nil)
	wantError(t, err, store.ErrInvalid, "alias/app needs a member")
	if len(b.Objects()) > 0 {
		t.Errorf("%d objects", len(b.Objects()))
	}
}

func TestCreateUsesTheKeyThatCameMeanwhile(t *testing.T) {
	ann := newPerson(t, "ann")
	b := membucket.New(membucket.Options{})
	late := ann.keys(b)
	_, err := late.Members(t.Context(), alias)
	wantFault(t, err, bucket.ErrDenied, store.CodeNoTeamKey)
	first, _, err := ann.keys(b).Create(t.Context(), alias, []teamkeys.Member{ann.member()})
	if err != nil {
		t.Fatal(err)
	}
	other := newPerson(t, "ann on another machine") // with the same identity, and no state yet
	other.identity, other.recipient = ann.identity, ann.recipient
	for _, k := range []*teamkeys.Keys{late, other.keys(b)} {
		team, made, err := k.Create(t.Context(), alias, []teamkeys.Member{ann.member()})
		if err != nil || made || team.Keys[0].ID != first.Keys[0].ID {
			t.Errorf("%+v, made %v, error %v", team, made, err)
		}
	}
}
