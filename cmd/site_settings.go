package cmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/policy"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// bucketSetting is one thing that a bucket should be told.
type bucketSetting struct {
	name    string // as --without has it
	title   string
	want    string   // in words; "" when nothing is wanted
	forbids []string // steps of a trial that it is there to refuse
	holds   func(context.Context) (bool, error)
	undo    func(context.Context) (awsconf.Undo, error) // made before the change
	make    func(context.Context) error
}

// settings are those of a bucket that exists, in the order in which they are made: last the one
// that cannot be taken back.
func (s *site) settings() []bucketSetting {
	return []bucketSetting{s.encryptionSetting(), s.blockSetting(), s.policySetting(), s.lifecycleSetting(), s.versionsSetting()}
}

func (s *site) encryptionSetting() bucketSetting {
	method := s.sealMethod()
	return bucketSetting{
		name: admin.CheckEncryption, title: "default encryption", want: method,
		holds: func(ctx context.Context) (bool, error) { return s.encrypts(ctx, method) },
		undo:  func(ctx context.Context) (awsconf.Undo, error) { return s.buckets.UndoEncryption(ctx, s.scope.Bucket) },
		make: func(ctx context.Context) error {
			key := s.keyARN
			if key == "" { // a server without KMS' own requests: the name by which puts call it
				key = s.keyName
			}
			return s.buckets.SetEncryption(ctx, s.scope.Bucket, key)
		},
	}
}

// sealMethod is what every put asks for.
func (s *site) sealMethod() string {
	if len(s.scope.Keys) > 0 {
		return "aws:kms"
	}
	return "AES256"
}

func (s *site) blockSetting() bucketSetting {
	return bucketSetting{
		name: admin.CheckPublicAccess, title: "public access", want: "blocked",
		holds: func(ctx context.Context) (bool, error) { return s.buckets.PublicAccessBlocked(ctx, s.scope.Bucket) },
		undo: func(ctx context.Context) (awsconf.Undo, error) {
			return s.buckets.UndoPublicAccessBlock(ctx, s.scope.Bucket)
		},
		make: func(ctx context.Context) error { return s.buckets.BlockPublicAccess(ctx, s.scope.Bucket) },
	}
}

func (s *site) policySetting() bucketSetting {
	var words, forbids []string
	for _, statement := range s.scope.BucketPolicy(s.unconditional).Statement {
		switch statement.Sid {
		case policy.SidTLSOnly:
			words = append(words, "TLS alone")
		case policy.SidConditionalPuts:
			words = append(words, "no put without a condition (chamber can then read, and not write)")
			forbids = []string{awsconf.StepPlainPut}
		}
	}
	return bucketSetting{
		name: admin.CheckPolicy, title: "bucket policy", want: strings.Join(words, "; "), forbids: forbids,
		holds: func(ctx context.Context) (bool, error) {
			_, lacks, err := s.policy(ctx)
			return !lacks, err
		},
		undo: func(ctx context.Context) (awsconf.Undo, error) { return s.buckets.UndoPolicy(ctx, s.scope.Bucket) },
		make: func(ctx context.Context) error {
			merged, _, err := s.policy(ctx)
			if err != nil {
				return err
			}
			return s.buckets.SetPolicy(ctx, s.scope.Bucket, merged)
		},
	}
}

func (s *site) lifecycleSetting() bucketSetting {
	rules := []awsconf.Rule{
		{ID: policy.RuleNoncurrent, NoncurrentDays: policy.NoncurrentDays},
		{ID: policy.RuleShares, Prefix: "__share/", Days: policy.ShareDays},
	}
	return bucketSetting{
		name: admin.CheckLifecycle, title: "lifecycle",
		want:  fmt.Sprintf("old versions and shares go after a time (%d and %d days)", policy.NoncurrentDays, policy.ShareDays),
		holds: func(ctx context.Context) (bool, error) { return s.buckets.HasRules(ctx, s.scope.Bucket, rules...) },
		undo:  func(ctx context.Context) (awsconf.Undo, error) { return s.buckets.UndoRules(ctx, s.scope.Bucket) },
		make:  func(ctx context.Context) error { return s.buckets.SetRules(ctx, s.scope.Bucket, rules...) },
	}
}

func (s *site) versionsSetting() bucketSetting {
	return bucketSetting{
		name: admin.CheckVersions, title: "versions", want: "on, so that deleted secrets can be restored",
		holds: func(ctx context.Context) (bool, error) { return s.buckets.Versioned(ctx, s.scope.Bucket) },
		undo:  func(ctx context.Context) (awsconf.Undo, error) { return s.buckets.UndoVersions(ctx, s.scope.Bucket) },
		make:  func(ctx context.Context) error { return s.buckets.KeepVersions(ctx, s.scope.Bucket) },
	}
}

// encrypts takes every KMS key for good: each put names its own.
func (s *site) encrypts(ctx context.Context, want string) (bool, error) {
	method, _, err := s.buckets.Encryption(ctx, s.scope.Bucket)
	return method == want || method == "aws:kms" || method == "aws:kms:dsse", err
}

// policy returns the bucket's policy with our statements in it, and whether it lacks any of
// them now. Every other statement stays as it is.
func (s *site) policy(ctx context.Context) (merged string, lacks bool, err error) {
	existing, err := s.buckets.Policy(ctx, s.scope.Bucket)
	if err != nil {
		return "", false, err
	}
	merged, lacks, err = policy.Merge(existing, s.scope.BucketPolicy(s.unconditional))
	if err != nil {
		err = fmt.Errorf("%w: %w", store.ErrConfiguration, err)
	}
	return merged, lacks, err
}
