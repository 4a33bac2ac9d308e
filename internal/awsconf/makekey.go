package awsconf

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/coffer-secrets/coffer/store"
)

// Create creates a key that can encrypt objects, and an alias for it. The key policy leaves
// permissions to IAM, as KMS's default does.
//
// CreateKey has no idempotency token, and a key without an alias costs money and isn't used. So if
// the response is lost the error wraps [store.ErrUnknown] and contains the key's description, by
// which it can be found.
func (k *Keys) Create(ctx context.Context, alias string) (KeyInfo, error) {
	description := "Coffer: " + alias
	made, err := k.client.CreateKey(ctx, &kms.CreateKeyInput{Description: &description}, func(o *kms.Options) { o.Retryer = Once(o.Retryer) })
	switch {
	case err != nil && !Unapplied(err):
		return KeyInfo{}, fmt.Errorf("%w: a key without an alias may have been created, with the description %q: %w",
			store.ErrUnknown, description, k.fail(ctx, "creating a key", err))
	case err != nil:
		return KeyInfo{}, k.fail(ctx, "creating a key", err)
	}
	id := aws.ToString(made.KeyMetadata.KeyId)
	_, err = k.client.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &alias, TargetKeyId: &id})
	var exists *types.AlreadyExistsException
	if errors.As(err, &exists) { // our own alias, if the response was lost
		if info, found, lookErr := k.Find(ctx, alias); lookErr == nil && found && info.ID == id {
			return info, nil
		}
	}
	if err != nil {
		return KeyInfo{}, k.fail(ctx, "creating "+alias+" for the new key "+id, err)
	}
	return k.Describe(ctx, id)
}
