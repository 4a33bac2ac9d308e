package s3envelope

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/coffer-secrets/coffer/store/internal/bucket/sealed"
	"github.com/coffer-secrets/coffer/store/internal/engine"
	"github.com/coffer-secrets/coffer/store/internal/seal/kmsseal"
)

// StanzaType is the type of the stanza in the age header of an object.
const StanzaType = kmsseal.StanzaType

// FileKey returns the age file key of an object of which the caller has a copy, from the stanza in its
// header: its arguments and its body. It makes one request, to KMS. about says which object it is, and
// under which key; both are authenticated. Of the options those about keys count. Errors are those of
// reading a secret.
func FileKey(ctx context.Context, cfg aws.Config, o Options, args []string, body []byte) (fileKey []byte, about string, err error) {
	sealer := kmsseal.New(cfg, kmsseal.Options{Pinned: o.KeyARNs, KeyNames: o.KeyNames})
	fileKey, name, key, err := sealer.FileKey(ctx, args, body)
	if err != nil {
		return nil, "", engine.StorageError(sealed.Error("decrypt", name, err))
	}
	return fileKey, fmt.Sprintf("%s, encrypted under %s", name, key), nil
}
