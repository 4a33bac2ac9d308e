package teamkeys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coffer-secrets/coffer/internal/strictjson"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/seal/teamseal"
)

// Team is what the key object of an alias says, without the keys.
type Team struct {
	Alias   string
	Keys    []KeyInfo // the first is the current one
	Members []Member
	Former  []Member // those that were revoked, the last one first
	Pin     string   // the id that is pinned; "" if none is
	Before  Seen     // the newest key that the state had before its keys were first used; the zero Seen if none
}

// KeyInfo describes an alias key.
type KeyInfo struct {
	ID      string
	Number  int
	Created time.Time
	By      string
}

// Member is one who holds the keys of an alias, or held them.
type Member struct {
	Name      string
	Recipient string
	Since     time.Time
	Until     time.Time // of a former member
	By        string    // who granted or, of a former member, revoked
}

// Members returns the team of an alias, if its keys can be trusted. Errors: [bucket.ErrDenied] if the
// caller isn't a member, or the alias has no key; [*store.KeyTrustError].
func (k *Keys) Members(ctx context.Context, alias string) (Team, error) {
	if err := checkAlias(alias); err != nil {
		return Team{}, err
	}
	r, err := k.known(ctx, alias, k.fresh)
	if err != nil {
		return Team{}, err
	}
	return r.team(), nil
}

// Create makes the first key of an alias for its first members, of which the caller must be one. If
// the alias has a key, it returns that team, and created is false. It refuses if the alias had a
// key that is lost.
func (k *Keys) Create(ctx context.Context, alias string, members []Member) (team Team, created bool, err error) {
	if err := checkAlias(alias); err != nil {
		return Team{}, false, err
	}
	r, err := k.known(ctx, alias, k.fresh)
	if isAbsent(err) {
		r, err = k.create(ctx, alias, members)
		created = err == nil && r.mine
	}
	if err != nil {
		return Team{}, false, err
	}
	return r.team(), created, nil
}

// Grant says who becomes a member, and under which name.
type Grant struct {
	Recipient string
	Name      string
	Rename    bool // who is a member under another name gets this one; otherwise they keep theirs
	DryRun    bool // change nothing
}

// Granted is the outcome of [Keys.Grant].
type Granted struct {
	Team    Team
	Name    string // of the member
	Was     string // the name before, of a member who was renamed; else ""
	Changed bool   // false if they were a member under that name before
}

// Grant makes someone a member of an alias, or gives a member another name. Of concurrent grants none is
// lost. Errors: [store.ErrInvalid] for the name, the recipient or the number of members;
// [store.ErrConflict] if the name belongs to another member; as for [Keys.Members].
func (k *Keys) Grant(ctx context.Context, alias string, g Grant) (Granted, error) {
	if err := checkAlias(alias); err != nil {
		return Granted{}, err
	}
	if err := CheckName(g.Name); err != nil {
		return Granted{}, err
	}
	to, err := k.Recipient(g.Recipient)
	if err != nil {
		return Granted{}, err
	}
	g.Recipient = to.String()
	var out Granted
	edit := func(r *ring) (*document, error) {
		doc, change, err := k.granted(ctx, r.doc, g)
		if change.Changed || !out.Changed { // otherwise it is our own, after an answer that was lost
			out = change
		}
		return doc, err
	}
	var r *ring
	if g.DryRun {
		if r, err = k.known(ctx, alias, k.fresh); err == nil {
			_, err = edit(r)
		}
	} else {
		r, err = k.change(ctx, alias, edit)
	}
	if err != nil {
		return Granted{}, err
	}
	out.Team = r.team()
	return out, nil
}

// granted returns a document after a grant; nil if it changes nothing.
func (k *Keys) granted(ctx context.Context, before document, g Grant) (*document, Granted, error) {
	doc, others := before.clone(), before.clone()
	at := slices.IndexFunc(doc.Members, func(m documentUser) bool { return m.Recipient == g.Recipient })
	if at >= 0 {
		if was := doc.Members[at].Name; was == g.Name || !g.Rename {
			return nil, Granted{Name: was}, nil
		}
		others.Members = slices.Delete(others.Members, at, at+1)
	}
	if err := clash(others, g.Name, g.Recipient); err != nil {
		return nil, Granted{}, err
	}
	out := Granted{Name: g.Name, Changed: true}
	if at >= 0 {
		out.Was, doc.Members[at].Name = doc.Members[at].Name, g.Name
	} else {
		doc.Members = append(doc.Members, documentUser{Name: g.Name, Recipient: g.Recipient, Since: strictjson.FormatTime(k.Now()), By: k.By(ctx)})
	}
	return &doc, out, nil
}

// clash returns an error if a name or a recipient belongs to another member.
func clash(doc document, name, recipient string) error {
	for _, m := range doc.Members {
		switch {
		case m.Recipient == recipient:
			return fmt.Errorf("%w: this recipient is a member of %s already, named %s", store.ErrConflict, doc.Alias, m.Name)
		case strings.EqualFold(m.Name, name):
			return fmt.Errorf("%w: %s has a member named %s already, with another recipient", store.ErrConflict, doc.Alias, m.Name)
		}
	}
	return nil
}

// Next takes a member out of an alias and gives it a new key, which they don't get. What was sealed
// under the earlier keys stays readable for the others, and for whoever kept those keys: the caller
// then seals it anew. If the member was revoked before, nothing changes, and revoked is false: so an
// interrupted revoke can be run again. Errors: [store.ErrNotFound] if there was never such a member;
// [store.ErrInvalid] if it is the last one, or the caller; as for [Keys.CheckHeld] and [Keys.Members].
func (k *Keys) Next(ctx context.Context, alias, name string) (team Team, revoked bool, err error) {
	if err := checkAlias(alias); err != nil {
		return Team{}, false, err
	}
	key := teamseal.NewKey(alias)
	r, err := k.change(ctx, alias, func(r *ring) (*document, error) {
		revoked = false
		u := user(r.doc.Members, name)
		switch {
		case r.has(key.ID): // our own, after an answer that was lost
			revoked = true
			return nil, nil
		case u == nil && user(r.doc.Former, name) != nil:
			return nil, nil
		case u == nil:
			return nil, noMember(r.doc, name)
		case len(r.doc.Members) == 1:
			return nil, fmt.Errorf("%w: %s is the last member of %s, and nobody else could open its key", store.ErrInvalid, name, alias)
		}
		now, by := k.Now(), k.By(ctx)
		left := *u
		left.Until, left.By = strictjson.FormatTime(now), by
		doc := r.doc.clone()
		doc.Members = slices.DeleteFunc(doc.Members, func(m documentUser) bool { return m.Name == name })
		doc.Former = slices.Insert(doc.Former, 0, left)
		doc.Former = doc.Former[:min(len(doc.Former), maxFormer)]
		doc.put(key, now, by)
		revoked = true
		if err := k.CheckHeld(ctx, alias); err != nil {
			return nil, err
		}
		return &doc, k.checkStays(doc, name)
	})
	if err != nil {
		return Team{}, false, err
	}
	return r.team(), revoked, nil
}

// checkStays refuses to revoke oneself: whoever revokes seals everything anew after that.
func (k *Keys) checkStays(doc document, name string) error {
	sealed, err := k.seal(doc)
	if err != nil {
		return err
	}
	identities, err := k.Identities()
	if err != nil {
		return err
	}
	if _, err = unseal(doc.Alias, sealed, identities); errors.Is(err, bucket.ErrDenied) {
		return fmt.Errorf("%w: %s is you: another member of %s can revoke you", store.ErrInvalid, name, doc.Alias)
	}
	return err
}

func noMember(doc document, name string) error {
	missing := &store.NotFoundError{What: fmt.Sprintf("member of %s: %q", doc.Alias, name)}
	for _, m := range doc.Members {
		if strings.EqualFold(m.Name, name) {
			missing.Nearest = m.Name
		}
	}
	return missing
}

func checkAlias(alias string) error {
	if !isAlias(alias) {
		return fmt.Errorf("%w: %q is not a key alias: use alias/NAME", store.ErrInvalid, alias)
	}
	return nil
}

func (r *ring) team() Team {
	t := Team{Alias: r.doc.Alias, Pin: r.pin, Before: r.before}
	for _, k := range r.doc.Keys {
		t.Keys = append(t.Keys, KeyInfo{ID: k.ID, Number: k.Number, Created: strictjson.ParseTime(k.Created), By: k.By})
	}
	t.Members, t.Former = membersOf(r.doc.Members), membersOf(r.doc.Former)
	return t
}

func membersOf(users []documentUser) []Member {
	var out []Member
	for _, u := range users {
		out = append(out, Member{
			Name: u.Name, Recipient: u.Recipient, Since: strictjson.ParseTime(u.Since), Until: strictjson.ParseTime(u.Until), By: u.By,
		})
	}
	return out
}
