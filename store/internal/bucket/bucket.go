// Package bucket is the port through which the secret engine sees any storage: named
// objects, conditional changes, one listing. An S3 bucket, a directory and memory fit it.
package bucket

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Tag names one state of one object. Only the driver that made it reads it: an ETag
// without its quotes, or a content hash. Two states of an object have different tags as
// long as their bytes differ.
type Tag string

// Seal tells how the storage keeps an object secret, in the words of its own answer.
type Seal struct {
	Method string // "aws:kms", "AES256", "age"; "" when the answer named none
	KeyID  string // the key really used: a key ARN, or the name that the server has for it
}

// Info describes an object. A listing leaves Seal empty.
type Info struct {
	Name     string
	Tag      Tag
	Modified time.Time
	Size     int64 // bytes as stored
	Seal     Seal
	Tags     int // how many tags it has, as [Bucket.Get] tells where the storage has tags
}

// Object is an object with its bytes, opened.
type Object struct {
	Info
	Body []byte
}

// If is the condition of a change. The zero If holds always.
type If struct {
	tag    Tag
	absent bool
}

// IfAbsent holds while the object does not exist.
func IfAbsent() If { return If{absent: true} }

// IfMatch holds while the object is in state t.
func IfMatch(t Tag) If { return If{tag: t} }

// Absent reports whether the condition is [IfAbsent].
func (c If) Absent() bool { return c.absent }

// Match returns the tag of an [IfMatch]; ok is false for any other condition.
func (c If) Match() (t Tag, ok bool) { return c.tag, c.tag != "" }

// PutOptions go with [Bucket.Put].
type PutOptions struct {
	If       If
	KeyAlias string            // the key to seal with: "alias/..."; "" means the storage's own
	Tags     map[string]string // for a [Tagger]; a put drops the tags that it does not name
}

// Bucket holds objects. All methods are safe for concurrent use, by this process and
// others: a read never sees half a change, a listing shows every change that was
// acknowledged before it began, and of the changes that race under conditions that
// exclude one another exactly one is made.
//
// Any method can also return [ErrNoBucket], [ErrCredentials], [ErrEndpoint], [ErrUnavailable] or the
// context's error. Errors are [*Error] around one sentinel.
type Bucket interface {
	// Get returns an object. [ErrNotFound], [ErrDenied], [ErrKey], [ErrTorn].
	Get(ctx context.Context, name string) (Object, error)

	// Head returns what Get would, without the bytes and without opening the seal, where
	// the storage allows that to one who may not open it. [ErrNotFound], [ErrDenied].
	Head(ctx context.Context, name string) (Info, error)

	// Put stores an object under a condition and returns its new state, with the seal that
	// the storage reports. [ErrChanged] when the condition failed, [ErrNotFound] when the
	// object to match is gone, [ErrBusy], [ErrDenied], [ErrKey], [ErrUnsupported].
	// After [ErrUnavailable] and [ErrTorn] the object may or may not be stored.
	Put(ctx context.Context, name string, body []byte, o PutOptions) (Info, error)

	// Delete removes an object under a condition ([IfMatch] or none: then one that is not
	// there is no error). Errors as for Put; [ErrUnsupported] where the storage cannot delete under a condition: nothing was done.
	Delete(ctx context.Context, name string, cond If) error

	// List yields the objects whose name begins with prefix and has no "/" after it, in
	// the order of their names. [ErrDenied].
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]

	// Walk is List without the rule about "/": it yields deeper levels too.
	Walk(ctx context.Context, prefix string) iter.Seq2[Info, error]
}

// Tagger is a [Bucket] whose objects can have tags. Errors as for [Bucket.Get] and [Bucket.Put].
type Tagger interface {
	Tags(ctx context.Context, name string) (map[string]string, error)
	SetTags(ctx context.Context, name string, tags map[string]string) error // all of them
}

// Rechecker is a [Bucket] that rests on what it has found out about its server. Recheck says that
// the server has done something else: a change was lost that no condition should have let go.
// Before the next change it finds out again.
type Rechecker interface{ Recheck() }

// Version is one state of an object that the storage still has, or the mark of a deletion.
type Version struct {
	Info        // of a mark only Name and Modified
	ID   string // [NullVersion] while the bucket kept no versions
	// Latest is the one that [Bucket.Get] answers with; after a mark that is the latest, it
	// finds nothing.
	Latest bool
	Mark   bool
}

// NullVersion is the id of the one version that a bucket keeps of an object while it keeps no
// versions. It names whatever was put last in that time: not one state for ever, as others do.
const NullVersion = "null"

// Versioned is a [Bucket] that can keep what is replaced or deleted. Where it was never told to,
// each object has one version, the latest.
type Versioned interface {
	// Versions yields the versions of the objects whose name begins with prefix and has no "/"
	// after it, in the order of their names, and of an object the newest first; a mark and a
	// version of the same instant come in any order. [ErrDenied], [ErrUnsupported].
	Versions(ctx context.Context, prefix string) iter.Seq2[Version, error]

	// GetVersion returns a version that is no mark. Errors as for [Bucket.Get].
	GetVersion(ctx context.Context, name, id string) (Object, error)

	// DeleteVersion removes a version, or a mark, for good; one that is not there is no error.
	// When it was the latest, the one before it is from then on. [ErrDenied], [ErrUnsupported].
	DeleteVersion(ctx context.Context, name, id string) error
}

// The ways in which storage refuses. A driver maps its own errors to these in one place.
var (
	ErrNotFound    = errors.New("no such object")
	ErrChanged     = errors.New("the object is in another state")
	ErrBusy        = errors.New("a concurrent change is in progress")
	ErrDenied      = errors.New("access denied")
	ErrEndpoint    = errors.New("the endpoint cannot be used") // it speaks no TLS, or nothing else; its certificate is not accepted
	ErrKey         = errors.New("the key cannot be used")      // disabled, pending deletion, unknown: not a lack of permission
	ErrNoBucket    = errors.New("no such bucket")
	ErrCredentials = errors.New("credentials refused") // missing, expired, unknown, wrong signature, clock skew
	ErrUnavailable = errors.New("storage unavailable") // network, time-out, throttling, 5xx
	ErrUnsupported = errors.New("not supported by the storage")
	ErrTorn        = errors.New("the answer is incomplete") // cut, or not what its checksum says
	ErrRefused     = errors.New("request refused")          // any other final refusal

	// ErrVoid is of a change that was made, but perhaps not under its condition: it is not to be
	// relied on, and may have replaced what another writer had stored.
	ErrVoid = errors.New("made under no condition")
)

// Error is the error of every driver.
type Error struct {
	Op     string // "get", "head", "put", "delete", "list", "list the versions of", ...
	Name   string // the object or prefix
	Code   string // the storage's own code ("AccessDenied", "KMS.DisabledException"); may be ""
	Status int    // HTTP status; 0 where there is none
	Reason string // the storage's message: untrusted text, to be escaped before it is printed
	Err    error  // a sentinel of this package
}

func (e *Error) Error() string {
	text := fmt.Sprintf("%s %s: %v", e.Op, e.Name, e.Err)
	if e.Code != "" {
		text += " (" + e.Code + ")"
	}
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }
