package cmd

import (
	"context"
	"fmt"
	"slices"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/policy"
	"github.com/coffer-secrets/coffer/store"
)

// site is the bucket of a store and the key that it writes under, on AWS or on a server that
// speaks its language. init makes what they lack, doctor tells it.
type site struct {
	scope   policy.Scope
	keys    *awsconf.Keys
	buckets *awsconf.Buckets
	keyName string // what KMS calls the key: the alias, or another server's name for it; "" without keys
	keyARN  string // once it is there
	pinned  []string
}

// site returns what the settings describe. [store.ErrUnsupported] for a backend without a bucket.
func (a *App) site(ctx context.Context) (*site, error) {
	s, err := a.settings()
	if err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	if s.Backend.Value != "s3-kms" && s.Backend.Value != "s3" {
		return nil, fmt.Errorf("%w: the %s backend needs nothing that could be made", store.ErrUnsupported, s.Backend.Value)
	}
	cfg, err := a.aws(ctx, s)
	if err != nil {
		return nil, err
	}
	out := &site{
		scope: policy.Scope{Region: cfg.Region, Bucket: s.Bucket.Value},
		keys:  awsconf.NewKeys(cfg), buckets: awsconf.NewBuckets(cfg, s.ExpectedBucketOwner.Value),
		pinned: s.keyARNs(),
	}
	if s.Backend.Value == "s3-kms" {
		alias, err := store.NormalizeAlias(s.KMSKeyAlias.Value)
		if err != nil {
			return nil, err
		}
		out.scope.Keys, out.keyName = []policy.Key{{Alias: alias}}, alias
		if name, ok := s.file.Keys[alias]; ok {
			out.keyName = name
		}
	}
	return out, nil
}

// key asks KMS for the key.
func (s *site) key(ctx context.Context) (info awsconf.KeyInfo, found bool, err error) {
	info, found, err = s.keys.Find(ctx, s.keyName)
	s.keyARN = info.ARN
	return info, found, err
}

// checkPin refuses a key that is not pinned, where keys are.
func (s *site) checkPin() error {
	if len(s.pinned) > 0 && !slices.Contains(s.pinned, s.keyARN) {
		return &store.PinError{Alias: s.scope.Keys[0].Alias, KeyID: s.keyARN}
	}
	return nil
}

// bucketSetting is one thing that a bucket should be told.
type bucketSetting struct {
	name  string // as --without has it
	title string
	want  string // in words
	holds func(context.Context) (bool, error)
	make  func(context.Context) error
}

// settings are those of a bucket that exists, in the order in which they are made.
func (s *site) settings(unconditional bool) []bucketSetting {
	b, bucket := s.buckets, s.scope.Bucket
	method := "AES256"
	if len(s.scope.Keys) > 0 {
		method = "aws:kms"
	}
	statements := "TLS alone; no put without a condition (chamber can then read, and not write)"
	if unconditional {
		statements = "TLS alone"
	}
	rules := []awsconf.Rule{
		{ID: policy.RuleNoncurrent, NoncurrentDays: policy.NoncurrentDays},
		{ID: policy.RuleShares, Prefix: "__share/", Days: policy.ShareDays},
	}
	return []bucketSetting{
		{
			"encryption", "default encryption", method,
			func(ctx context.Context) (bool, error) { return s.encrypts(ctx, method) },
			func(ctx context.Context) error { return b.SetEncryption(ctx, bucket, s.keyARN) },
		},
		{
			"public-access", "public access", "blocked",
			func(ctx context.Context) (bool, error) { return b.PublicAccessBlocked(ctx, bucket) },
			func(ctx context.Context) error { return b.BlockPublicAccess(ctx, bucket) },
		},
		{
			"versions", "versions", "kept by the bucket, so that what is deleted can be restored",
			func(ctx context.Context) (bool, error) { return b.Versioned(ctx, bucket) },
			func(ctx context.Context) error { return b.KeepVersions(ctx, bucket) },
		},
		{
			"policy", "bucket policy", statements,
			func(ctx context.Context) (bool, error) {
				_, changed, err := s.policy(ctx, unconditional)
				return !changed, err
			},
			func(ctx context.Context) error {
				merged, _, err := s.policy(ctx, unconditional)
				if err != nil {
					return err
				}
				return b.SetPolicy(ctx, bucket, merged)
			},
		},
		{
			"lifecycle", "lifecycle", fmt.Sprintf("old versions and shares go after a time (%d and %d days)", policy.NoncurrentDays, policy.ShareDays),
			func(ctx context.Context) (bool, error) { return b.HasRules(ctx, bucket, rules...) },
			func(ctx context.Context) error { return b.SetRules(ctx, bucket, rules...) },
		},
	}
}

// encrypts takes every KMS key for good: each put names its own.
func (s *site) encrypts(ctx context.Context, want string) (bool, error) {
	method, _, err := s.buckets.Encryption(ctx, s.scope.Bucket)
	return method == want || method == "aws:kms" || method == "aws:kms:dsse", err
}

// policy returns the bucket's policy with our statements in it, and whether it lacks any of
// them now. Every other statement stays as it is.
func (s *site) policy(ctx context.Context, unconditional bool) (merged string, lacks bool, err error) {
	existing, err := s.buckets.Policy(ctx, s.scope.Bucket)
	if err != nil {
		return "", false, err
	}
	merged, lacks, err = policy.Merge(existing, s.scope.BucketPolicy(unconditional))
	if err != nil {
		err = fmt.Errorf("%w: %w", store.ErrConfiguration, err)
	}
	return merged, lacks, err
}
