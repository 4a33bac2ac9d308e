package awsconf

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/coffer-secrets/coffer/store"
)

// Buckets reads and changes the configuration of buckets. Its errors are the context's error or a
// [*store.StorageError] of one of these kinds: [store.ErrDenied], [store.ErrConfiguration],
// [store.ErrConflict] (the name is taken), [store.ErrUnavailable], [store.ErrUnsupported] (the
// server doesn't have this setting, which servers report in many ways).
type Buckets struct {
	client *s3.Client
	region string
	other  bool // not a server of AWS
}

// NewBuckets returns Buckets for one account and region. If owner is an account id, every request
// except CreateBucket fails on a bucket of another account.
func NewBuckets(cfg aws.Config, owner string) *Buckets {
	if owner != "" {
		cfg.APIOptions = append(slices.Clone(cfg.APIOptions), expectOwner(owner))
	}
	return &Buckets{client: S3(cfg), region: cfg.Region, other: OtherServer(cfg) != ""}
}

func expectOwner(owner string) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		return stack.Build.Add(middleware.BuildMiddlewareFunc("ExpectedBucketOwner", func(
			ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler,
		) (middleware.BuildOutput, middleware.Metadata, error) {
			if r, ok := in.Request.(*smithyhttp.Request); ok && middleware.GetOperationName(ctx) != "CreateBucket" {
				r.Header.Set("X-Amz-Expected-Bucket-Owner", owner)
			}
			return next.HandleBuild(ctx, in)
		}), middleware.After)
	}
}

// Rule is a lifecycle rule for the objects whose names begin with Prefix. Zero days means no limit.
type Rule struct {
	ID             string
	Prefix         string
	Days           int32 // until an object is deleted
	NoncurrentDays int32 // until a version is deleted, counted from when it was replaced
}

// Exists reports whether the bucket exists and the caller has access to it.
func (b *Buckets) Exists(ctx context.Context, name string) (bool, error) {
	_, err := b.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &name})
	if answered(err) == http.StatusNotFound {
		return false, nil
	}
	return err == nil, bucketError(ctx, "get the bucket", name, err)
}

// ServerTime returns the server's time in whole seconds, from the Date header of a HEAD of the
// bucket. It is zero if the server sends none.
func (b *Buckets) ServerTime(ctx context.Context, name string) (time.Time, error) {
	out, err := b.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &name})
	if err != nil {
		return time.Time{}, bucketError(ctx, "get the bucket", name, err)
	}
	at, _ := awsmiddleware.GetServerTime(out.ResultMetadata)
	return at, nil
}

// Create creates a bucket in the configured region. A bucket that the caller already owns is no
// error: an earlier attempt whose response was lost may have created it, or another run at the same
// time.
func (b *Buckets) Create(ctx context.Context, name string) error {
	in := &s3.CreateBucketInput{Bucket: &name}
	if b.region != "us-east-1" { // S3 accepts no LocationConstraint for this region
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{
			LocationConstraint: types.BucketLocationConstraint(b.region),
		}
	}
	_, err := b.client.CreateBucket(ctx, in)
	var ours *types.BucketAlreadyOwnedByYou
	if errors.As(err, &ours) {
		return nil
	}
	return bucketError(ctx, "create the bucket", name, err)
}

// Encryption returns how the bucket encrypts an object whose PUT has no encryption headers:
// "AES256", "aws:kms" with the key if one is set, or "".
func (b *Buckets) Encryption(ctx context.Context, name string) (method, key string, err error) {
	out, err := b.client.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: &name})
	if err != nil {
		return "", "", unlessMissing(b.settingError(ctx, "get the encryption of", name, err))
	}
	if out.ServerSideEncryptionConfiguration == nil {
		return "", "", nil
	}
	for _, rule := range out.ServerSideEncryptionConfiguration.Rules {
		if by := rule.ApplyServerSideEncryptionByDefault; by != nil {
			return string(by.SSEAlgorithm), aws.ToString(by.KMSMasterKeyID), nil
		}
	}
	return "", "", nil
}

// SetEncryption sets the bucket's default encryption to a KMS key, by any name the server accepts,
// or to SSE-S3 if key is "".
func (b *Buckets) SetEncryption(ctx context.Context, name, key string) error {
	by := &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAes256}
	if key != "" {
		by = &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAwsKms, KMSMasterKeyID: &key}
	}
	_, err := b.client.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{
		Bucket: &name,
		ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{
			Rules: []types.ServerSideEncryptionRule{{ApplyServerSideEncryptionByDefault: by, BucketKeyEnabled: aws.Bool(false)}},
		},
	})
	return b.settingError(ctx, "set the encryption of", name, err)
}

// PublicAccessBlocked reports whether all four settings that block public access are on.
func (b *Buckets) PublicAccessBlocked(ctx context.Context, name string) (bool, error) {
	out, err := b.client.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: &name})
	if err != nil {
		return false, unlessMissing(b.settingError(ctx, "get the public access block of", name, err))
	}
	c := out.PublicAccessBlockConfiguration
	return c != nil && aws.ToBool(c.BlockPublicAcls) && aws.ToBool(c.BlockPublicPolicy) &&
		aws.ToBool(c.IgnorePublicAcls) && aws.ToBool(c.RestrictPublicBuckets), nil
}

// BlockPublicAccess turns on all four settings that block public access.
func (b *Buckets) BlockPublicAccess(ctx context.Context, name string) error {
	_, err := b.client.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{
		Bucket: &name,
		PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
			BlockPublicAcls: aws.Bool(true), BlockPublicPolicy: aws.Bool(true),
			IgnorePublicAcls: aws.Bool(true), RestrictPublicBuckets: aws.Bool(true),
		},
	})
	return b.settingError(ctx, "block public access to", name, err)
}

// Versioned reports whether versioning is enabled.
func (b *Buckets) Versioned(ctx context.Context, name string) (bool, error) {
	out, err := b.client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &name})
	if err != nil {
		return false, b.settingError(ctx, "get the versioning of", name, err)
	}
	return out.Status == types.BucketVersioningStatusEnabled, nil
}

// KeepVersions enables versioning.
func (b *Buckets) KeepVersions(ctx context.Context, name string) error {
	_, err := b.client.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket: &name, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	return b.settingError(ctx, "set the versioning of", name, err)
}

// Policy returns the bucket's policy as JSON, or "" if there is none. The error is
// [store.ErrUnsupported] for a server that ignores the query and returns a listing instead.
func (b *Buckets) Policy(ctx context.Context, name string) (string, error) {
	out, err := b.client.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &name})
	if err != nil {
		return "", unlessMissing(b.settingError(ctx, "get the policy of", name, err))
	}
	text := aws.ToString(out.Policy)
	if b.other && strings.HasPrefix(strings.TrimSpace(text), "<") {
		return "", &store.StorageError{
			Op: "get the policy of", Object: name, Status: http.StatusOK, Reason: "the response is not a policy", Kind: store.ErrUnsupported,
		}
	}
	return text, nil
}

// SetPolicy replaces the bucket's policy.
func (b *Buckets) SetPolicy(ctx context.Context, name, policy string) error {
	_, err := b.client.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &name, Policy: &policy})
	return b.settingError(ctx, "set the policy of", name, err)
}

// HasRules reports whether the bucket's lifecycle covers all of the rules, with any ids and any
// number of days.
func (b *Buckets) HasRules(ctx context.Context, name string, rules ...Rule) (bool, error) {
	have, err := b.rules(ctx, name)
	if err != nil {
		return false, err
	}
	for _, want := range rules {
		if !slices.ContainsFunc(have, want.metBy) {
			return false, nil
		}
	}
	return true, nil
}

// metBy reports whether a rule of the bucket applies to all objects of r, and does the same.
func (r Rule) metBy(have types.LifecycleRule) bool {
	prefix := aws.ToString(have.Prefix) //nolint:staticcheck // what older rules have in the place of a filter
	if f := have.Filter; f != nil {
		if f.And != nil || f.Tag != nil || f.ObjectSizeGreaterThan != nil || f.ObjectSizeLessThan != nil {
			return false
		}
		prefix = aws.ToString(f.Prefix)
	}
	return have.Status == types.ExpirationStatusEnabled && strings.HasPrefix(r.Prefix, prefix) &&
		(r.Days == 0 || have.Expiration != nil && aws.ToInt32(have.Expiration.Days) > 0) &&
		(r.NoncurrentDays == 0 || have.NoncurrentVersionExpiration != nil && aws.ToInt32(have.NoncurrentVersionExpiration.NoncurrentDays) > 0)
}

// SetRules adds rules to the bucket's lifecycle. They replace rules with the same ids.
func (b *Buckets) SetRules(ctx context.Context, name string, rules ...Rule) error {
	have, err := b.rules(ctx, name)
	if err != nil {
		return err
	}
	var all []types.LifecycleRule
	for _, r := range have {
		ours := false
		for _, rule := range rules {
			ours = ours || aws.ToString(r.ID) == rule.ID
		}
		if !ours {
			all = append(all, r)
		}
	}
	for _, rule := range rules {
		all = append(all, rule.lifecycle())
	}
	_, err = b.client.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{
		Bucket: &name, LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: all},
	})
	return b.settingError(ctx, "set the lifecycle of", name, err)
}

func (b *Buckets) rules(ctx context.Context, name string) ([]types.LifecycleRule, error) {
	out, err := b.client.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: &name})
	if err != nil {
		return nil, unlessMissing(b.settingError(ctx, "get the lifecycle of", name, err))
	}
	return out.Rules, nil
}

func (r Rule) lifecycle() types.LifecycleRule {
	out := types.LifecycleRule{
		ID: &r.ID, Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{Prefix: &r.Prefix},
	}
	if r.Days > 0 {
		out.Expiration = &types.LifecycleExpiration{Days: &r.Days}
	}
	if r.NoncurrentDays > 0 {
		out.NoncurrentVersionExpiration = &types.NoncurrentVersionExpiration{NoncurrentDays: &r.NoncurrentDays}
	}
	return out
}

// Find is Describe for an alias that may not exist.
func (k *Keys) Find(ctx context.Context, alias string) (info KeyInfo, found bool, err error) {
	info, err = k.Describe(ctx, alias)
	var missing *kmstypes.NotFoundException
	if errors.As(err, &missing) {
		return KeyInfo{}, false, nil
	}
	return info, err == nil, err
}

// unlessMissing returns nil for the error that says that a setting isn't configured.
func unlessMissing(err error) error {
	var e *store.StorageError
	if errors.As(err, &e) && e.Status == http.StatusNotFound && e.Code != "NoSuchBucket" {
		return nil
	}
	return err
}

// settingError is bucketError for a setting of a bucket. AWS has all settings. Other servers report
// a missing one differently: 501 and 405, 400 InvalidArgument (Ceph 16.2.15, for aws:kms as the
// default), 404 with a page.
func (b *Buckets) settingError(ctx context.Context, op, name string, err error) error {
	told := bucketError(ctx, op, name, err)
	var e *store.StorageError
	if !b.other || !errors.As(told, &e) || !errors.Is(e.Kind, store.ErrConfiguration) || IdentityFailed(err) || ofCredentials(e.Code) {
		return told
	}
	switch e.Status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusGone, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		if e.Code != "NoSuchBucket" {
			e.Kind = store.ErrUnsupported
		}
	}
	return told
}

// ofCredentials distinguishes 400s about the caller's credentials from those about the request.
func ofCredentials(code string) bool {
	return strings.Contains(code, "Token") || code == "RequestExpired" || code == "AuthorizationHeaderMalformed"
}

func bucketError(ctx context.Context, op, name string, err error) error {
	if err == nil {
		return nil
	}
	var ended *store.CredentialsError
	if errors.As(err, &ended) {
		return ended
	}
	e := &store.StorageError{Op: op, Object: name, Status: answered(err), Reason: Said(err), Kind: store.ErrConfiguration}
	var api smithy.APIError
	if errors.As(err, &api) {
		e.Code, e.Reason = api.ErrorCode(), api.ErrorMessage()
	}
	var contact *ContactError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &contact) && !IdentityFailed(err):
		if e.Code, e.Reason = contact.Code, contact.Error(); e.Code == "" {
			e.Kind = store.ErrUnavailable
		}
	case IdentityFailed(err):
		e.Kind = store.ErrCredentials
	case e.Code == "AccessDenied", e.Code == "Forbidden": // Forbidden for a HEAD
		e.Kind = store.ErrDenied
	case e.Code == "BucketAlreadyExists", e.Code == "OperationAborted":
		e.Kind = store.ErrConflict
	case e.Code == "NotImplemented", e.Status == http.StatusNotImplemented, e.Status == http.StatusMethodNotAllowed:
		e.Kind = store.ErrUnsupported
	case e.Status == 0, e.Status >= 500, e.Code == "SlowDown":
		e.Kind = store.ErrUnavailable
	}
	return e
}

// answered returns the HTTP status of an error, or 0 if there was no response.
func answered(err error) int {
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}
