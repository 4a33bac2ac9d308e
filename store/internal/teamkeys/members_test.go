package teamkeys_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/teamkeys"
)

func TestMembersOfAGrantHaveTheSameKey(t *testing.T) {
	ann, bob, eve := newPerson(t, "ann"), newPerson(t, "bob"), newPerson(t, "eve")
	b, _ := created(t, ann)
	granted(t, b, ann, bob)
	first, err := ann.keys(b).Current(t.Context(), alias)
	if err != nil {
		t.Fatal(err)
	}
	second, err := bob.keys(b).Current(t.Context(), alias)
	if err != nil || second != first {
		t.Errorf("key %v, error %v, want %v", second, err, first)
	}
	_, err = eve.keys(b).Current(t.Context(), alias)
	wantFault(t, err, bucket.ErrDenied, store.CodeNotMember)
	_, err = eve.keys(b).Find(t.Context(), alias, first.ID)
	wantFault(t, err, bucket.ErrDenied, store.CodeNotMember)
	_, err = eve.keys(b).Grant(t.Context(), alias, teamkeys.Grant{Name: "eve", Recipient: eve.recipient})
	wantFault(t, err, bucket.ErrDenied, store.CodeNotMember)
}

func TestRevokeGivesTheOthersANewKeyAndKeepsTheOldOne(t *testing.T) {
	ann, bob := newPerson(t, "ann"), newPerson(t, "bob")
	b, team := created(t, ann)
	granted(t, b, ann, bob)
	old := b.Objects()[teamkeys.ObjectName(alias)]
	before := team.Keys[0].ID

	team, revoked, err := ann.keys(b).Next(t.Context(), alias, "bob")
	if err != nil || !revoked {
		t.Fatalf("revoked %v, error %v", revoked, err)
	}
	if got := names(team.Members); !slices.Equal(got, []string{"ann"}) {
		t.Errorf("members %v", got)
	}
	if got := names(team.Former); !slices.Equal(got, []string{"bob"}) || team.Former[0].By != "ann" || team.Former[0].Until.IsZero() {
		t.Errorf("former members %+v", team.Former)
	}
	if len(team.Keys) != 2 || team.Keys[0].Number != 2 || team.Keys[1].ID != before || team.Keys[0].ID == before {
		t.Errorf("keys %+v", team.Keys)
	}
	k := ann.keys(b)
	if key, err := k.Find(t.Context(), alias, before); err != nil || key.ID != before {
		t.Errorf("the earlier key: %v, %v", key, err)
	}
	if key, err := k.Current(t.Context(), alias); err != nil || key.ID != team.Keys[0].ID {
		t.Errorf("the current key: %v, %v", key, err)
	}
	_, err = bob.keys(b).Current(t.Context(), alias)
	wantFault(t, err, bucket.ErrDenied, store.CodeNotMember)
	if key, err := bob.keys(plant(b, old.Body)).Current(t.Context(), alias); err != nil || key.ID != before {
		t.Errorf("the leaver has the old key: %v, %v", key, err)
	}

	// An interrupted revoke is run again.
	team, revoked, err = ann.keys(b).Next(t.Context(), alias, "bob")
	if err != nil || revoked || len(team.Keys) != 2 {
		t.Errorf("again: revoked %v, %d keys, error %v", revoked, len(team.Keys), err)
	}
}

// plant returns a bucket that has only a key object.
func plant(_ *membucket.Bucket, body []byte) *membucket.Bucket {
	other := membucket.New(membucket.Options{})
	other.Plant(teamkeys.ObjectName(alias), body, bucket.Seal{})
	return other
}

func TestRevokeRefuses(t *testing.T) {
	ann, bob := newPerson(t, "ann"), newPerson(t, "bob")
	b, _ := created(t, ann)
	_, _, err := ann.keys(b).Next(t.Context(), alias, "ann")
	wantError(t, err, store.ErrInvalid, "ann is the last member of alias/app")
	granted(t, b, ann, bob)
	before := b.Objects()[teamkeys.ObjectName(alias)].Tag
	_, _, err = ann.keys(b).Next(t.Context(), alias, "ann")
	wantError(t, err, store.ErrInvalid, "ann is you: another member of alias/app can revoke you")
	_, _, err = ann.keys(b).Next(t.Context(), alias, "Bob")
	wantError(t, err, store.ErrNotFound, `no such member of alias/app: "Bob" (nearest: "bob")`)
	_, _, err = ann.keys(b).Next(t.Context(), "app", "bob")
	wantError(t, err, store.ErrInvalid, `"app" is not a key alias`)
	if b.Objects()[teamkeys.ObjectName(alias)].Tag != before {
		t.Error("a refused revoke has changed the key object")
	}
}

func wantError(t *testing.T, err, sentinel error, text string) {
	t.Helper()
	if !errors.Is(err, sentinel) || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v, want %v: %s", err, sentinel, text)
	}
}

func TestGrantRefusesWhatClashesOrIsMalformed(t *testing.T) {
	ann, bob, eve := newPerson(t, "ann"), newPerson(t, "bob"), newPerson(t, "eve")
	b, _ := created(t, ann)
	granted(t, b, ann, bob)
	before := b.Objects()[teamkeys.ObjectName(alias)].Tag
	identity := "AGE-SECRET-KEY-1" + strings.Repeat("Q", 58)
	for what, test := range map[string]struct {
		name, recipient string
		sentinel        error
		text            string
	}{
		"a name that is taken":            {"bob", eve.recipient, store.ErrConflict, "has a member named bob already, with another recipient"},
		"a name that differs in case":     {"BOB", eve.recipient, store.ErrConflict, "has a member named bob already"},
		"a recipient in upper case":       {"eve", strings.ToUpper(eve.recipient), store.ErrInvalid, "not an age recipient"},
		"no name":                         {"", eve.recipient, store.ErrInvalid, "the name of the member is empty"},
		"a name with a line break":        {"a\nb", eve.recipient, store.ErrInvalid, `member name "a\nb"`},
		"a name that is a flag":           {"-x", eve.recipient, store.ErrInvalid, "begins with"},
		"a long name":                     {strings.Repeat("x", 101), eve.recipient, store.ErrInvalid, "101 bytes"},
		"no recipient":                    {"eve", "", store.ErrInvalid, "not an age recipient"},
		"a recipient that was cut":        {"eve", eve.recipient[:40], store.ErrInvalid, "not an age recipient"},
		"a recipient with a wrong letter": {"eve", strings.Replace(eve.recipient, "age1", "age1q", 1), store.ErrInvalid, "not an age recipient"},
		"two recipients":                  {"eve", eve.recipient + "\n" + ann.recipient, store.ErrInvalid, "not an age recipient"},
		"a post-quantum one of nothing":   {"eve", "age1pq1" + strings.Repeat("q", 1952), store.ErrInvalid, "not an age recipient"},
		"an identity":                     {"eve", identity, store.ErrInvalid, "not an age recipient"},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := ann.keys(b).Grant(t.Context(), alias, teamkeys.Grant{Name: test.name, Recipient: test.recipient})
			wantError(t, err, test.sentinel, test.text)
			if err != nil && strings.Contains(err.Error(), identity) {
				t.Error("the error quotes an identity")
			}
		})
	}
	if g, err := ann.keys(b).Grant(t.Context(), alias, teamkeys.Grant{Name: "bob", Recipient: " " + bob.recipient + "\n"}); err != nil || g.Changed {
		t.Errorf("the same grant again: changed %v, error %v", g.Changed, err)
	}
	if b.Objects()[teamkeys.ObjectName(alias)].Tag != before {
		t.Error("a refused grant has changed the key object")
	}
}

// A grant to a member under another name renames them: the key and everything else of the member stay as they are.
func TestGrantGivesAMemberAnotherName(t *testing.T) {
	ann, bob, eve := newPerson(t, "ann"), newPerson(t, "bob"), newPerson(t, "eve")
	b, _ := created(t, ann)
	granted(t, b, ann, bob)
	before, err := ann.keys(b).Members(t.Context(), alias)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		grant   teamkeys.Grant
		want    teamkeys.Granted // without the team
		members []string
	}{
		{teamkeys.Grant{Name: "robert"}, teamkeys.Granted{Name: "bob"}, []string{"ann", "bob"}},
		{teamkeys.Grant{Name: "robert", Rename: true, DryRun: true}, teamkeys.Granted{Name: "robert", Was: "bob", Changed: true}, []string{"ann", "bob"}},
		{teamkeys.Grant{Name: "robert", Rename: true}, teamkeys.Granted{Name: "robert", Was: "bob", Changed: true}, []string{"ann", "robert"}},
		{teamkeys.Grant{Name: "robert", Rename: true}, teamkeys.Granted{Name: "robert"}, []string{"ann", "robert"}},
		{teamkeys.Grant{Name: "Robert", Rename: true}, teamkeys.Granted{Name: "Robert", Was: "robert", Changed: true}, []string{"ann", "Robert"}},
	} {
		test.grant.Recipient = bob.recipient
		got, err := ann.keys(b).Grant(t.Context(), alias, test.grant)
		if err != nil || got.Name != test.want.Name || got.Was != test.want.Was || got.Changed != test.want.Changed {
			t.Errorf("%+v: %+v, error %v; want %+v", test.grant, got, err, test.want)
		}
		team, err := ann.keys(b).Members(t.Context(), alias)
		if err != nil || !slices.Equal(names(team.Members), test.members) || len(team.Keys) != 1 {
			t.Errorf("%+v: members %v, %d keys, error %v; want %v", test.grant, names(team.Members), len(team.Keys), err, test.members)
		}
		if now, was := team.Members[1], before.Members[1]; now.Since != was.Since || now.By != was.By || now.Recipient != was.Recipient {
			t.Errorf("%+v: the member is %+v; was %+v", test.grant, now, was)
		}
	}
	granted(t, b, ann, eve)
	for _, dry := range []bool{true, false} {
		_, err := ann.keys(b).Grant(t.Context(), alias, teamkeys.Grant{Name: "Eve", Recipient: bob.recipient, Rename: true, DryRun: dry})
		wantError(t, err, store.ErrConflict, "has a member named eve already, with another recipient")
	}
	if _, revoked, err := ann.keys(b).Next(t.Context(), alias, "Robert"); err != nil || !revoked {
		t.Errorf("under the new name: revoked %v, error %v", revoked, err)
	}
}

// badPoint is a recipient that parses, and to which nothing can be sealed: the point of order one.
const badPoint = "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq5cu47z"

func TestGrantNamesTheMemberForWhomNothingCanBeSealed(t *testing.T) {
	ann := newPerson(t, "ann")
	b, _ := created(t, ann)
	_, err := ann.keys(b).Grant(t.Context(), alias, teamkeys.Grant{Name: "zero", Recipient: badPoint})
	if err == nil || !strings.Contains(err.Error(), "nothing can be encrypted for the member zero") {
		t.Errorf("error %v", err)
	}
}

func TestGrantsAtOnceLoseNobody(t *testing.T) {
	ann := newPerson(t, "ann")
	b, _ := created(t, ann)
	const n = 12
	var group sync.WaitGroup
	want := []string{"ann"}
	for i := range n {
		p := newPerson(t, fmt.Sprintf("p%02d", i))
		want = append(want, p.name)
		k := teamkeys.New(with(ann.options(b), func(o *teamkeys.Options) { o.State, o.TrustOnFirstUse, o.Notice = nil, true, nil }))
		group.Go(func() {
			if g, err := k.Grant(t.Context(), alias, teamkeys.Grant{Name: p.name, Recipient: p.recipient}); err != nil || !g.Changed {
				t.Errorf("%s: changed %v, error %v", p.name, g.Changed, err)
			}
		})
	}
	group.Wait()
	team, err := ann.keys(b).Members(t.Context(), alias)
	got := names(team.Members)
	slices.Sort(got)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("members %v, error %v", got, err)
	}
}

func TestFirstUseCreatesOneKeyForAllWritersAtOnce(t *testing.T) {
	ann := newPerson(t, "ann")
	b := membucket.New(membucket.Options{})
	self := func(o *teamkeys.Options) {
		o.State, o.TrustOnFirstUse, o.Notice = nil, true, nil
		o.Self = func(context.Context) ([]teamkeys.Member, error) { return []teamkeys.Member{ann.member()}, nil }
	}
	commands := []*teamkeys.Keys{teamkeys.New(with(ann.options(b), self)), teamkeys.New(with(ann.options(b), self))}
	ids := make([]string, 16)
	var group sync.WaitGroup
	for i := range ids {
		group.Go(func() {
			key, err := commands[i%2].Current(t.Context(), alias)
			if err != nil {
				t.Error(err)
			}
			ids[i] = key.ID
		})
	}
	group.Wait()
	if len(slices.Compact(slices.Sorted(slices.Values(ids)))) != 1 {
		t.Errorf("the keys %v", ids)
	}
	team, err := ann.keys(b).Members(t.Context(), alias)
	if err != nil || len(team.Keys) != 1 || team.Keys[0].ID != ids[0] {
		t.Errorf("the team %+v, error %v", team, err)
	}
}
