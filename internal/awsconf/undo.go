package awsconf

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/coffer-secrets/coffer/store"
)

// Undo restores a setting of a bucket to its value when the Undo was created. A setting that wasn't
// configured is deleted. A server that confuses "delete the policy of the bucket" with "delete the
// bucket" would delete the bucket, so use it only for changes that were read back.
type Undo func(context.Context) error

// UndoEncryption is the Undo of [Buckets.SetEncryption].
func (b *Buckets) UndoEncryption(ctx context.Context, name string) (Undo, error) {
	const looking, back = "get the encryption of", "restore the encryption of"
	out, err := b.client.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: &name})
	if err := unlessMissing(b.settingError(ctx, looking, name, err)); err != nil {
		return nil, err
	}
	if err != nil || out.ServerSideEncryptionConfiguration == nil || len(out.ServerSideEncryptionConfiguration.Rules) == 0 {
		return func(ctx context.Context) error {
			_, err := b.client.DeleteBucketEncryption(ctx, &s3.DeleteBucketEncryptionInput{Bucket: &name})
			return b.settingError(ctx, back, name, err)
		}, nil
	}
	was := out.ServerSideEncryptionConfiguration
	return func(ctx context.Context) error {
		_, err := b.client.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{Bucket: &name, ServerSideEncryptionConfiguration: was})
		return b.settingError(ctx, back, name, err)
	}, nil
}

// UndoPublicAccessBlock is the Undo of [Buckets.BlockPublicAccess].
func (b *Buckets) UndoPublicAccessBlock(ctx context.Context, name string) (Undo, error) {
	const looking, back = "get the public access block of", "restore the public access block of"
	out, err := b.client.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: &name})
	if err := unlessMissing(b.settingError(ctx, looking, name, err)); err != nil {
		return nil, err
	}
	if err != nil || out.PublicAccessBlockConfiguration == nil {
		return func(ctx context.Context) error {
			_, err := b.client.DeletePublicAccessBlock(ctx, &s3.DeletePublicAccessBlockInput{Bucket: &name})
			return b.settingError(ctx, back, name, err)
		}, nil
	}
	was := out.PublicAccessBlockConfiguration
	return func(ctx context.Context) error {
		_, err := b.client.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{Bucket: &name, PublicAccessBlockConfiguration: was})
		return b.settingError(ctx, back, name, err)
	}, nil
}

// UndoPolicy is the Undo of [Buckets.SetPolicy].
func (b *Buckets) UndoPolicy(ctx context.Context, name string) (Undo, error) {
	const back = "restore the policy of"
	was, err := b.Policy(ctx, name)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		var err error
		if was == "" {
			_, err = b.client.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: &name})
		} else {
			_, err = b.client.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &name, Policy: &was})
		}
		return b.settingError(ctx, back, name, err)
	}, nil
}

// UndoRules is the Undo of [Buckets.SetRules].
func (b *Buckets) UndoRules(ctx context.Context, name string) (Undo, error) {
	const back = "restore the lifecycle of"
	was, err := b.rules(ctx, name)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		var err error
		if len(was) == 0 {
			_, err = b.client.DeleteBucketLifecycle(ctx, &s3.DeleteBucketLifecycleInput{Bucket: &name})
		} else {
			_, err = b.client.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{
				Bucket: &name, LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: was},
			})
		}
		return b.settingError(ctx, back, name, err)
	}, nil
}

// UndoVersions suspends the versioning that [Buckets.KeepVersions] enabled. No server can turn it
// off again.
func (b *Buckets) UndoVersions(_ context.Context, name string) (Undo, error) {
	return func(ctx context.Context) error {
		_, err := b.client.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
			Bucket: &name, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusSuspended},
		})
		return b.settingError(ctx, "suspend the versioning of", name, err)
	}, nil
}

// Remove deletes a bucket that contains only objects whose names begin with prefix. It first
// deletes the policy and the public access block, which could prevent it. If the bucket contains
// anything else, it changes nothing.
func (b *Buckets) Remove(ctx context.Context, name, prefix string) error {
	const op = "delete the bucket"
	switch err := b.onlyBelow(ctx, name, prefix); {
	case errors.Is(err, errForeign):
		return fmt.Errorf("%s %s: %w", op, name, err)
	case err != nil:
		return bucketError(ctx, op, name, err)
	}
	// Either may be missing, or not supported by the server: errors don't matter.
	_, _ = b.client.DeletePublicAccessBlock(ctx, &s3.DeletePublicAccessBlockInput{Bucket: &name})
	_, _ = b.client.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: &name})
	if err := b.empty(ctx, name, prefix, time.Time{}); err != nil {
		return bucketError(ctx, op, name, err)
	}
	_, err := b.client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &name})
	if answered(err) == http.StatusNotFound {
		return nil
	}
	return bucketError(ctx, op, name, err)
}

// onlyBelow returns errForeign if an object, or a version of one, has a name that doesn't begin
// with prefix.
func (b *Buckets) onlyBelow(ctx context.Context, name, prefix string) error {
	foreign := func(key *string) bool { return !strings.HasPrefix(aws.ToString(key), prefix) }
	objects, err := b.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &name})
	if answered(err) == http.StatusNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	found := slices.ContainsFunc(objects.Contents, func(o types.Object) bool { return foreign(o.Key) })
	versions, err := b.client.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: &name})
	if err == nil { // otherwise the server has no versions
		found = found || slices.ContainsFunc(versions.Versions, func(v types.ObjectVersion) bool { return foreign(v.Key) }) ||
			slices.ContainsFunc(versions.DeleteMarkers, func(m types.DeleteMarkerEntry) bool { return foreign(m.Key) })
	}
	if found {
		return errForeign
	}
	return nil
}

var errForeign = fmt.Errorf("%w: it has other objects than the test's, so it isn't deleted", store.ErrConflict)

// Sweep deletes the objects whose names begin with prefix, with all their versions, if they are
// older than age by the server's clock. It removes what a killed run left, and not what another run
// uses.
func (b *Buckets) Sweep(ctx context.Context, name, prefix string, age time.Duration) error {
	now, err := b.ServerTime(ctx, name)
	if err != nil || now.IsZero() {
		return err
	}
	return bucketError(ctx, "delete what an earlier run left in", name, b.empty(ctx, name, prefix, now.Add(-age)))
}

// empty deletes every version of the objects whose names begin with prefix, and in an unversioned
// bucket the objects. If before is set, it deletes only older ones. There are a few hundred at
// most, so it reads only the first page.
func (b *Buckets) empty(ctx context.Context, name, prefix string, before time.Time) error {
	versions, err := b.client.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: &name, Prefix: &prefix})
	if answered(err) == http.StatusNotFound {
		return nil
	}
	var failed error
	drop := func(key, version *string, modified *time.Time) {
		if !strings.HasPrefix(aws.ToString(key), prefix) || // a server may ignore the prefix
			!before.IsZero() && !aws.ToTime(modified).Before(before) {
			return
		}
		if _, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &name, Key: key, VersionId: version}); err != nil {
			failed = err
		}
	}
	if err == nil {
		for _, v := range versions.Versions {
			drop(v.Key, v.VersionId, v.LastModified)
		}
		for _, m := range versions.DeleteMarkers {
			drop(m.Key, m.VersionId, m.LastModified)
		}
	}
	failed = nil // the listing shows what is left
	rest, err := b.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &name, Prefix: &prefix})
	if err != nil {
		return err
	}
	for _, o := range rest.Contents {
		drop(o.Key, nil, o.LastModified)
	}
	return failed
}
