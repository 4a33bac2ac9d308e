package doctor

import (
	"cmp"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/formats"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// Kinds of findings that need another command than the rest of their check.
const (
	repairable       = "repairable"
	orphanNoAlias    = "orphan without an alias"
	keyPendingDelete = "key pending deletion"
	keyUnknown       = "unknown key" // of the local backend: one that other users can read or replace
	keyOfOtherUser   = "key of another user"
	keyObject        = "key object"      // an object is as good as before once its key object is
	wrongSetting     = "wrong setting"   // nothing of the service is as the configuration wants it
	lastVersion      = "last version"    // a damaged object, without an older version that opens
	neededIndex      = "needed index"    // a damaged index, without which values may be lost
	nothingToMove    = "nothing to move" // objects of another backend
)

// commands has the repair command for every check of an inspection, and for the kinds above: on S3
// and, if it differs, on the local backend and where a team holds the keys. The user replaces the words in
// capitals.
var commands = [...]struct{ check, onS3, onLocal, ofTeam string }{
	{check: repairable, onS3: "coffer doctor --fix {service}"},
	{check: admin.CheckTombstone, onS3: "coffer doctor --fix {service}"}, // too new; the finding says when it can be removed
	{check: admin.CheckLeftIndex, onS3: "coffer doctor --fix {service}"}, // once it is an hour old: until then FindingsOf leaves it out
	{check: admin.CheckDrift, onS3: "coffer doctor --fix {service}{under}"},
	{check: admin.CheckUnverifiable, onS3: "coffer doctor --fix {service}{under}"},
	{check: admin.CheckGhost, onS3: "coffer doctor --fix {service}{under}"},
	{check: admin.CheckStray, onS3: "coffer doctor --fix {service}{under}"},
	{check: admin.CheckOrphan, onS3: "coffer rekey {service} --from {alias} --to ALIAS"}, // the name of its index is taken by another alias
	{check: orphanNoAlias, onS3: "coffer read -n {service} KEY | coffer write --adopt {service} KEY -"},
	{check: admin.CheckRollback, onS3: "coffer doctor --fix --allow-rollback {service}"},
	{check: admin.CheckNameClash, onS3: "coffer rekey {service} --from {alias} --to ALIAS"},
	{check: admin.CheckMoving, onS3: "coffer rekey {service} --from {from} --to {alias}"},
	{check: admin.CheckOtherKey, onS3: "coffer rekey --same {service}{under}"},
	{check: admin.CheckCaseTwins, onS3: "coffer delete --exact-key {service} KEY"},
	// Deleting loses nothing: an older version was seen to open, and the bucket keeps what is deleted, or the index has nothing that
	// the secrets don't have. A directory keeps no versions, so the file is moved.
	{check: admin.CheckCorruptIndex, onS3: "aws s3api delete-object{endpoint} --bucket {bucket} --key {object} && coffer doctor --fix {service}", onLocal: "mv {file} . && coffer doctor --fix {service}"},
	{check: admin.CheckCorruptSecret, onS3: "aws s3api delete-object{endpoint} --bucket {bucket} --key {object} && coffer restore {service} {name} --deleted --at {older}{under}", onLocal: "mv {file} . && coffer doctor --fix {service}"},
	{check: lastVersion, onS3: copyObject, onLocal: "mv {file} . && coffer doctor --fix {service}"},
	{check: neededIndex, onS3: copyObject, onLocal: "mv {file} . && coffer doctor --fix {service}"},
	{check: admin.CheckOtherBackend, onS3: "coffer doctor {service} -b {backend}"},
	{check: keyObject, onS3: "aws s3api list-object-versions{endpoint} --bucket {bucket} --prefix {keyobject}"},
	{check: wrongSetting, onS3: "coffer config"},
	{check: nothingToMove, onS3: "aws s3 ls{endpoint} s3://{bucket}/{service}/"},
	{admin.CheckDisabledKey, "aws kms enable-key --key-id {key}", "install -m 600 BACKUP {keys}", members},
	{check: keyPendingDelete, onS3: "aws kms cancel-key-deletion --key-id {key} && aws kms enable-key --key-id {key}"},
	{keyUnknown, "coffer keys {service}", "chmod go-w {keys} && chmod 600 {keys}/*.age", members},
	{keyOfOtherUser, "coffer keys {service}", `sudo chown -R "$(id -u)" {keys}`, members},
	{admin.CheckHidden, "coffer policy check reader {service}", "(umask 077; mkdir -p {keys}{identities})", members},
	{admin.CheckDeniedIndex, "coffer policy check reader {service}", "(umask 077; mkdir -p {keys}{identities})", members},
	{check: admin.CheckLostVersion, onS3: "aws s3api list-object-versions{endpoint} --bucket {bucket} --prefix {object}", onLocal: "coffer write {service} {name} -"},
	{check: admin.CheckNoAlias, onS3: "coffer read -n {service} KEY | coffer write {service} KEY -"},
	{check: admin.CheckForeign, onS3: "aws s3 mv{endpoint} s3://{bucket}/{object} .", onLocal: "mv {file} ."},
}

// copyObject keeps a copy of an object.
const copyObject = "aws s3 cp{endpoint} s3://{bucket}/{object} ."

// members shows who can give somebody the key of an alias, or what is wrong with that key and the way out.
const members = "coffer keys members {team}"

// commandFor returns the command that repairs a finding.
func commandFor(a *app.App, f *admin.Finding, seen *admin.Inspection) string {
	f = repairFirst(f, seen)
	keys := formats.ShellTyped(a.InForce.KeyDir.Value)
	var from, key, under, identities string
	team := f.KeyAlias // whose members can help
	for i := range seen.Secrets {
		if s := &seen.Secrets[i]; s.ID == f.ID {
			from, key = s.KeyAlias, s.KeyID
		}
	}
	for i := range seen.Indexes {
		x := &seen.Indexes[i]
		if x.Object == f.Object {
			key = x.KeyID
		}
		if errors.Is(x.Err, store.ErrDenied) && (f.Object == "" || x.Object == f.Object) {
			file := index.Label(path.Base(x.Object))
			team = cmp.Or(team, x.KeyAlias)
			// Appended, as the file may have got another identity since.
			identities += "; cat BACKUP/" + file + ".age >> " + keys + "/" + file + ".age"
		}
	}
	if f.KeyAlias != "" && f.KeyAlias != a.InForce.AliasOfWrites() {
		under = " --kms-key-alias " + formats.ShellTyped(f.KeyAlias)
	}
	objects := []string{f.Object}
	if f.Check == admin.CheckForeign {
		objects = seen.Foreign[:min(5, len(seen.Foreign))]
	}
	if f.Check == admin.CheckForeign && mayBeUsed(seen) {
		objects = objects[:1]
	}
	command, onLocal, all := "", a.InForce.Kind().Directory, ""
	kind := kindOf(f, seen, key, onLocal)
	for i := range commands {
		if m := &commands[i]; m.check == kind {
			switch command = m.onS3; {
			case onLocal && m.onLocal != "":
				command = m.onLocal
			case a.InForce.Kind().Teams && m.ofTeam != "":
				command = m.ofTeam
			}
		}
	}
	if identities == "" {
		identities = "; cat BACKUP >> " + keys + "/NAME.age"
	}
	for _, object := range objects {
		all += " && " + strings.NewReplacer(
			"{service}", f.ID.Service, "{name}", f.ID.Key, "{under}", under,
			"{bucket}", a.InForce.Bucket.Value, "{endpoint}", endpointFlag(a), "{object}", formats.ShellTyped(object),
			"{file}", formats.ShellTyped(a.InForce.LocalFile(object)),
			"{alias}", formats.ShellTyped(f.KeyAlias), "{keyobject}", formats.ShellTyped(admin.KeyObject(f.KeyAlias)), "{team}", formats.ShellTyped(cmp.Or(team, a.InForce.AliasOfWrites())), "{from}", formats.ShellTyped(from), "{key}", formats.ShellTyped(key),
			"{keys}", keys, "{identities}", identities, "{older}", formats.ShellTyped(f.Older), "{backend}", backendOf(f, seen),
		).Replace(command)
	}
	return strings.TrimPrefix(all, " && ")
}

// repairFirst returns the finding about the same index that must be repaired before f can be; f if
// there is none.
func repairFirst(f *admin.Finding, seen *admin.Inspection) *admin.Finding {
	ofIndex := []string{admin.CheckDrift, admin.CheckUnverifiable, admin.CheckGhost, admin.CheckStray, admin.CheckOrphan}
	if f.Repairable || !slices.Contains(ofIndex, f.Check) {
		return f
	}
	for i := range seen.Findings {
		b := &seen.Findings[i]
		if b.Check == admin.CheckRollback && b.KeyAlias == f.KeyAlias || (b.Check == admin.CheckNameClash || b.Check == admin.CheckCorruptIndex) && b.Object == f.Object {
			return b
		}
	}
	return f
}

// kindOf returns the row of commands for a finding. key is the key of the object, as the storage
// names it.
func kindOf(f *admin.Finding, seen *admin.Inspection, key string, onLocal bool) string {
	kind := f.Check
	switch {
	case f.Repairable:
		kind = repairable
	case kind == admin.CheckOrphan && f.KeyAlias == "":
		kind = orphanNoAlias
	case kind == admin.CheckForeign && mayBeUsed(seen):
		kind = nothingToMove
	case f.OfKey && kind == admin.CheckKeyRollback:
		kind = keyObject
	case isDamage(f):
		kind = kindOfDamage(f)
	case kind != admin.CheckDisabledKey:
	case strings.Contains(f.Text, "belongs to another user: chown"):
		kind = keyOfOtherUser
	case strings.Contains(f.Text, "chmod") || key == "" && !onLocal:
		kind = keyUnknown
	case strings.Contains(f.Text, "InvalidState"):
		kind = keyPendingDelete
	}
	return kind
}

// isDamage reports whether a finding is about objects that can't be used as they are.
func isDamage(f *admin.Finding) bool {
	switch f.Check {
	case admin.CheckUnsealed, admin.CheckCopied, admin.CheckCorruptSecret, admin.CheckCorruptIndex:
		return true
	}
	return f.Check == admin.CheckOtherKey && f.Severity == admin.Serious
}

// kindOfDamage returns the row of commands for such a finding: none deletes an object that may have the only copy of a value.
func kindOfDamage(f *admin.Finding) string {
	switch {
	case f.Object == "":
		return wrongSetting
	case f.ID.Key == "" && f.Useless:
		return admin.CheckCorruptIndex
	case f.ID.Key == "":
		return neededIndex
	case f.Older == "":
		return lastVersion
	}
	return admin.CheckCorruptSecret
}
