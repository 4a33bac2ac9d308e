// Package bucket defines the interface between the secret engine and its storage: named objects,
// conditional changes, and listings. S3 buckets, directories and memory implement it.
package bucket

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"
)

// Tag identifies one state of one object. Only the driver that made it interprets it: it is an ETag
// without its quotes, or a content hash. Two states of an object have different tags if their bytes
// differ.
type Tag string

// Seal describes how the storage encrypts an object, as its own answer reports it.
type Seal struct {
	Method string // "aws:kms", "AES256", "age"; "" if the answer contained none
	KeyID  string // the key that was used: a key ARN, or the server's name for it
}

// Info describes an object. In a listing, Seal is empty.
type Info struct {
	Name     string
	Tag      Tag
	Modified time.Time
	Size     int64 // bytes as stored
	Seal     Seal
	Tags     int // the number of its tags, set by [Bucket.Get] if the storage has tags
}

// Object is an object with its decrypted bytes.
type Object struct {
	Info
	Body []byte
}

// If is the condition of a change. The zero If is always true.
type If struct {
	tag    Tag
	absent bool
}

// IfAbsent is true if the object does not exist.
func IfAbsent() If { return If{absent: true} }

// IfMatch is true if the object is in state t.
func IfMatch(t Tag) If { return If{tag: t} }

// Absent reports whether the condition is [IfAbsent].
func (c If) Absent() bool { return c.absent }

// Match returns the tag of an [IfMatch]; ok is false for any other condition.
func (c If) Match() (t Tag, ok bool) { return c.tag, c.tag != "" }

// PutOptions are the options of [Bucket.Put].
type PutOptions struct {
	If       If
	KeyAlias string            // the key to encrypt with: "alias/..."; "" means the storage's default key
	Tags     map[string]string // for a [Tagger]; a put removes all other tags
}

// Bucket contains objects. All methods are safe for concurrent use, by this process and others. A
// read never sees a part of a change. A listing shows every change that was acknowledged before it
// began. Of concurrent changes with conditions that exclude one another, exactly one is made.
//
// Any method can also return [ErrNoBucket], [ErrCredentials], [ErrEndpoint], [ErrUnavailable] or
// the context's error. Errors are [*Error] around one sentinel.
type Bucket interface {
	// Get returns an object. Errors: [ErrNotFound], [ErrDenied], [ErrKey], [ErrTorn].
	Get(ctx context.Context, name string) (Object, error)

	// Head returns what Get would, without the bytes. It doesn't decrypt, so on some storage it
	// works for a caller without permission to decrypt. Errors: [ErrNotFound], [ErrDenied].
	Head(ctx context.Context, name string) (Info, error)

	// Put stores an object under a condition and returns its new state, with the seal that the
	// storage reports. Errors: [ErrChanged] if the condition failed, [ErrNotFound] if the object to
	// match is gone, [ErrBusy], [ErrDenied], [ErrKey], [ErrUnsupported]. After [ErrUnavailable] and
	// [ErrTorn] the object may or may not be stored.
	Put(ctx context.Context, name string, body []byte, o PutOptions) (Info, error)

	// Delete removes an object under a condition: [IfMatch], or none. Without a condition a missing
	// object is not an error. Errors as for Put; [ErrUnsupported] if the storage has no conditional
	// delete: then nothing was done.
	Delete(ctx context.Context, name string, cond If) error

	// List yields the objects whose names begin with prefix and have no "/" after it, sorted by
	// name. Error: [ErrDenied].
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]

	// Walk is like List, but also yields objects with "/" after the prefix.
	Walk(ctx context.Context, prefix string) iter.Seq2[Info, error]
}

// Ranger is a [Bucket] that can list in ranges, which it requests concurrently.
type Ranger interface {
	// ListRanges is List, cut at names that its objects probably have. A wrong name only makes it slower.
	// Like a listing of several pages, it shows each name as it is at some time after its beginning.
	ListRanges(ctx context.Context, prefix string, c Cuts) iter.Seq2[Info, error]
}

// Cuts are the names at which a listing can be cut.
type Cuts struct {
	Names []string // known before the listing begins, in any order
	// Ask is called once if the listing has more than one page and Names were not enough, after the first page was
	// yielded. It returns names, or that the caller needs no more than that page. It may not be called. It may be nil.
	Ask func(ctx context.Context) (names []string, enough bool)
}

// HeaderReader is a [Bucket] that can read the beginning of an object in one request. All drivers
// are one.
type HeaderReader interface {
	// ReadHeader returns what [Bucket.Head] would, and the first n bytes of the object, or all if it
	// has fewer. n is positive. Where the storage encrypts, reading needs permission to decrypt.
	// Errors as for [Bucket.Get], but with the Op "head".
	ReadHeader(ctx context.Context, name string, n int) (Info, []byte, error)
}

// Tagger is a [Bucket] whose objects can have tags. Errors as for [Bucket.Get] and [Bucket.Put].
type Tagger interface {
	Tags(ctx context.Context, name string) (map[string]string, error)
	SetTags(ctx context.Context, name string, tags map[string]string) error // replaces all tags
}

// Rechecker is a [Bucket] that depends on what it has found out about its server. Recheck reports
// that the server behaved differently: a change was lost although its condition excludes that. The
// bucket then tests the server again before the next change.
type Rechecker interface{ Recheck() }

// Version is one state of an object that the storage still has, or a delete marker.
type Version struct {
	Info        // of a delete marker only Name and Modified
	ID   string // [NullVersion] if it was put while the bucket kept no versions
	// Latest is true for the version that [Bucket.Get] returns. If the latest one is a delete
	// marker, Get finds nothing.
	Latest bool
	Mark   bool
}

// NullVersion is the id of the only version of an object that a bucket keeps while it keeps no
// versions. It is the object that was put last in that time. Unlike other ids, it can mean
// different states.
const NullVersion = "null"

// Versioned is a [Bucket] that can keep replaced and deleted objects. If that was never turned on,
// each object has one version, the latest.
type Versioned interface {
	// Versions yields the versions of the objects whose names begin with prefix and have no "/"
	// after it, sorted by name, and the newest version of each object first. A delete marker and a
	// version of the same instant have no defined order. Errors: [ErrDenied], [ErrUnsupported].
	Versions(ctx context.Context, prefix string) iter.Seq2[Version, error]

	// GetVersion returns a version that is not a delete marker. Errors as for [Bucket.Get].
	GetVersion(ctx context.Context, name, id string) (Object, error)

	// DeleteVersion removes a version, or a delete marker, permanently. A missing one is not an
	// error. If it was the latest, the one before becomes the latest. Errors: [ErrDenied],
	// [ErrUnsupported].
	DeleteVersion(ctx context.Context, name, id string) error
}

// The errors of all storage. A driver converts its own errors to these in one place.
var (
	ErrNotFound    = errors.New("no such object")
	ErrChanged     = errors.New("the object is in another state")
	ErrBusy        = errors.New("a concurrent change is in progress")
	ErrDenied      = errors.New("access denied")
	ErrEndpoint    = errors.New("the endpoint can't be used") // no TLS, or only TLS; its certificate is not accepted; another region
	ErrKey         = errors.New("the key can't be used")      // disabled, pending deletion, unknown: not a lack of permission
	ErrNoBucket    = errors.New("no such bucket")
	ErrCredentials = errors.New("credentials refused") // missing, expired, unknown, wrong signature, clock skew
	ErrUnavailable = errors.New("storage unavailable") // network, time-out, throttling, 5xx
	ErrUnsupported = errors.New("not supported by the storage")
	ErrTorn        = errors.New("the response is incomplete") // cut off, or its checksum does not match
	ErrRefused     = errors.New("request refused")            // any other permanent refusal

	// ErrVoid means that a change was made, but perhaps the server ignored its condition. The
	// caller must not depend on it; it may have replaced another writer's change.
	ErrVoid = errors.New("made under no condition")
)

// Error is the error of every driver.
type Error struct {
	Op     string // "get", "head", "put", "delete", "list", "list the versions of", ...
	Name   string // the object or prefix
	Bucket string // of ErrNoBucket: the bucket that isn't there
	Code   string // the storage's own code ("AccessDenied", "KMS.DisabledException"); may be ""
	Status int    // HTTP status; 0 if there is none
	Reason string // the storage's message: untrusted text, escape it before printing
	Err    error  // a sentinel of this package
}

func (e *Error) Error() string {
	text := fmt.Sprintf("%s: %v", strings.TrimSpace(e.Op+" "+e.Name), e.Err)
	if e.Code != "" {
		text += " (" + e.Code + ")"
	}
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }
