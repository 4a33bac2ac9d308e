package app

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/ssm"
)

// hasKey reports whether the key exists under which a place stores new versions. known is false where
// that can't be told: the backend has no such keys or doesn't describe them, or the caller may not ask.
func (p Place) hasKey(ctx context.Context) (exists, known bool) {
	alias := p.AliasOfWrites()
	if alias == "" {
		return false, false
	}
	ctx, cancel := context.WithTimeout(ctx, KeyTimeout)
	defer cancel()
	switch s := p.Store.(type) {
	case admin.KeyDescriber:
		key, err := s.DescribeKey(ctx, alias)
		return key.ID != "", err == nil
	case parameters:
		_, found, err := s.kms.Find(ctx, alias)
		return found, err == nil
	}
	return false, false
}

// parameters is a store in Parameter Store, with KMS to look up its key.
type parameters struct {
	*ssm.Store
	kms *awsconf.Keys
}

// CheckKey is for a dry run: it returns an error if what it plans would fail for want of the key. A
// directory creates the key with the first write, and CheckKey says so.
func (a *App) CheckKey(ctx context.Context, p Place) error {
	exists, known := p.hasKey(ctx)
	switch {
	case exists || !known:
		return nil
	case p.createsKeys():
		a.Note("%s doesn't exist yet%s: the first write creates it", p.AliasOfWrites(), p.likelyAlias())
		return nil
	}
	return p.noKey()
}

// RequireKey returns an error if the key to which secrets move doesn't exist. In a directory it asks
// whether to create it, unless create is set. A dry run asks nothing.
func (a *App) RequireKey(ctx context.Context, p Place, create, dryRun bool) error {
	exists, known := p.hasKey(ctx)
	switch {
	case exists || !known || create && p.createsKeys():
		return nil
	case !p.createsKeys():
		return p.noKey()
	case dryRun || !a.Interactive():
		return WithHint(p.noKey(), "use --create to create it")
	}
	ok, err := a.Confirm(fmt.Sprintf("%s doesn't exist%s. Create it?", p.AliasOfWrites(), p.likelyAlias()))
	if err == nil && !ok {
		err = p.noKey()
	}
	return err
}

// createsKeys reports whether the first write under an alias creates its key.
func (p Place) createsKeys() bool { return p.Kind().Directory || p.Kind().Teams }

func (p Place) noKey() error {
	return fmt.Errorf("%w: %s doesn't exist%s; nothing was changed", store.ErrNotFound, p.AliasOfWrites(), p.likelyAlias())
}

// likelyAlias names the aliases that exist in a directory.
func (p Place) likelyAlias() string {
	aliases := slices.Sorted(slices.Values(p.LocalAliases()))
	if len(aliases) == 0 {
		return ""
	}
	return " (existing aliases: " + strings.Join(aliases, ", ") + ")"
}
