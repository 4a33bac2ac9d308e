package engine

import (
	"context"
	"slices"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// guard refuses to change a secret that is under another alias than ours (W2). Only rekey
// moves secrets between aliases.
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

// adopts reports whether a secret that guard let pass has no owner yet: then it is written,
// changed or not, so that it says whose it is.
func (w *writing) adopts(ctx context.Context, o *Document, info bucket.Info) bool {
	return w.o.Adopt && o.Alias == "" && !w.e.Plain() && w.e.Owner(ctx, w.v, o, info, w.own, "") == ""
}

// Owner tells under which alias an object is that does not say so itself, because another
// program wrote it. An index that vouches for it decides; else the one index that has
// an entry for it; else the key. Two aliases may share a key, so that equal keys decide
// last: that of our own index, that under which the caller has just put (putKey, or ""),
// that of which the key service tells. It returns "" when nothing tells.
func (e *Engine) Owner(ctx context.Context, v *View, o *Document, info bucket.Info, own *IndexState, putKey string) string {
	var claims, verified []*IndexState
	for _, s := range v.Readable() {
		e, ok := s.Index.Entries[o.key]
		if !ok || e.Moving { // announced, and not there yet
			continue
		}
		if _, ok := s.Index.Verified(o.key, string(info.Tag)); ok {
			verified = append(verified, s)
		}
		claims = append(claims, s)
	}
	if len(verified) == 1 { // of two, neither is believed
		return verified[0].AliasOf(o.key)
	}
	sameKey := func(s *IndexState) bool { return s.Seal.KeyID == info.Seal.KeyID }
	if info.Seal.KeyID != "" && (len(claims) > 1 || slices.ContainsFunc(v.Readable(), sameKey)) {
		// Also a single claim yields to the key of another index: chamber has moved the secret,
		// and its value must not come back under the old key.
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

// AliasOf returns the alias under which an index has a secret: its own, or another one that makes
// the same name of an index.
func (s *IndexState) AliasOf(key string) string {
	if alias := s.Index.Entries[key].Alias; alias != "" && index.FileName(alias) == s.File {
		return alias
	}
	return s.Index.Alias
}

// KeyAlias returns the alias of an index: as it says, or else as its name tells.
func (s *IndexState) KeyAlias(e *Engine) string {
	if s.Index != nil {
		return s.Index.Alias
	}
	return e.AliasOfFile(s.File)
}

// checkPin refuses to put anything under an alias that stands for a key that is not pinned.
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
