package inspect

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/engine"
)

// checkIndex finds the faults of one index.
func (in *inspection) checkIndex(ctx context.Context, s *seenIndex) {
	object := in.v.Service + "/" + s.File
	finding := func(check string, severity admin.Severity, format string, args ...any) fault {
		return fault{err: s.err, Finding: admin.Finding{
			Check: check, Severity: severity, Object: object, KeyAlias: s.KeyAlias(in.e), Text: fmt.Sprintf(format, args...),
		}}
	}
	bad := unsealed(s.err, "")
	if bad == nil && errors.Is(s.err, bucket.ErrTorn) && s.info.Tag != "" { // what can't be opened may be in clear
		bad = unsealed(in.e.Vouch(object, s.info.Seal), "")
	}
	switch {
	case bad != nil:
		bad.KeyAlias = s.KeyAlias(in.e)
		in.add(*bad)
		return
	case errors.Is(s.err, bucket.ErrDenied):
		f := finding(admin.CheckDeniedIndex, admin.Remark, "is hidden from you, so its entries were not checked (%s)", message(s.err))
		f.OfKey = lostKey(s.err)
		in.add(f)
		return
	case errors.Is(s.err, bucket.ErrKey) || keyObject(s.err):
		in.checkUnusableIndex(s, finding)
		return
	case copied(s.err) != "":
		in.add(finding(admin.CheckCopied, admin.Serious, "has the content of another object, so every reader and writer of the service fails: %s", copied(s.err)))
		return
	case s.Corrupt != nil:
		f := finding(admin.CheckCorruptIndex, admin.Serious, "is not a valid index: %s. Readers request each secret, %snobody can write under this alias", message(s.Corrupt),
			in.ofChamber("chamber fails, and ", "and "))
		f.index = in.targetOf(s)
		in.add(f)
		return
	case s.err != nil:
		in.add(finding(admin.CheckCorruptIndex, admin.Serious, "can't be read, so every reader fails: %s", message(s.err)))
		return
	}
	if other, foreign := s.Index.Foreign(); foreign {
		f := finding(admin.CheckNameClash, admin.Serious, "has entries of %s and of %s. Two aliases share one index, so nobody can write under either", other, s.Index.Alias)
		if f.KeyAlias = other; index.FileName(other) != s.File { // the other alias has another file name: the entry is wrong
			f.Check = admin.CheckCorruptIndex
		}
		in.add(f)
	}
	if want, ok := in.aliasFor(s); ok && !in.e.Plain() {
		if key := in.e.KeyID(ctx, want); key != "" && isOther(s.Seal.KeyID, key, want) {
			in.add(finding(admin.CheckOtherKey, admin.Warning, "is encrypted with %s, but %s now points to %s", s.Seal.KeyID, want, key))
		}
	}
	in.checkEntries(s, finding)
	in.checkUnneededIndex(s, finding)
}

// isOther reports whether a key is not the one wanted for an alias. Some servers name keys by
// their aliases.
func isOther(key, want, alias string) bool {
	return key != "" && want != "" && key != want && key != alias && !strings.HasSuffix(key, ":"+alias)
}

// message returns the text of an error, translated by [engine.StorageError].
func message(err error) string { return engine.StorageError(err).Error() }

// checkUnusableIndex adds a finding for an index whose key cannot be used. An index is a cache: if no
// secret is under its key, it can be deleted without being read.
func (in *inspection) checkUnusableIndex(s *seenIndex, finding func(string, admin.Severity, string, ...any) fault) {
	needed := s.info.Tag == "" || s.Seal.KeyID == "" || keyObject(s.err) // that object can be put back
	for _, secret := range in.secrets {
		needed = needed || secret.headDenied || secret.info.Seal.KeyID == "" || secret.info.Seal.KeyID == s.Seal.KeyID
	}
	if needed {
		in.add(finding(admin.CheckDisabledKey, admin.Serious, "is encrypted with a key that can't be used, so every reader fails%s: %s", in.ofChamber(", chamber too", ""), message(s.err)))
		return
	}
	f := finding(admin.CheckLeftIndex, admin.Serious, "is encrypted with a key that can't be used, so every reader fails%s; no secret uses that key: %s",
		in.ofChamber(", chamber too", ""), message(s.err))
	f.unneeded = s
	in.add(f)
}

// checkUnneededIndex adds a finding for an index without entries that is not needed. If its key is
// disabled later, every reader fails.
func (in *inspection) checkUnneededIndex(s *seenIndex, finding func(string, admin.Severity, string, ...any) fault) {
	own := s.File == index.FileName(in.e.Alias)
	if len(s.Index.Entries) > 0 || own && len(in.secrets) > 0 {
		return
	}
	for _, secret := range in.secrets {
		if secret.alias != "" && index.FileName(secret.alias) == s.File {
			return // it is needed for that secret
		}
	}
	f := finding(admin.CheckLeftIndex, admin.Warning, "has no entries, and no secret uses its alias. If its key is disabled, every reader fails")
	if f.unneeded = s; own {
		f.Severity, f.Text = admin.Remark, "is all that is left of the service, and has no entries"
	}
	if s.Index.Remembers() && in.inheritor(s) == nil {
		f.Severity, f.unneeded = admin.Remark, nil
		f.Text = "has no entries. It keeps the version numbers of deleted secrets, so that none is used twice"
	}
	if s.Index.NoCache {
		f.Severity, f.unneeded = admin.Remark, nil
		f.Text = "has no entries. It keeps that its owner forbids readers to cache what is written under this alias"
	}
	if s.info.Modified.IsZero() || in.e.Now().Sub(s.info.Modified) < unneededAge {
		f.Severity, f.Text, f.unneeded = admin.Remark, "has been empty for less than an hour", nil
	}
	in.add(f)
}

// checkEntries compares the entries of an index with the objects.
func (in *inspection) checkEntries(s *seenIndex, finding func(string, admin.Severity, string, ...any) fault) {
	mend := in.targetOf(s)
	secrets := map[string]*seenSecret{}
	for _, secret := range in.secrets {
		secrets[secret.key] = secret
	}
	unverifiable := 0
	for _, key := range slices.Sorted(maps.Keys(s.Index.Entries)) {
		check, severity, text := in.checkEntry(s, key, secrets[key])
		if check == admin.CheckUnverifiable {
			unverifiable++
			continue
		}
		if check == "" {
			continue
		}
		f := finding(check, severity, "%s", text)
		f.ID.Key = key
		if check != admin.CheckMoving { // only the rekey can finish a move
			f.index = mend
		}
		in.add(f)
	}
	if unverifiable > 0 {
		f := finding(admin.CheckUnverifiable, admin.Warning, "%s, and can't be verified: each reader reads %s again",
			in.ofChamber("was written by another program, such as chamber", "doesn't record the states of its secrets"), counted(unverifiable, "secret"))
		f.index = mend
		in.add(f)
	}
}

// checkEntry compares one entry with its object. secret is nil if there is no object. check is "" if
// there is no fault.
func (in *inspection) checkEntry(s *seenIndex, key string, secret *seenSecret) (check string, severity admin.Severity, text string) {
	entry, place := s.Index.Entries[key], "the index of "+s.Index.Alias
	if in.e.Plain() {
		place = "the index"
	}
	read, own := in.ofChamber(", where chamber reads it", ""), in.ofChamber(", which chamber reads", "")
	switch {
	case secret == nil || secret.deleted:
		return admin.CheckGhost, admin.Serious, "is deleted, but its value is still in " + place + read
	case entry.Moving && secret.vouchedBy != nil && secret.vouchedBy != s.IndexState && entry.Tag == string(secret.info.Tag):
		return admin.CheckMoving, admin.Warning, fmt.Sprintf("is being moved from %s to %s, or a rekey was interrupted: its value is in both indexes", secret.alias, s.Index.Alias)
	case secret.alias != "" && secret.alias != s.Index.Alias && secret.alias != entry.Alias: // else two aliases share the index: CheckNameClash
		return admin.CheckStray, admin.Serious, fmt.Sprintf("is under %s, but %s also has a value of it%s", secret.alias, place, own)
	case secret.hidden && secret.info.Seal.KeyID != "" && s.Seal.KeyID != "" && secret.info.Seal.KeyID != s.Seal.KeyID:
		return admin.CheckStray, admin.Serious, "is under another key, but a value of it is in " + place + read
	case secret.vouchedBy == s.IndexState || secret.object == nil:
		return "", "", ""
	}
	newest := secret.object.Newest()
	right := secret.object.Versions[newest].Value == entry.Value && (entry.Version == newest || in.e.Plain() && entry.Version == 0)
	switch {
	case entry.Tag != "" && entry.Version > newest:
		return "", "", "" // a rollback: checkRollbacks reports it
	case !right && (entry.Version == newest || in.e.Plain() && entry.Version == 0):
		return admin.CheckDrift, admin.Warning, fmt.Sprintf("has another value in version %d than %s%s", newest, place, own)
	case !right:
		return admin.CheckDrift, admin.Warning, fmt.Sprintf("is at version %d, but %s%s has version %d", newest, place, in.ofChamber(", which chamber reads,", ""), entry.Version)
	case entry.Tag == "":
		return admin.CheckUnverifiable, "", ""
	}
	return admin.CheckDrift, admin.Warning, "has changed since the index was made, but its newest value is the same: each reader reads it again"
}
