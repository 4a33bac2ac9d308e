package inspect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/engine"
)

// checkSecret finds the faults of one secret object.
func (in *inspection) checkSecret(s *seenSecret) {
	finding := func(check string, severity admin.Severity, format string, args ...any) fault {
		return fault{err: s.err, Finding: admin.Finding{
			Check: check, Severity: severity, ID: store.ID{Key: s.key}, KeyAlias: s.alias, Text: fmt.Sprintf(format, args...),
		}}
	}
	bad := unsealed(s.err, s.key)
	if bad == nil && !s.headDenied {
		bad = unsealed(in.e.Vouch(engine.ObjectName(in.v.Service, s.key), s.info.Seal), s.key)
	}
	switch {
	case bad != nil:
		bad.KeyAlias = s.alias
		in.add(*bad)
		return
	case errors.Is(s.err, bucket.ErrKey) || keyObject(s.err):
		s.alias = cmp.Or(s.alias, in.aliasOfKey(s.info.Seal.KeyID))
		in.add(finding(admin.CheckDisabledKey, admin.Serious, "is encrypted with a key that can't be used, so every reader fails: %s", message(s.err)))
		return
	case copied(s.err) != "":
		in.add(finding(admin.CheckCopied, admin.Serious, "has the content of another object, so every reader and writer of the service fails: %s", copied(s.err)))
		return
	case s.err != nil:
		in.add(finding(admin.CheckCorruptSecret, admin.Serious, "is not a valid secret, so every reader and writer of the service fails: %s", message(s.err)))
		return
	case s.deleted:
		in.checkTombstone(s, finding)
		return
	}
	for _, n := range in.lost(s) {
		in.add(finding(admin.CheckLostVersion, admin.Remark, "has lost version %d: a program that writes without conditions%s overwrote it. "+
			"A bucket with versioning still has it", n, in.ofChamber(", such as chamber,", "")))
	}
}

// checkTombstone adds a finding for a tombstone. It is repairable if it is old enough.
func (in *inspection) checkTombstone(s *seenSecret, finding func(string, admin.Severity, string, ...any) fault) {
	f := finding(admin.CheckTombstone, admin.Remark, "was deleted on %s; the tombstone can be removed after 24 hours", s.info.Modified.UTC().Format(time.DateOnly))
	if known := s.object == nil || s.object.Deleted; known && !s.info.Modified.IsZero() && in.e.Now().Sub(s.info.Modified) >= tombstoneAge {
		f.tombstone = s
		f.Text = fmt.Sprintf("was deleted on %s; the tombstone is no longer needed", s.info.Modified.UTC().Format(time.DateOnly))
	}
	in.add(f)
}

// orphaned reports whether a secret is missing from the index of its alias or, if its alias is
// unknown, from every index.
func (in *inspection) orphaned(s *seenSecret) bool {
	if s.hidden || s.vouchedBy != nil {
		return false
	}
	for _, x := range in.indexes {
		if _, held := x.Entry(s.key); held && (s.alias == "" || x.AliasOf(s.key) == s.alias) {
			return false
		}
		if x.Index == nil && (s.alias == "" || x.File == index.FileName(s.alias)) {
			return false // the index could not be read: its entries are unknown
		}
	}
	return true
}

// lost returns versions that are missing though too new to be pruned: gaps between the numbers, and
// versions that have another value now than in an index.
func (in *inspection) lost(s *seenSecret) []int {
	if s.object == nil {
		return nil
	}
	numbers := slices.Sorted(maps.Keys(s.object.Versions))
	var gone []int
	for i, n := range numbers[1:] {
		for between := numbers[i] + 1; between < n && n-numbers[i] <= engine.MaxVersions; between++ {
			gone = append(gone, between)
		}
	}
	for _, x := range in.v.Readable() {
		e := x.Index.Entries[s.key]
		v, ok := s.object.Versions[e.Version]
		if e.Tag != "" && ok && v.Value != e.Value && !slices.Contains(gone, e.Version) {
			gone = append(gone, e.Version)
		}
	}
	return gone
}

// checkKeys adds the findings that are about several secrets together.
func (in *inspection) checkKeys(ctx context.Context) {
	type place struct{ alias, key, want string }
	elsewhere, orphans := map[place][]string{}, map[string][]string{}
	var hidden, silent []string
	for _, s := range in.secrets {
		switch {
		case s.hidden:
			hidden = append(hidden, s.key)
		case s.err == nil && !s.deleted && in.orphaned(s):
			orphans[s.alias] = append(orphans[s.alias], s.key)
		}
		if in.e.Plain() || s.deleted {
			continue
		}
		if s.object != nil && s.object.Alias == "" {
			silent = append(silent, s.key)
		}
		if want := in.keyOf(ctx, s.alias); s.alias != "" && !s.hidden && !keyObject(s.err) && isOther(s.info.Seal.KeyID, want, s.alias) {
			at := place{s.alias, s.info.Seal.KeyID, want}
			elsewhere[at] = append(elsewhere[at], s.key)
		}
	}
	of := func(check string, severity admin.Severity, keys []string, alias, text string) {
		f := fault{Finding: admin.Finding{Check: check, Severity: severity, KeyAlias: alias}}
		f.Text = fmt.Sprintf("%s %s: %s", counted(len(keys), "secret"), text, few(keys))
		if check == admin.CheckOrphan {
			f.index = in.target(alias)
		}
		in.add(f)
	}
	for alias, keys := range orphans {
		text := "in no index: " + in.ofChamber("chamber doesn't find it, and ", "") + "each reader reads it separately"
		if alias == "" && !in.e.Plain() {
			text += ", and its alias is unknown"
		}
		of(admin.CheckOrphan, admin.Warning, keys, alias, text)
	}
	for at, keys := range elsewhere {
		of(admin.CheckOtherKey, admin.Warning, keys, at.alias, fmt.Sprintf("of %s encrypted with %s, while the alias points to %s", at.alias, at.key, at.want))
	}
	if len(hidden) > 0 {
		of(admin.CheckHidden, admin.Remark, hidden, "", "hidden from you")
		last := in.faults[len(in.faults)-1]
		last.KeyAlias, last.OfKey = in.lostFor()
	}
	if len(silent) > 0 {
		of(admin.CheckNoAlias, admin.Remark, silent, "", "without a recorded key alias, because another program"+in.ofChamber(", such as chamber,", "")+" wrote them")
	}
}

// keyOf returns the key to which an alias points now. If the key service does not report it, keyOf
// returns the key of the alias' index, or "" if there is none.
func (in *inspection) keyOf(ctx context.Context, alias string) string {
	if alias == "" {
		return ""
	}
	if key := in.e.KeyID(ctx, alias); key != "" {
		return key
	}
	if s := in.v.Indexes[index.FileName(alias)]; s != nil && s.Index != nil && s.Index.Alias == alias {
		return s.Seal.KeyID
	}
	return ""
}
