package app

import (
	"errors"
	"strings"

	"github.com/coffer-secrets/coffer/environ"
	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// hint returns what a person can do about an error; "" if nothing is known.
func hint(err error) string {
	text := ownHint(err)
	if text != "" && isStopped(err) {
		text += "; what was done is kept: run the same command again to do the rest"
	}
	return text
}

// ownHint returns the hint of an error alone, without regard to a batch that it stopped.
func ownHint(err error) string {
	var own *hintError
	var alias *store.AliasError
	var pin *store.PinError
	var seal *store.SealError
	var trust *store.KeyTrustError
	var rollback *store.RollbackError
	var corrupt *store.CorruptError
	var other *store.OtherBackendError
	var unreadable *unreadableError
	var refused *store.StorageError
	var contact *awsconf.ContactError
	var answer interface{ ErrorCode() string } // of KMS, for a command that asks it itself
	var hinted interface{ Hint() string }      // awsconf's, and store.CredentialsError
	switch {
	case errors.As(err, &own):
		return own.hint
	case errors.As(err, &hinted):
		return hinted.Hint()
	case errors.As(err, &alias):
		return aliasHint(err, alias)
	case errors.As(err, &pin):
		return "nothing was stored, because readers who pin other keys couldn't read it. Add the key to key_arns everywhere first (docs/rotation.md), or point the alias back to the pinned key"
	case errors.As(err, &trust):
		return trustHint(trust)
	case errors.As(err, &seal) && seal.Method == "" && strings.Contains(seal.Object, admin.ProbeDir):
		return unencrypted
	case errors.As(err, &seal) && sealedElsewhere(seal):
		return otherBackendHint(seal)
	case errors.As(err, &seal) && strings.HasPrefix(seal.Want, "arn:"): // keys are pinned
		return "somebody may have replaced it, or a key is missing in key_arns; its content was not used"
	case errors.As(err, &seal):
		return "somebody may have replaced it, or the store doesn't encrypt; its content was not used"
	case errors.As(err, &other):
		return otherBucketHint(other)
	case errors.As(err, &rollback):
		return "an older version was restored, or another program deleted it and wrote it again; --allow-rollback accepts it once, coffer doctor --fix --allow-rollback permanently"
	case errors.As(err, &corrupt):
		return damagedHint(corrupt.Object)
	case errors.As(err, &unreadable):
		return unreadable.hint()
	case errors.As(err, &refused):
		return storageHint(refused)
	case errors.As(err, &contact) && contact.Code != "":
		return hintOf(contact.Code)
	case errors.As(err, &answer) && hintOf(answer.ErrorCode()) != "":
		return hintOf(answer.ErrorCode())
	case errors.Is(err, awsconf.ErrNoRegion):
		return "set --region, COFFER_AWS_REGION or AWS_REGION"
	case errors.Is(err, store.ErrIndexBehind):
		return "readers still get the right values. The next write to the service repairs the index; so does coffer doctor --fix"
	}
	if text := projectHint(err); text != "" {
		return text
	}
	return environHint(err)
}

func aliasHint(err error, e *store.AliasError) string {
	var op *store.Error
	deletes := errors.As(err, &op) && op.Op == opDelete
	switch {
	case e.Index != "":
		return "use another alias for one of them: \"/\" and \"_\" make the same index name"
	case deletes && e.Have == "":
		return "coffer write --adopt writes it under " + e.Want + "; then it can be deleted there"
	case deletes:
		return "to delete it there: --kms-key-alias " + e.Have
	case e.Have == "":
		return "--adopt writes it under " + e.Want
	}
	return "to change it under its alias: --kms-key-alias " + e.Have
}

// trustHint names the command that accepts a key, where one does.
func trustHint(e *store.KeyTrustError) string {
	compare := "Compare the id with what another member has: coffer keys members " + e.Alias
	switch {
	case e.KeyID == "":
		return "set XDG_STATE_HOME to a directory that stays, so that the key is remembered; or accept each key that is found with --trust-on-first-use"
	case e.New:
		return "nothing was read or written under it. Compare the id with what another member has. If it is right: coffer keys trust " + e.Alias + " " + e.KeyID
	case e.Want == "":
		return "pin it in the configuration file, key_ids: {" + e.Alias + ": " + e.KeyID + "}, or accept whatever is found with --trust-on-first-use. " + compare
	case e.Pinned:
		return "somebody may have replaced the key; nothing was read or written under it. " + compare + ". If it is right, change key_ids in the configuration file"
	case e.Older:
		return "somebody may have put it back, with members who were revoked since; nothing was read or written under it. Restore the newest version of the object. To accept the old one: coffer keys trust " + e.Alias + " " + e.KeyID
	}
	return "somebody may have replaced the key; nothing was read or written under it. " + compare + ". If it is right: coffer keys trust " + e.Alias + " " + e.KeyID
}

func environHint(err error) string {
	var dangerous *environ.DangerousError
	var clash *environ.ClashError
	var size *environ.SizeError
	var nul *environ.NULError
	var unmatched *environ.UnmatchedError
	switch {
	case errors.As(err, &dangerous):
		return "--allow-env " + dangerous.Name + " allows it, --skip " + dangerous.Key + " leaves it out"
	case errors.As(err, &clash):
		return "--skip leaves one of them out"
	case errors.As(err, &size) && size.Key != "":
		return "--skip " + size.Key + " leaves it out; read --out FILE writes it to a file"
	case errors.As(err, &unmatched):
		return "coffer list shows the keys of a service; --allow-empty accepts a pattern that matches no key"
	case errors.As(err, &nul) && nul.Key != "":
		return "--skip " + nul.Key + " leaves it out"
	}
	return ""
}
