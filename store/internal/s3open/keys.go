package s3open

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket/s3bucket"
)

// describeTimeout is how long a change waits for KMS to describe a key. The description is
// optional.
const describeTimeout = 3 * time.Second

// Keys asks KMS about the keys of a store. It is an [admin.KeyDescriber].
type Keys struct {
	kms   *awsconf.Keys
	names map[string]string // of the keys that aren't called by their alias, by alias
	log   *slog.Logger
}

// NewKeys returns the Keys of a configuration. It makes no request.
func NewKeys(cfg aws.Config, names map[string]string, log *slog.Logger) Keys {
	return Keys{awsconf.NewKeys(cfg), names, log}
}

// AliasOf returns the alias that is configured as an alias, or as the id or the ARN of a key that has
// exactly one.
func (k Keys) AliasOf(ctx context.Context, configured string) (string, error) {
	alias, err := store.NormalizeAlias(configured)
	if err != nil || !store.IsKeyName(alias) {
		return alias, err
	}
	if alias, err = k.kms.AliasOf(ctx, alias); err != nil {
		return "", fmt.Errorf("key %s: %w", configured, err)
	}
	return alias, nil
}

// ARN returns the ARN of the key behind an alias, as KMS reports it. It returns "" if the caller has
// no permission for that or there is no KMS.
func (k Keys) ARN(ctx context.Context, alias string) string {
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	info, err := k.kms.Describe(ctx, k.name(alias))
	if err != nil {
		k.log.Debug("the key of the alias is unknown", "alias", alias, "error", err)
		return ""
	}
	return info.ARN
}

// DescribeKey implements [admin.KeyDescriber].
func (k Keys) DescribeKey(ctx context.Context, name string) (admin.Key, error) {
	info, found, err := k.kms.Find(ctx, k.name(name))
	switch {
	case err != nil:
		return admin.Key{}, &store.Error{Op: "describe key", Err: err}
	case !found:
		return admin.Key{State: "no such key"}, nil
	}
	return admin.Key{ID: info.ARN, State: words(info.State)}, nil
}

// TryDescribe tests the permission to describe the key of an alias.
func (k Keys) TryDescribe(ctx context.Context, alias string) admin.Trial {
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	_, err := k.kms.Describe(ctx, k.name(alias))
	return s3bucket.TrialResult("kms:DescribeKey", err)
}

// name returns the name by which KMS knows the key of an alias.
func (k Keys) name(alias string) string {
	if other, ok := k.names[alias]; ok {
		return other
	}
	return alias
}

// words converts "PendingDeletion" to "pending deletion".
func words(state string) string {
	var out strings.Builder
	for i, r := range state {
		if unicode.IsUpper(r) && i > 0 {
			out.WriteByte(' ')
		}
		out.WriteRune(unicode.ToLower(r))
	}
	return out.String()
}
