package engine

import (
	"context"
	"slices"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// guard returns a [*store.AliasError] if a secret is under another alias than ours (W2). Only
// rekey moves secrets between aliases.
func (w *writing) guard(ctx context.Context, o *Document, info bucket.Info) error {
	if w.e.Plain() || o.Alias == w.e.Alias {
		return nil
	}
	owner := o.Alias
	if owner == "" {
		if err := w.others(); err != nil {
			return err
		}
		owner = w.e.Owner(ctx, w.v, o, info, w.own, "")
	}
	if owner == w.e.Alias || owner == "" && w.o.Adopt {
		return nil
	}
	return &store.AliasError{Have: owner, Want: w.e.Alias}
}

// adopts reports whether a secret that guard accepted has no known alias yet. Such a secret is
// written even if its value is unchanged, so that its object records the alias.
func (w *writing) adopts(ctx context.Context, o *Document, info bucket.Info) bool {
	return w.o.Adopt && o.Alias == "" && !w.e.Plain() && w.e.Owner(ctx, w.v, o, info, w.own, "") == ""
}

// Owner returns the alias of an object that does not record one, because another program
// wrote it. The index that vouches for the object decides; else the only index that has an
// entry for it; else the object's key. The key comes last because two aliases may share one. It
// is compared with the key of our own index, the key of the caller's last put (putKey, "" if
// there was none), and the key that the key service reports. Owner returns "" if the
// alias is unknown.
func (e *Engine) Owner(ctx context.Context, v *View, o *Document, info bucket.Info, own *IndexState, putKey string) string {
	var claims, verified []*IndexState
	for _, s := range v.Readable() {
		e, ok := s.Index.Entries[o.key]
		if !ok || e.Moving { // a rekey has announced it, but may not have moved the object yet
			continue
		}
		if _, ok := s.Index.Verified(o.key, string(info.Tag)); ok {
			verified = append(verified, s)
		}
		claims = append(claims, s)
	}
	if len(verified) == 1 { // if two indexes vouch, neither is trusted
		return verified[0].AliasOf(o.key)
	}
	sameKey := func(s *IndexState) bool { return s.Seal.KeyID == info.Seal.KeyID }
	if info.Seal.KeyID != "" && (len(claims) > 1 || slices.ContainsFunc(v.Readable(), sameKey)) {
		// The key of another index overrides even a single claim: chamber has moved the secret,
		// and its value must not be written again under the old key.
		claims = slices.DeleteFunc(claims, func(s *IndexState) bool { return !sameKey(s) })
	}
	switch {
	case len(claims) == 1:
		return claims[0].AliasOf(o.key)
	case len(claims) > 1 || info.Seal.KeyID == "":
		return ""
	case info.Seal.KeyID == own.Seal.KeyID, info.Seal.KeyID == putKey, info.Seal.KeyID == e.KeyID(ctx, own.KeyAlias(e)):
		return own.KeyAlias(e)
	}
	return ""
}

// AliasOf returns the alias that an index records for a secret: its own, or another alias with
// the same index name.
func (s *IndexState) AliasOf(key string) string {
	if alias := s.Index.Entries[key].Alias; alias != "" && index.FileName(alias) == s.File {
		return alias
	}
	return s.Index.Alias
}

// KeyAlias returns the alias of an index. If the index could not be read, it is derived from
// the file name.
func (s *IndexState) KeyAlias(e *Engine) string {
	if s.Index != nil {
		return s.Index.Alias
	}
	return e.AliasOfFile(s.File)
}

// checkPin returns an error if an alias points to a key that is not pinned: nothing may be put under it.
// A command asks once for each alias.
func (e *Engine) checkPin(ctx context.Context, v *View, alias string) error {
	if e.PinnedKey == nil || slices.Contains(v.pinned, alias) {
		return nil
	}
	if _, err := e.PinnedKey(ctx, v.Service, alias); err != nil {
		return err
	}
	v.pinned = append(v.pinned, alias)
	return nil
}
