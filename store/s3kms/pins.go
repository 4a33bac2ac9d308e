package s3kms

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/internal/waiting"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/s3open"
)

// pinnedKey returns the function for [engine.Options.PinnedKey], or nil if no keys are pinned. It
// asks KMS for the key. If KMS doesn't answer (kms:DescribeKey is denied, or the server has no KMS
// API), it puts an object without content, reads the key from the answer, and deletes the object.
func (o Options) pinnedKey(b bucket.Bucket, keys s3open.Keys) func(ctx context.Context, service, alias string) (string, error) {
	if len(o.KeyARNs) == 0 {
		return nil
	}
	return func(ctx context.Context, service, alias string) (string, error) {
		key := keys.ARN(ctx, alias)
		if key == "" {
			if err := ctx.Err(); err != nil {
				return "", err
			}
			var err error
			if key, err = o.tryKey(ctx, b, service, alias); err != nil || key == "" {
				return key, err
			}
		}
		if !slices.Contains(o.KeyARNs, key) {
			return "", &store.PinError{Alias: alias, KeyID: key}
		}
		return key, nil
	}
}

// tryKey returns the key that the answer to a put under an alias names. It returns "" if the
// storage does not encrypt and AllowUnencrypted accepts that.
func (o Options) tryKey(ctx context.Context, b bucket.Bucket, service, alias string) (string, error) {
	name := service + admin.ProbeDir + rand.Text()
	put, err := b.Put(ctx, name, []byte("{}"), bucket.PutOptions{If: bucket.IfAbsent(), KeyAlias: alias})
	if err != nil {
		return "", fmt.Errorf("looking up the key of %s: %w", alias, err)
	}
	if err := b.Delete(waiting.Beyond(ctx), name, bucket.If{}); err != nil {
		return "", fmt.Errorf("looking up the key of %s: %w", alias, err)
	}
	if o.AllowUnencrypted && put.Seal.Method == "" {
		return "", nil
	}
	if !strings.HasPrefix(put.Seal.Method, "aws:kms") {
		return "", o.vouch(name, put.Seal)
	}
	return put.Seal.KeyID, nil
}
