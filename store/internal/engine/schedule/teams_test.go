package schedule

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/coffer-secrets/coffer/internal/testing/proof"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/membucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/sealed"
	"github.com/coffer-secrets/coffer/store/internal/engine"
	"github.com/coffer-secrets/coffer/store/internal/seal/teamseal"
	"github.com/coffer-secrets/coffer/store/internal/teamkeys"
)

// keysOfTeams are scenarios of the keys of teams and of what is sealed under them. Sealing is random, so no
// two runs meet in a state: each schedule is run to its end.
func keysOfTeams() []scenario {
	ann, bob, cat, dan := newPerson("ann"), newPerson("bob"), newPerson("cat"), newPerson("dan")
	team := func(members ...*person) func(context.Context, *membucket.Bucket) {
		return func(ctx context.Context, b *membucket.Bucket) { ann.founds(ctx, b, members...) }
	}
	empty := func(context.Context, *membucket.Bucket) {}
	return []scenario{
		{
			name: "grant and grant", before: team(), lost: 1, promise: ann.has(1, "ann", "bob", "cat"),
			tasks: []task{ann.grants(bob), ann.grants(cat)},
		},
		{
			name: "grant and the same grant", before: team(), lost: 1, promise: ann.has(1, "ann", "bob"),
			tasks: []task{ann.grants(bob), ann.grants(bob)},
		},
		{
			name: "grant and revoke", before: team(bob, cat), lost: 1, promise: ann.has(2, "ann", "bob", "dan"),
			tasks: []task{bob.grants(dan), ann.revokes(cat)},
		},
		{
			name: "revoke and revoke", before: team(bob, cat), lost: 1, promise: ann.has(3, "ann"),
			tasks: []task{ann.revokes(bob), ann.revokes(cat)},
		},
		{
			name: "revoke and the same revoke", before: team(bob, cat), lost: 1, promise: ann.has(2, "ann", "bob"),
			tasks: []task{ann.revokes(cat), bob.revokes(cat)},
		},
		{
			name: "first use and first use", before: empty, lost: 1, promise: ann.has(1, "ann"),
			tasks: []task{ann.uses(), ann.uses()},
		},
		{
			name: "first use of two people", before: empty, lost: 1, promise: oneMakesTheKey(ann, bob),
			tasks: []task{ann.uses(), bob.uses()},
		},
		{
			name: "first write and first write", before: empty, promise: ann.reads("k1", "k2"),
			tasks: []task{ann.writes("k1"), ann.writes("k2")},
		},
		{name: "revoke killed", before: ann.seeds(cat), crashes: 1, promise: ann.finishes(cat), tasks: []task{ann.revokesAndRekeys(cat)}},
		{name: "revoke killed, and answers lost", before: ann.seeds(cat), crashes: 1, lost: 1, promise: ann.finishes(cat), tasks: []task{ann.revokesAndRekeys(cat)}},
		{
			name: "revoke killed, and a write", before: ann.seeds(bob, cat), crashes: 1, promise: ann.finishes(cat),
			tasks: []task{ann.revokesAndRekeys(cat), bob.writes("k1")},
		},
	}
}

// TestSchedulesOfTheKeysOfTeams runs all schedules of the first seven, and as many of the others as fit.
func TestSchedulesOfTheKeysOfTeams(t *testing.T) {
	each, limit := keysOfTeams(), proof.Bounded(300, 3000)
	if _, asked := long(t); asked {
		limit = all
	}
	exploreEach(t, each, limit)
}

// person is a client with an age identity.
type person struct {
	name     string
	identity *age.X25519Identity
}

func newPerson(name string) *person {
	i, err := age.GenerateX25519Identity()
	if err != nil {
		panic(err)
	}
	return &person{name, i}
}

func (p *person) member() teamkeys.Member {
	return teamkeys.Member{Name: p.name, Recipient: p.identity.Recipient().String()}
}

func (p *person) keys(b bucket.Bucket) *teamkeys.Keys {
	return teamkeys.New(teamkeys.Options{
		Bucket:          b,
		Identities:      func() ([]age.Identity, error) { return []age.Identity{p.identity}, nil },
		Self:            func(context.Context) ([]teamkeys.Member, error) { return []teamkeys.Member{p.member()}, nil },
		TrustOnFirstUse: true,
		By:              func(context.Context) string { return p.name },
		Now:             time.Now,
		Sleep:           func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	})
}

// engine is the engine over what is sealed with the person's keys.
func (p *person) engine(c *client, storage sealed.Storage, k *teamkeys.Keys) *engine.Engine {
	o := c.engine(sealed.New(storage, teamseal.New(k, aliasA)), aliasA).Options
	o.KeyID = func(ctx context.Context, alias string) string {
		id, err := k.ID(ctx, alias)
		if err != nil {
			return ""
		}
		return id
	}
	return engine.New(o)
}

func (p *person) founds(ctx context.Context, b *membucket.Bucket, members ...*person) {
	must(p.keys(b.Client()).Current(ctx, aliasA))
	for _, m := range members {
		if err := p.grants(m).do(ctx, nil, &waitingBucket{free(b)}); err != nil {
			panic(err)
		}
	}
}

// free is a client that nobody schedules.
func free(b *membucket.Bucket) *client { return &client{n: 99, w: &world{}, mem: b.Client()} }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// storageOf is the bucket of a client, which may be one that nobody schedules.
func storageOf(b *waitingBucket) sealed.Storage {
	if b.c.n == 99 {
		return b.c.mem
	}
	return b
}

func (p *person) grants(m *person) task {
	return task{do: func(ctx context.Context, _ *client, b *waitingBucket) error {
		_, err := p.keys(storageOf(b)).Grant(ctx, aliasA, teamkeys.Grant{Name: m.name, Recipient: m.member().Recipient})
		return err
	}}
}

func (p *person) revokes(m *person) task {
	return task{do: func(ctx context.Context, _ *client, b *waitingBucket) error {
		_, _, err := p.keys(storageOf(b)).Next(ctx, aliasA, m.name)
		return err
	}}
}

// uses begins to write under the alias.
func (p *person) uses() task {
	return task{do: func(ctx context.Context, _ *client, b *waitingBucket) error {
		_, err := p.keys(storageOf(b)).Current(ctx, aliasA)
		return err
	}}
}

func (p *person) writes(key string) task {
	return task{do: func(ctx context.Context, c *client, b *waitingBucket) error {
		storage := storageOf(b)
		id := store.ID{Service: service, Key: key}
		_, err := p.engine(c, storage, p.keys(storage)).Write(ctx, id, store.NewValue("of "+p.name), store.WriteOptions{})
		return err
	}}
}

// revokesAndRekeys is what coffer keys revoke does.
func (p *person) revokesAndRekeys(m *person) task {
	return task{do: func(ctx context.Context, c *client, b *waitingBucket) error {
		storage := storageOf(b)
		k := p.keys(storage)
		if _, _, err := k.Next(ctx, aliasA, m.name); err != nil {
			return err
		}
		_, err := p.engine(c, storage, k).Rekey(ctx, service, admin.RekeyOptions{Rewrite: true})
		return err
	}}
}

// seeds is a team with two secrets.
func (p *person) seeds(members ...*person) func(context.Context, *membucket.Bucket) {
	return func(ctx context.Context, b *membucket.Bucket) {
		p.founds(ctx, b, members...)
		for _, key := range []string{"k1", "k2"} {
			c := free(b)
			if err := p.writes(key).do(ctx, c, &waitingBucket{c}); err != nil {
				panic(err)
			}
		}
	}
}

// has promises that all have succeeded, that the alias has these members and as many keys, and that each
// member has the current one.
func (p *person) has(keys int, members ...string) func(context.Context, *world) []string {
	return func(ctx context.Context, w *world) []string {
		if err := allSucceed(w); err != nil {
			return []string{err.Error()}
		}
		team, err := p.keys(w.mem.Client()).Members(ctx, aliasA)
		var got []string
		for _, m := range team.Members {
			got = append(got, m.Name)
		}
		slices.Sort(got)
		if err != nil || !slices.Equal(got, members) || len(team.Keys) != keys {
			return []string{fmt.Sprintf("members %v, %d keys, error %v", got, len(team.Keys), err)}
		}
		return nil
	}
}

// oneMakesTheKey checks that one of two has made the key, and that the other gets the error that says so.
func oneMakesTheKey(people ...*person) func(context.Context, *world) []string {
	return func(ctx context.Context, w *world) (broken []string) {
		founders := 0
		for i, p := range people {
			team, err := p.keys(w.mem.Client()).Members(ctx, aliasA)
			told := w.clients[i].outcome.err
			switch {
			case err == nil && told == nil && len(team.Keys) == 1 && len(team.Members) == 1:
				founders++
			case !errors.Is(err, bucket.ErrDenied) || !errors.Is(told, bucket.ErrDenied):
				broken = append(broken, fmt.Sprintf("%s: told %v, and is %v", p.name, told, err))
			}
		}
		if founders != 1 {
			broken = append(broken, fmt.Sprintf("%d founders", founders))
		}
		return broken
	}
}

// reads promises that all have succeeded, and that these secrets are there.
func (p *person) reads(keys ...string) func(context.Context, *world) []string {
	return func(ctx context.Context, w *world) []string {
		if err := allSucceed(w); err != nil {
			return []string{err.Error()}
		}
		return p.loads(ctx, w, keys...)
	}
}

func (p *person) loads(ctx context.Context, w *world, keys ...string) []string {
	c := free(w.mem)
	contents, err := p.engine(c, c.mem, p.keys(c.mem)).Load(ctx, service)
	var got []string
	for _, s := range contents.Secrets {
		if strings.HasPrefix(s.Value.Reveal(), "of ") {
			got = append(got, s.ID.Key)
		}
	}
	if err != nil || !slices.Equal(got, keys) || len(contents.Hidden) > 0 {
		return []string{fmt.Sprintf("%s reads %v, hidden %v, error %v", p.name, got, contents.Hidden, err)}
	}
	return nil
}

// finishes runs a revoke again. It promises that then each secret is there for those who stay, and that
// neither the leaver's identity nor the keys that they knew open anything.
func (p *person) finishes(leaver *person) func(context.Context, *world) []string {
	old := func(ctx context.Context, w *world) map[string]bool {
		team := must(p.keys(w.mem.Client()).Members(ctx, aliasA))
		ids := map[string]bool{}
		for _, k := range team.Keys[1:] {
			ids[k.ID] = true
		}
		return ids
	}
	return func(ctx context.Context, w *world) []string {
		broken := p.loads(ctx, w, "k1", "k2") // half way
		c := free(w.mem)
		if err := p.revokesAndRekeys(leaver).do(ctx, c, &waitingBucket{c}); err != nil {
			return append(broken, fmt.Sprintf("again: %v", err))
		}
		broken = append(broken, p.loads(ctx, w, "k1", "k2")...)
		known := old(ctx, w)
		if len(known) != 1 {
			broken = append(broken, fmt.Sprintf("%d earlier keys", len(known)))
		}
		for name, o := range w.mem.Objects() {
			var s teamseal.Sealer
			if id := s.Inspect(o.Body).KeyID; known[id] {
				broken = append(broken, fmt.Sprintf("%s is under a key that the leaver knew", name))
			}
		}
		if _, err := leaver.keys(c.mem).Current(ctx, aliasA); !errors.Is(err, bucket.ErrDenied) {
			broken = append(broken, fmt.Sprintf("the leaver has the key: %v", err))
		}
		return broken
	}
}
