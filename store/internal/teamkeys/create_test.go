package teamkeys_test

import (
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/coffer-secrets/coffer/index"
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

// busyBucket has another client do something just before it is listed.
type busyBucket struct {
	bucket.Bucket
	meanwhile func()
}

func (b busyBucket) Walk(ctx context.Context, prefix string) iter.Seq2[bucket.Info, error] {
	b.meanwhile()
	return b.Bucket.Walk(ctx, prefix)
}

// TestAKeyAndAnIndexThatCameMeanwhileAreNoLostKey: the index is one of a key that was there when it was put.
func TestAKeyAndAnIndexThatCameMeanwhileAreNoLostKey(t *testing.T) {
	ann := newPerson(t, "ann")
	b := membucket.New(membucket.Options{})
	var first teamkeys.Team
	busy := busyBucket{b, func() {
		var err error
		if first, _, err = ann.keys(b).Create(t.Context(), alias, []teamkeys.Member{ann.member()}); err != nil {
			t.Fatal(err)
		}
		b.Plant("api/"+index.FileName(alias), []byte("sealed"), bucket.Seal{})
	}}
	team, made, err := ann.keys(busy).Create(t.Context(), alias, []teamkeys.Member{ann.member()})
	if err != nil || made || team.Keys[0].ID != first.Keys[0].ID {
		t.Errorf("%+v, made %v, error %v", team, made, err)
	}
}

// A bucket in which another kind of store keeps its secrets gets no first key, whatever the alias of those.
func TestNoKeyIsMadeInABucketOfAnotherBackend(t *testing.T) {
	for _, theirs := range []string{alias, "alias/other"} {
		ann := newPerson(t, "ann")
		b := membucket.New(membucket.Options{})
		b.Plant("api/a.json", []byte("{}"), bucket.Seal{})
		b.Plant("api/"+index.FileName(theirs), []byte("{}"), bucket.Seal{})
		_, _, err := ann.keys(b).Create(t.Context(), alias, []teamkeys.Member{ann.member()})
		var other *store.OtherBackendError
		if !errors.As(err, &other) || other.Have.Format != bucket.FormatJSON || len(b.Objects()) != 2 {
			t.Errorf("%s: %v, %d objects", theirs, err, len(b.Objects()))
		}
	}
}
