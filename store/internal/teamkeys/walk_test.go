package teamkeys_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/buckettest"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/teamkeys"
)

// change is one of the changes of a key object, on a bucket in which ann and bob are members.
type change struct {
	name string
	make func(ctx context.Context, k *teamkeys.Keys, p *person) error
	want []string // the members afterwards
	keys int
}

func changes() []change {
	return []change{
		{"create", func(ctx context.Context, k *teamkeys.Keys, p *person) error {
			_, _, err := k.Create(ctx, "alias/new", []teamkeys.Member{p.member()})
			return err
		}, []string{"ann"}, 1},
		{"grant", func(ctx context.Context, k *teamkeys.Keys, p *person) error {
			_, err := k.Grant(ctx, alias, teamkeys.Grant{Name: "cat", Recipient: catRecipient})
			return err
		}, []string{"ann", "bob", "cat"}, 1},
		{"rename", func(ctx context.Context, k *teamkeys.Keys, p *person) error {
			g, err := k.Grant(ctx, alias, teamkeys.Grant{Name: "anna", Recipient: p.recipient, Rename: true})
			if err == nil && (g.Name != "anna" || g.Changed != (g.Was == "ann")) {
				err = fmt.Errorf("it says %+v", g)
			}
			return err
		}, []string{"anna", "bob"}, 1},
		{"revoke", func(ctx context.Context, k *teamkeys.Keys, _ *person) error {
			_, _, err := k.Next(ctx, alias, "bob")
			return err
		}, []string{"ann"}, 2},
	}
}

const catRecipient = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj" // of nobody here

// TestAChangeSurvivesEachFault: each request of each change fails, before or after it was made. The change
// is made or refused with the reason, never half, and when it is run again it is made exactly once.
func TestAChangeSurvivesEachFault(t *testing.T) {
	killed := errors.New("killed")
	for _, c := range changes() {
		for _, sentinel := range []error{bucket.ErrUnavailable, bucket.ErrBusy, bucket.ErrDenied, bucket.ErrTorn, bucket.ErrChanged, killed} {
			for _, after := range []bool{false, true} {
				for n := 1; ; n++ {
					ann, bob := newPerson(t, "ann"), newPerson(t, "bob")
					b, _ := created(t, ann)
					granted(t, b, ann, bob)
					faulty := buckettest.NewFaulty(b, buckettest.Nth(n, buckettest.Fault{Err: sentinel, After: after}))
					first := c.make(t.Context(), ann.keys(faulty), ann)
					if len(faulty.Calls()) < n {
						break
					}
					where := fmt.Sprintf("%s, request %d (%v), after %v", c.name, n, sentinel, after)
					if first != nil && !errors.Is(first, sentinel) {
						t.Errorf("%s: %v", where, first)
					}
					if err := c.make(t.Context(), ann.keys(b), ann); err != nil {
						t.Errorf("%s: again: %v", where, err)
					}
					c.check(t, where, b, ann)
				}
			}
		}
	}
}

func (c change) check(t *testing.T, where string, b *membucket.Bucket, p *person) {
	t.Helper()
	of := alias
	if c.name == "create" {
		of = "alias/new"
	}
	team, err := p.keys(b).Members(t.Context(), of)
	if err != nil || !slices.Equal(names(team.Members), c.want) || len(team.Keys) != c.keys {
		t.Errorf("%s: members %v, %d keys, error %v", where, names(team.Members), len(team.Keys), err)
	}
	if len(b.Objects()) > 2 {
		t.Errorf("%s: %d objects", where, len(b.Objects()))
	}
}

// TestARevokeWhoseAnswerIsLostIsMadeOnce, also if the member was granted again before it looked.
func TestARevokeWhoseAnswerIsLostIsMadeOnce(t *testing.T) {
	ann, bob := newPerson(t, "ann"), newPerson(t, "bob")
	b, _ := created(t, ann)
	granted(t, b, ann, bob)
	put := false
	faulty := buckettest.NewFaulty(b, func(c buckettest.Call) buckettest.Fault {
		if c.Op == "get" && put {
			put = false
			granted(t, b, ann, bob)
		}
		if c.Op != "put" {
			return buckettest.Fault{}
		}
		put = true
		return buckettest.Fault{Err: bucket.ErrUnavailable, After: true}
	})
	team, revoked, err := ann.keys(faulty).Next(t.Context(), alias, "bob")
	if err != nil || !revoked || len(team.Keys) != 2 {
		t.Errorf("revoked %v, %d keys, error %v", revoked, len(team.Keys), err)
	}
}

// TestAChangeGivesUp after as many lost answers as the engine, and at once after a denial.
func TestAChangeGivesUp(t *testing.T) {
	ann := newPerson(t, "ann")
	b, _ := created(t, ann)
	for sentinel, requests := range map[error]int{bucket.ErrUnavailable: 20, bucket.ErrDenied: 2, bucket.ErrUnsupported: 2, bucket.ErrVoid: 2} {
		faulty := buckettest.NewFaulty(b, func(c buckettest.Call) buckettest.Fault {
			if c.Op == "put" {
				return buckettest.Fault{Err: sentinel}
			}
			return buckettest.Fault{}
		})
		if _, err := ann.keys(faulty).Grant(t.Context(), alias, teamkeys.Grant{Name: "cat", Recipient: catRecipient}); !errors.Is(err, sentinel) {
			t.Errorf("%v: %v", sentinel, err)
		}
		if n := len(faulty.Calls()); n != requests {
			t.Errorf("%v: %d requests, want %d", sentinel, n, requests)
		}
	}
}

// fat is a recipient of a stanza of some bytes, or with a label.
type fat struct {
	teamkeys.Recipient
	bytes  int
	labels []string
}

func (f fat) WrapWithLabels(fileKey []byte) ([]*age.Stanza, []string, error) {
	s, err := f.Wrap(fileKey)
	s[0].Body = append(s[0].Body, make([]byte, f.bytes)...)
	return s, f.labels, err
}

func TestWhatAgeCouldNotReadIsNotWritten(t *testing.T) {
	ann, bob := newPerson(t, "ann"), newPerson(t, "bob")
	for what, test := range map[string]struct {
		f    fat
		want string
	}{
		"a header over 2 MiB":           {fat{bytes: 3 << 20}, "the recipients of alias/app don't fit in one age file"},
		"one who must be alone":         {fat{labels: []string{"alone"}}, "nothing can be encrypted for the member bob: it can't stand beside others"},
		"a post-quantum one, as others": {fat{labels: []string{"postquantum"}}, ""},
	} {
		b, _ := created(t, ann)
		before := b.Objects()[object].Tag
		k := teamkeys.New(with(ann.options(b), func(o *teamkeys.Options) {
			o.Recipient = func(text string) (teamkeys.Recipient, error) {
				r, err := teamkeys.ParseRecipient(text)
				if text == bob.recipient {
					test.f.Recipient = r
					return test.f, err
				}
				return r, err
			}
		}))
		_, err := k.Grant(t.Context(), alias, teamkeys.Grant{Name: "bob", Recipient: bob.recipient})
		switch {
		case test.want == "" && err != nil, test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: %v", what, err)
		case test.want != "" && b.Objects()[object].Tag != before:
			t.Errorf("%s: it was written", what)
		}
		ann.state = &state{}
	}
}

func TestATeamHasAtMostAThousandMembers(t *testing.T) {
	ann := newPerson(t, "ann")
	b := membucket.New(membucket.Options{})
	members := []teamkeys.Member{ann.member()}
	for len(members) < teamkeys.MaxMembers {
		p := newPerson(t, fmt.Sprintf("p%d", len(members)))
		members = append(members, p.member())
	}
	last := newPerson(t, "last")
	_, _, err := ann.keys(b).Create(t.Context(), alias, append(slices.Clone(members), last.member()))
	wantError(t, err, store.ErrInvalid, "alias/app would have 1001 members; the limit is 1000")
	if _, _, err := ann.keys(b).Create(t.Context(), alias, members); err != nil {
		t.Fatal(err)
	}
	_, err = ann.keys(b).Grant(t.Context(), alias, teamkeys.Grant{Name: last.name, Recipient: last.recipient})
	wantError(t, err, store.ErrInvalid, "alias/app would have 1001 members; the limit is 1000")
	if team, err := ann.keys(b).Members(t.Context(), alias); err != nil || len(team.Members) != teamkeys.MaxMembers {
		t.Errorf("%d members, error %v", len(team.Members), err)
	}
}
