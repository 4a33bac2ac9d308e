package kmsseal

import (
	"context"
	"net/url"

	"filippo.io/age"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/seal"
)

// FileKey returns the file key of an object from the stanza in its header, of which it gets the
// arguments and the body. It is for a caller who doesn't know the object's name: that of the stanza
// is returned, and KMS vouches for it by the encryption context. Errors are those of [Sealer.Open].
func (s *Sealer) FileKey(ctx context.Context, args []string, body []byte) (fileKey []byte, name, key string, err error) {
	if len(args) == 2 {
		name, err = url.PathUnescape(args[1])
	}
	if len(args) != 2 || err != nil || url.PathEscape(name) != args[1] {
		return nil, "", "", seal.Fault{Err: bucket.ErrTorn, Reason: "its header is not one of this program"}
	}
	id := &identity{ctx: ctx, s: s, name: name}
	fileKey, err = id.unwrap([]*age.Stanza{{Type: StanzaType, Args: args, Body: body}})
	return fileKey, name, id.key, err
}
