package s3age

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/engine"
	"github.com/coffer-secrets/coffer/store/internal/seal"
	"github.com/coffer-secrets/coffer/store/internal/seal/agekeys"
	"github.com/coffer-secrets/coffer/store/internal/teamkeys"
)

// team implements [admin.Teams] and [admin.KeyDescriber].
type team struct {
	ring *agekeys.Keyring
	keys *teamkeys.Keys
	ui   agekeys.UI
	name string // of the caller, as the first member
}

var (
	_ admin.Teams        = (*team)(nil)
	_ admin.KeyDescriber = (*team)(nil)
)

func (t *team) recipient(text string) (teamkeys.Recipient, error) {
	r, err := agekeys.ParseRecipient(text, t.ui)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// self returns the caller as the first members of an alias: one for each identity, so that a spare one
// opens what the other does.
func (t *team) self(context.Context) ([]teamkeys.Member, error) {
	recipients, err := t.ring.Recipients()
	if err != nil {
		return nil, err
	}
	if len(recipients) == 0 {
		return nil, fmt.Errorf("%w: the recipient of the identity in %s isn't known: put it into a comment before the identity, as in \"# public key: age1...\"",
			store.ErrConfiguration, t.ring)
	}
	var members []teamkeys.Member
	for i, r := range recipients {
		name := memberName(t.name)
		if i > 0 {
			name = fmt.Sprintf("%s-%d", name, i+1)
		}
		members = append(members, teamkeys.Member{Name: name, Recipient: r})
	}
	return members, nil
}

// memberName makes a name of a member from any text.
func memberName(text string) string {
	name := regexp.MustCompile(`[^0-9A-Za-z_.@+:-]+`).ReplaceAllString(text, "-")
	name = strings.TrimLeft(name, "-")
	const longest = 64
	if len(name) > longest {
		name = name[:longest]
	}
	if name == "" {
		return "first"
	}
	return name
}

// fail returns the error of an operation on a team, in the terms of package store.
func fail(err error) error {
	var known *bucket.Error
	var fault seal.Fault
	if !errors.As(err, &known) && errors.As(err, &fault) {
		err = &bucket.Error{Op: "open", Name: "the key", Code: fault.Code, Reason: fault.Reason, Err: fault.Err}
	}
	return engine.StorageError(err)
}

// Team implements [admin.Teams].
func (t *team) Team(ctx context.Context, alias string) (admin.Team, error) {
	found, err := t.keys.Members(ctx, alias)
	if err != nil {
		return admin.Team{}, fail(err)
	}
	return t.describe(found), nil
}

// describe returns a team as package admin has it.
func (t *team) describe(found teamkeys.Team) admin.Team {
	own, _ := t.ring.Recipients() // the identities were just used
	now := found.Keys[0]
	out := admin.Team{
		KeyAlias: found.Alias, KeyID: now.ID, Number: now.Number, Since: now.Created, By: now.By, Pinned: found.Pin, Before: found.Before.ID,
	}
	for _, m := range found.Members {
		out.Members = append(out.Members, admin.Member{
			Name: m.Name, Recipient: m.Recipient, Since: m.Since, By: m.By, Self: slices.Contains(own, m.Recipient),
		})
	}
	return out
}

// TeamAliases implements [admin.Teams].
func (t *team) TeamAliases(ctx context.Context) ([]string, error) {
	aliases, err := t.keys.Aliases(ctx)
	return aliases, fail(err)
}

// StrangeKeys implements [admin.Teams].
func (t *team) StrangeKeys(ctx context.Context) ([]string, error) {
	names, err := t.keys.Strange(ctx)
	return names, fail(err)
}

// KeysInUse implements [admin.Teams].
func (t *team) KeysInUse(ctx context.Context, most int) (admin.KeysInUse, error) {
	found, err := t.keys.InUse(ctx, most)
	return found, fail(err)
}

// CreateKey implements [admin.Teams].
func (t *team) CreateKey(ctx context.Context, alias string) (admin.Team, bool, error) {
	members, err := t.self(ctx)
	if err != nil {
		return admin.Team{}, false, err
	}
	created, made, err := t.keys.Create(ctx, alias, members)
	if err != nil {
		return admin.Team{}, false, fail(err)
	}
	return t.describe(created), made, nil
}

// Grant implements [admin.Teams].
func (t *team) Grant(ctx context.Context, alias string, g admin.Grant) (admin.Granted, error) {
	r, err := agekeys.ParseRecipient(g.Recipient, t.ui)
	if err != nil {
		return admin.Granted{}, err
	}
	name := g.Name
	if name == "" && r.Comment() != "" {
		name = memberName(r.Comment())
	}
	if name == "" {
		name = "member-" + fingerprint(r.String())
	}
	out, err := t.keys.Grant(ctx, alias, teamkeys.Grant{Recipient: r.String(), Name: name, Rename: g.Name != "", DryRun: g.DryRun})
	if err != nil {
		return admin.Granted{}, fail(err)
	}
	return admin.Granted{
		Team: t.describe(out.Team), Member: admin.Member{Name: out.Name, Recipient: r.String()}, Was: out.Was, Changed: out.Changed,
	}, nil
}

// NextKey implements [admin.Teams].
func (t *team) NextKey(ctx context.Context, alias, member string, dryRun bool) (admin.Team, bool, error) {
	var found teamkeys.Team
	changed, err := false, error(nil)
	if dryRun {
		found, changed, err = t.wouldRevoke(ctx, alias, member)
	} else {
		found, changed, err = t.keys.Next(ctx, alias, member)
	}
	if err != nil {
		return admin.Team{}, false, fail(err)
	}
	return t.describe(found), changed, nil
}

// wouldRevoke is a change of the key that changes nothing, and is refused as the change is.
func (t *team) wouldRevoke(ctx context.Context, alias, member string) (teamkeys.Team, bool, error) {
	found, err := t.keys.Members(ctx, alias)
	if err != nil {
		return found, false, err
	}
	own, _ := t.ring.Recipients() // the identities were just used
	named := func(m teamkeys.Member) bool { return m.Name == member }
	stays := func(m teamkeys.Member) bool { return !named(m) && slices.Contains(own, m.Recipient) }
	at := slices.IndexFunc(found.Members, named)
	switch {
	case at < 0 && slices.ContainsFunc(found.Former, named):
		return found, false, nil
	case at < 0:
		return found, false, &store.NotFoundError{What: fmt.Sprintf("member of %s: %q", alias, member)}
	case len(found.Members) == 1:
		return found, false, fmt.Errorf("%w: %s is the last member of %s, and nobody else could open its key", store.ErrInvalid, member, alias)
	case slices.Contains(own, found.Members[at].Recipient) && !slices.ContainsFunc(found.Members, stays):
		return found, false, fmt.Errorf("%w: %s is you: another member of %s can revoke you", store.ErrInvalid, member, alias)
	}
	return found, true, t.keys.CheckHeld(ctx, alias)
}

// Trust implements [admin.Teams].
func (t *team) Trust(ctx context.Context, alias, id string) (admin.Team, error) {
	found, err := t.keys.Trust(ctx, alias, id)
	if err != nil {
		return admin.Team{}, fail(err)
	}
	return t.describe(found), nil
}

// Self implements [admin.Teams].
func (t *team) Self(context.Context) (admin.Self, error) {
	recipients, err := t.ring.Recipients()
	return admin.Self{Identity: t.ring.String(), Recipients: recipients}, err
}

// DescribeKey implements [admin.KeyDescriber]. The ids of keys are found in the key objects that the
// caller opens.
func (t *team) DescribeKey(ctx context.Context, name string) (admin.Key, error) {
	if !isKeyID(name) {
		found, err := t.keys.Members(ctx, name)
		var fault seal.Fault
		switch {
		case errors.As(err, &fault) && fault.Code == store.CodeNoTeamKey:
			return admin.Key{State: "no key yet"}, nil
		case err != nil:
			return admin.Key{}, fail(err)
		}
		return admin.Key{ID: found.Keys[0].ID, State: enabled}, nil
	}
	aliases, err := t.keys.Aliases(ctx)
	if err != nil {
		return admin.Key{}, fail(err)
	}
	for _, alias := range aliases {
		found, err := t.keys.Members(ctx, alias)
		if err != nil {
			continue // another one's key
		}
		for i, k := range found.Keys {
			if k.ID == name {
				return admin.Key{ID: name, State: map[bool]string{true: enabled, false: "replaced"}[i == 0]}, nil
			}
		}
	}
	return admin.Key{State: "not yours"}, nil
}

const enabled = "enabled"

// isKeyID reports whether a text is the id of an alias key: 16 bytes in hexadecimal digits.
func isKeyID(text string) bool {
	return len(text) == 32 && strings.Trim(text, "0123456789abcdef") == ""
}

// fingerprint tells recipients apart in names.
func fingerprint(recipient string) string {
	sum := sha256.Sum256([]byte(recipient))
	return hex.EncodeToString(sum[:4])
}
