// Package seal defines the interface of what encrypts objects before they reach a storage that
// doesn't. Package sealed makes a bucket of any storage and any sealer.
package seal

import (
	"context"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// HeaderSize is how many bytes of a sealed object [Sealer.Inspect] needs at most. The header of an
// age file to one post-quantum recipient has 1,627 bytes.
const HeaderSize = 2048

// KeysPrefix begins the names of objects in which a sealer keeps keys. They are no secrets: a sealed
// bucket neither lists nor changes them. No service can have such a name.
const KeysPrefix = "__keys/"

// Sealer converts the bytes of a named object to bytes that only holders of a key can open, and
// back. All methods are safe for concurrent use. Their errors are a [Fault], an error of the context, a
// [*bucket.Error] about an object of the sealer's own, or an error of package store, such as a
// [*store.SealError]. They never quote what could not be opened.
type Sealer interface {
	// Seal encrypts the body of an object for the holders of a key alias: "alias/...". It seals the
	// same body differently each time. Errors: [bucket.ErrDenied], [bucket.ErrKey],
	// [bucket.ErrUnavailable], [bucket.ErrRefused].
	Seal(ctx context.Context, alias, name string, body []byte) (sealed []byte, s bucket.Seal, err error)

	// Open decrypts an object. Errors: [bucket.ErrDenied] if the caller has no key for it;
	// [bucket.ErrKey] if a key can't be used; [bucket.ErrTorn] if it was cut, changed, or copied from
	// another name, or isn't sealed; [bucket.ErrUnavailable].
	Open(ctx context.Context, name string, sealed []byte) (body []byte, s bucket.Seal, err error)

	// Inspect returns what Open would report about the key, from the first [HeaderSize] bytes or
	// more, without opening the object. Where that can't be told, KeyID is empty, and for bytes that
	// aren't sealed the whole Seal. What it returns is not authenticated.
	Inspect(header []byte) bucket.Seal
}

// Preparer is a [Sealer] that requests something before it can open an object, such as a key. A
// bucket calls Prepare before it requests the object, so that both are requested at once. Prepare
// returns at once; Open reports what went wrong.
type Preparer interface {
	Prepare(ctx context.Context, name string)
}

// Fault is an error of a sealer about an object or a key. A bucket adds the request and the name
// of the object.
type Fault struct {
	Err    error  // a sentinel of package bucket
	Code   string // a code of package store, or of the service that holds the key; may be ""
	Status int    // the HTTP status of the service that holds the key, if it refuses; 0 if it didn't answer, or there is none
	Reason string // names the key and what is wrong with it; may be ""
}

func (f Fault) Error() string {
	if f.Reason == "" {
		return f.Err.Error()
	}
	return f.Err.Error() + ": " + f.Reason
}

func (f Fault) Unwrap() error { return f.Err }
