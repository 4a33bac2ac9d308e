package admin

import (
	"context"
	"time"

	"github.com/coffer-secrets/coffer/store"
)

// MaxShare is the longest that a link can be valid: what AWS signs for (Signature Version 4).
const MaxShare = 7 * 24 * time.Hour

// SharePrefix begins the names of the objects that links read.
const SharePrefix = store.ReservedPrefix + "share/"

// Share is one value laid open to whoever holds its link.
type Share struct {
	Object string      // its name in the bucket
	Link   store.Value // of a new share alone: nobody can ask for it again
	Ends   time.Time   // when the link ends; it can end sooner with the session that signed it

	Session     bool      // a session signed the link
	SessionEnds time.Time // zero where the end of the session is not known
}

// Sharer is a [store.Store] that can hand out links to single values.
type Sharer interface {
	// Share stores the newest value of a secret in an object of its own, under the key of the
	// secret, and returns a link to it. [store.ErrInvalid] for a time that is not between a second
	// and [MaxShare], [store.ErrNotFound], [store.ErrDenied].
	Share(ctx context.Context, id store.ID, lasts time.Duration) (Share, error)

	// Shares returns the shares of a service, those that end first at the beginning; "" stands
	// for all services. [store.ErrDenied].
	Shares(ctx context.Context, service string) ([]Share, error)

	// Revoke deletes a share by the name of its object: the link finds nothing from then on.
	// [store.ErrInvalid] for any other object, [store.ErrNotFound], [store.ErrDenied].
	Revoke(ctx context.Context, object string) error
}
