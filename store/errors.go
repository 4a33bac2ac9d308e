package store

import (
	"errors"
	"fmt"
	"strings"
)

// The sentinels classify every failure; test for them with errors.Is.
var (
	ErrInvalid       = errors.New("invalid")                      // a name, value or option that can never work
	ErrNotFound      = errors.New("not found")                    // no such secret, version or service
	ErrAmbiguousName = errors.New("ambiguous name")               // two keys, services or aliases differ from the name only in case
	ErrConflict      = errors.New("conflict")                     // another writer's state prevents the change
	ErrDenied        = errors.New("denied")                       // the caller lacks a permission
	ErrUnavailable   = errors.New("unavailable")                  // network, throttling, contention
	ErrUnknown       = errors.New("outcome unknown")              // a change may or may not have happened
	ErrConfiguration = errors.New("configuration")                // no credentials, no bucket, wrong region, no such key
	ErrCorrupt       = errors.New("corrupt")                      // stored bytes that are invalid or not verified
	ErrUnsupported   = errors.New("not supported by the backend") // this backend or server cannot do it
	ErrIndexBehind   = errors.New("the index is not up to date")  // the secret is stored, its index entry is not
)

// ErrCredentials is an [ErrConfiguration]: the storage does not accept the caller's credentials.
// There are none, or the session has ended. Further requests would fail too.
var ErrCredentials = fmt.Errorf("credentials: %w", ErrConfiguration)

// Error is the typed error of every [Store] method.
type Error struct {
	Op  string // the method, in lower case: "read", "write", ...
	ID  ID     // Key may be empty
	Err error
}

func (e *Error) Error() string {
	switch {
	case e.ID == ID{}:
		return fmt.Sprintf("%s: %v", e.Op, e.Err)
	case e.ID.Key == "":
		return fmt.Sprintf("%s %s: %v", e.Op, e.ID.Service, e.Err)
	}
	return fmt.Sprintf("%s %s: %v", e.Op, e.ID, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// NotFoundError is an [ErrNotFound] with the nearest existing name.
type NotFoundError struct {
	What    string // "secret", "version", "service"
	Nearest string // an existing name similar to the requested one; "" if there is none
	Version string // of a "version" that was asked for by a number, an id or a label; otherwise ""
}

func (e *NotFoundError) Error() string {
	switch {
	case e.Version != "":
		return "there is no " + e.What + " " + e.Version
	case e.Nearest == "":
		return "no such " + e.What
	}
	return fmt.Sprintf("no such %s (nearest: %q)", e.What, e.Nearest)
}

func (e *NotFoundError) Unwrap() error { return ErrNotFound }

// AmbiguousNameError is an [ErrAmbiguousName] with the matching names: keys, services or aliases.
type AmbiguousNameError struct{ Keys []string }

func (e *AmbiguousNameError) Error() string {
	return fmt.Sprintf("several names differ from it only in case: %q", e.Keys)
}

func (e *AmbiguousNameError) Unwrap() error { return ErrAmbiguousName }

// AliasError is an [ErrConflict]: the secret, or the index file, belongs to another alias.
type AliasError struct {
	Have  string // the alias that it is encrypted under; "" if unknown
	Want  string // the alias that the caller configured
	Index string // the object, if two aliases have the same index name; else ""
}

func (e *AliasError) Error() string {
	switch {
	case e.Index != "":
		return fmt.Sprintf("%s belongs to %s, not to %s: both aliases have the same index name", e.Index, e.Have, e.Want)
	case e.Have == "":
		return "it exists under a key whose alias is unknown; refusing to write it under " + e.Want
	}
	return fmt.Sprintf("it exists under %s; refusing to write it under %s", e.Have, e.Want)
}

func (e *AliasError) Unwrap() error { return ErrConflict }

// VersionError is an [ErrConflict]: the newest version is not the expected one.
type VersionError struct{ Have, Want int } // 0: the secret does not exist

func (e *VersionError) Error() string {
	return fmt.Sprintf("the newest version is %d, not %d", e.Have, e.Want)
}

func (e *VersionError) Unwrap() error { return ErrConflict }

// CorruptError is an [ErrCorrupt] that names the object.
type CorruptError struct {
	Object string
	Offset int64 // the byte at which parsing failed; -1 if that doesn't apply
	Reason string
}

func (e *CorruptError) Error() string {
	if e.Offset < 0 {
		return fmt.Sprintf("%s: %s", e.Object, e.Reason)
	}
	return fmt.Sprintf("%s is damaged at byte %d: %s", e.Object, e.Offset, e.Reason)
}

func (e *CorruptError) Unwrap() error { return ErrCorrupt }

// The codes of a [*StorageError] of a store in a directory.
const (
	CodeFile       = "File"       // the file system refuses: Reason names the path
	CodeNoIdentity = "NoIdentity" // no identity in the key directory opens the object: Reason names it
)

// CodeCopied is the code of a [*StorageError] about an object that was copied from another name: it was
// sealed for that one, which Reason names.
const CodeCopied = "Copied"

// The codes of a [*StorageError] of a store whose alias keys belong to teams.
const (
	CodeNotAsked       = "NotAsked"       // an age identity must ask, and nobody can be asked
	CodeNotMember      = "NotMember"      // no age identity of the caller opens the key of the alias
	CodeNoTeamKey      = "NoTeamKey"      // the alias has never had a key
	CodeLostTeamKey    = "LostTeamKey"    // the alias has had a key, and its key object is missing
	CodeDamagedTeamKey = "DamagedTeamKey" // the key object of the alias is not a valid one
	CodeUnknownTeamKey = "UnknownTeamKey" // the object is sealed under a key that the alias doesn't have: its key object is older, or the object was made up
)

// IsKeyGone reports whether a code is that of something whose team key is not there any more: it is not hidden from the
// caller, but lost for everybody.
func IsKeyGone(code string) bool { return code == CodeLostTeamKey || code == CodeNoTeamKey }

// StorageError is an error answer of the storage. Kind is a sentinel of this package.
type StorageError struct {
	Op     string // "get", "put", "delete", "list", or the name of an AWS operation
	Object string // the object, prefix or parameter
	Bucket string // the bucket, if the error is that it doesn't exist
	Code   string // the storage's own code, such as "AccessDenied" or "KMS.DisabledException"
	Status int    // HTTP status; 0 where there is none
	Reason string // the storage's message: untrusted, escape it before printing
	Kind   error
}

// Operation returns what was tried, and on what: "get api/db_url.json", "list the bucket".
func (e *StorageError) Operation() string {
	switch {
	case e.Object != "":
		return e.Op + " " + e.Object
	case e.Op == "list" || strings.HasSuffix(e.Op, " of"): // of every object, as services lists
		return e.Op + " the bucket"
	}
	return e.Op
}

func (e *StorageError) Error() string {
	text := fmt.Sprintf("%s: %v", e.Operation(), e.Kind)
	if e.Code != "" {
		text += " (" + e.Code + ")"
	}
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}

func (e *StorageError) Unwrap() error { return e.Kind }

// RollbackError is an [ErrCorrupt]: the index was made from a newer version of the secret than the
// secret object contains.
type RollbackError struct {
	Object       string
	Have, Newest int
}

func (e *RollbackError) Error() string {
	return fmt.Sprintf("%s has version %d, but version %d was written", e.Object, e.Have, e.Newest)
}

func (e *RollbackError) Unwrap() error { return ErrCorrupt }

// PinError is an [ErrConfiguration]: keys are pinned, and the alias points to another key. Nothing
// was stored under it.
type PinError struct{ Alias, KeyID string }

func (e *PinError) Error() string {
	return fmt.Sprintf("%s points to the key %s, which is not pinned", e.Alias, e.KeyID)
}

func (e *PinError) Unwrap() error { return ErrConfiguration }

// KeyTrustError is an [ErrCorrupt]: the key of an alias is not one that the caller has a reason to
// trust. Nothing was read or written under it. If the caller knows no key of the alias, it is an
// [ErrConfiguration].
type KeyTrustError struct {
	Alias  string
	Object string // the object that has the key
	KeyID  string // of the key; "" if there is none yet
	Want   string // the id that is pinned, or was seen last; "" if none is known
	Pinned bool   // Want is pinned
	Older  bool   // it is an earlier key of the alias
	New    bool   // the alias turned up after the first use of the bucket, or beside a pinned one
}

func (e *KeyTrustError) Error() string {
	switch {
	case e.KeyID == "":
		return fmt.Sprintf("%s has no key yet, and what is created now could not be recognised later", e.Alias)
	case e.New:
		return fmt.Sprintf("%s is new to this machine: %s has the key %s, which anybody who can write to the bucket could have made", e.Alias, e.Object, e.KeyID)
	case e.Want == "":
		return fmt.Sprintf("%s has the key %s, and nothing tells whether that is the key of %s", e.Object, e.KeyID, e.Alias)
	case e.Pinned:
		return fmt.Sprintf("%s has the key %s, but the pinned key of %s is %s", e.Object, e.KeyID, e.Alias, e.Want)
	case e.Older:
		return fmt.Sprintf("%s was put back to an older state: it has the key %s, but %s has had the key %s since", e.Object, e.KeyID, e.Alias, e.Want)
	}
	return fmt.Sprintf("%s has the key %s, which doesn't come from the key of %s, %s", e.Object, e.KeyID, e.Alias, e.Want)
}

func (e *KeyTrustError) Unwrap() error {
	if e.Want == "" {
		return ErrConfiguration
	}
	return ErrCorrupt
}

// SealError is an [ErrCorrupt]: an object is not encrypted as the configuration requires, so it is
// not trusted.
type SealError struct {
	Object string
	Method string // "" if the storage reported none
	KeyID  string
	Want   string // what the configuration requires, in words
	Format string // "age:coffer-alias", "age:aws-kms" or "json", if the object begins as those of another kind of store; else ""
}

func (e *SealError) Error() string {
	have := "not encrypted, according to the storage"
	if strings.HasPrefix(e.Format, "age:") {
		have = "encrypted by another kind of store, with " + e.Format
	} else if e.Method != "" {
		have = "encrypted with " + e.Method
		if e.KeyID != "" {
			have += " under " + e.KeyID
		}
	}
	return fmt.Sprintf("%s is %s; expected: %s", e.Object, have, e.Want)
}

func (e *SealError) Unwrap() error { return ErrCorrupt }

// OtherBackendError is an [ErrConfiguration]: a bucket has secrets of another kind of store, whose objects have the
// same names, and none of the one that is configured. Nothing was changed.
type OtherBackendError struct {
	Bucket string
	Object string // an index of the other store
	Have   BackendFormat
	Want   BackendFormat
}

// BackendFormat tells by which kind of store the objects of a bucket were written.
type BackendFormat struct {
	Format  string // as in [SealError]
	Aliases bool   // there is an index for each key alias
}

func (e *OtherBackendError) Error() string {
	return "the bucket has secrets of another backend, such as those of " + e.Object + "; two backends can't share a bucket"
}

func (e *OtherBackendError) Unwrap() error { return ErrConfiguration }

// CredentialsError is an [ErrCredentials] in whole sentences.
type CredentialsError struct {
	Reason string // what went wrong; may contain a server's text: escape it before printing
	Way    string // what the user can do about it

	Unreached bool // no server answered, so it isn't known whether the caller still has access
	Refused   bool // the caller was refused, and not only because a session has ended
}

func (e *CredentialsError) Error() string { return e.Reason }

// Hint returns what the user can do about the error.
func (e *CredentialsError) Hint() string { return e.Way }

func (e *CredentialsError) Unwrap() error { return ErrCredentials }

// StoppedError is the error of a batch that was stopped by a failure that every other change would
// meet too.
type StoppedError struct {
	Left, Of int  // how many changes were not made, and how many there were
	Behind   bool // changes that were made are missing from the index: see [ErrIndexBehind]
	Err      error
}

func (e *StoppedError) Error() string {
	text := fmt.Sprintf("%v (%d of %d not done)", e.Err, e.Left, e.Of)
	if e.Behind {
		text += "; " + ErrIndexBehind.Error()
	}
	return text
}

func (e *StoppedError) Unwrap() []error {
	if e.Behind {
		return []error{e.Err, ErrIndexBehind}
	}
	return []error{e.Err}
}
