package admin

import (
	"context"
	"time"

	"github.com/coffer-secrets/coffer/store"
)

// MaxShare is the longest lifetime of a link: the limit of AWS's Signature Version 4.
const MaxShare = 7 * 24 * time.Hour

// SharePrefix is the prefix of the names of shared objects.
const SharePrefix = store.ReservedPrefix + "share/"

// Share is one value that everyone with its link can read.
type Share struct {
	Object string      // its name in the bucket
	Link   store.Value // only of a new share: it cannot be retrieved later
	Ends   time.Time   // when the link expires; it can expire sooner, with the session that signed it

	Session     bool      // the link was signed with session credentials
	SessionEnds time.Time // zero if the end of the session is not known
}

// Sharer is a [store.Store] that can create links to single values.
type Sharer interface {
	// Share stores the newest value of a secret in an object of its own, under the key of the
	// secret, and returns a link to it. Errors: [store.ErrInvalid] unless lasts is between a second
	// and [MaxShare], [store.ErrNotFound], [store.ErrDenied].
	Share(ctx context.Context, id store.ID, lasts time.Duration) (Share, error)

	// Shares returns the shares of a service, sorted by the time when they end; "" means all
	// services. Error: [store.ErrDenied].
	Shares(ctx context.Context, service string) ([]Share, error)

	// Revoke deletes a share by the name of its object. After that the link doesn't work. Errors:
	// [store.ErrInvalid] for any other object, [store.ErrNotFound], [store.ErrDenied].
	Revoke(ctx context.Context, object string) error
}
