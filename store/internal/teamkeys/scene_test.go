package teamkeys_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/seal"
	"github.com/coffer-secrets/coffer/store/internal/teamkeys"
)

const alias = "alias/app"

// person is somebody with an age identity, a state, and notices that they were shown.
type person struct {
	name      string
	identity  age.Identity
	recipient string
	state     *state
	notices   []string
}

func newPerson(t *testing.T, name string) *person {
	t.Helper()
	i, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return &person{name: name, identity: i, recipient: i.Recipient().String(), state: &state{}}
}

func (p *person) member() teamkeys.Member {
	return teamkeys.Member{Name: p.name, Recipient: p.recipient}
}

// options are those of a person at a terminal.
func (p *person) options(b bucket.Bucket) teamkeys.Options {
	return teamkeys.Options{
		Bucket:     b,
		Identities: func() ([]age.Identity, error) { return []age.Identity{p.identity}, nil },
		State:      p.state,
		By:         func(context.Context) string { return p.name },
		Notice:     func(text string) { p.notices = append(p.notices, text) },
		Now:        time.Now,
		Sleep:      func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
}

// keys is a new command of a person.
func (p *person) keys(b bucket.Bucket) *teamkeys.Keys { return teamkeys.New(p.options(b)) }

// with returns the options after a change.
func with(o teamkeys.Options, change func(*teamkeys.Options)) teamkeys.Options {
	change(&o)
	return o
}

// state is a state in memory.
type state struct {
	mu   sync.Mutex
	seen map[string]teamkeys.Seen
	fail error

	expected []string
}

func (s *state) Recall(alias string) (teamkeys.Seen, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[alias], nil
}

func (s *state) Knows() (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen) > 0, nil
}

func (s *state) Expect(alias, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	s.expected = append(s.expected, alias+" "+id)
	return nil
}

func (s *state) Expects(alias, id string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.expected, alias+" "+id), nil
}

func (s *state) Remember(alias string, was, is teamkeys.Seen) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	if s.seen == nil {
		s.seen = map[string]teamkeys.Seen{}
	}
	if have := s.seen[alias]; have.ID != was.ID && have.Number > is.Number {
		return nil
	}
	s.seen[alias] = is
	return nil
}

// created returns a bucket in which a person has created the key of the alias.
func created(t *testing.T, p *person) (*membucket.Bucket, teamkeys.Team) {
	t.Helper()
	b := membucket.New(membucket.Options{})
	team, made, err := p.keys(b).Create(t.Context(), alias, []teamkeys.Member{p.member()})
	if err != nil || !made {
		t.Fatalf("made %v, error %v", made, err)
	}
	return b, team
}

func granted(t *testing.T, b bucket.Bucket, by, to *person) {
	t.Helper()
	if g, err := by.keys(b).Grant(t.Context(), alias, teamkeys.Grant{Name: to.name, Recipient: to.recipient}); err != nil || !g.Changed {
		t.Fatalf("changed %v, error %v", g.Changed, err)
	}
}

func wantFault(t *testing.T, err, sentinel error, code string) {
	t.Helper()
	var fault seal.Fault
	if !errors.As(err, &fault) || fault.Err != sentinel || fault.Code != code {
		t.Errorf("error %v, want %v with code %q", err, sentinel, code)
	}
}

func names(members []teamkeys.Member) (all []string) {
	for _, m := range members {
		all = append(all, m.Name)
	}
	return all
}
