package site

import (
	"context"
	"fmt"
	"strings"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/policy"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// BucketSetting is one thing that a bucket should be told.
type BucketSetting struct {
	Name    string // as --without has it
	Title   string
	Want    string   // in words; "" when nothing is wanted
	forbids []string // steps of a trial that it is there to refuse
	Holds   func(context.Context) (bool, error)
	undo    func(context.Context) (awsconf.Undo, error) // made before the change
	make    func(context.Context) error
}

// Settings are those of a bucket that exists, in the order in which they are made: last the one
// that cannot be taken back.
func (s *Site) Settings() []BucketSetting {
	return []BucketSetting{s.encryptionSetting(), s.blockSetting(), s.policySetting(), s.lifecycleSetting(), s.versionsSetting()}
}

func (s *Site) encryptionSetting() BucketSetting {
	method := s.sealMethod()
	return BucketSetting{
		Name: admin.CheckEncryption, Title: "default encryption", Want: method,
		Holds: func(ctx context.Context) (bool, error) { return s.encrypts(ctx, method) },
		undo:  func(ctx context.Context) (awsconf.Undo, error) { return s.Buckets.UndoEncryption(ctx, s.Scope.Bucket) },
		make: func(ctx context.Context) error {
			key := s.keyARN
			if key == "" { // a server without KMS' own requests: the name by which puts call it
				key = s.keyName
			}
			return s.Buckets.SetEncryption(ctx, s.Scope.Bucket, key)
		},
	}
}

// sealMethod is what every put asks for.
func (s *Site) sealMethod() string {
	if len(s.Scope.Keys) > 0 {
		return "aws:kms"
	}
	return "AES256"
}

func (s *Site) blockSetting() BucketSetting {
	return BucketSetting{
		Name: admin.CheckPublicAccess, Title: "public access", Want: "blocked",
		Holds: func(ctx context.Context) (bool, error) { return s.Buckets.PublicAccessBlocked(ctx, s.Scope.Bucket) },
		undo: func(ctx context.Context) (awsconf.Undo, error) {
			return s.Buckets.UndoPublicAccessBlock(ctx, s.Scope.Bucket)
		},
		make: func(ctx context.Context) error { return s.Buckets.BlockPublicAccess(ctx, s.Scope.Bucket) },
	}
}

func (s *Site) policySetting() BucketSetting {
	var words, forbids []string
	for _, statement := range s.Scope.BucketPolicy(s.Unconditional).Statement {
		switch statement.Sid {
		case policy.SidTLSOnly:
			words = append(words, "TLS alone")
		case policy.SidConditionalPuts:
			words = append(words, "no put without a condition (chamber can then read, and not write)")
			forbids = []string{awsconf.StepPlainPut}
		}
	}
	return BucketSetting{
		Name: admin.CheckPolicy, Title: "bucket policy", Want: strings.Join(words, "; "), forbids: forbids,
		Holds: func(ctx context.Context) (bool, error) {
			_, lacks, err := s.policy(ctx)
			return !lacks, err
		},
		undo: func(ctx context.Context) (awsconf.Undo, error) { return s.Buckets.UndoPolicy(ctx, s.Scope.Bucket) },
		make: func(ctx context.Context) error {
			merged, _, err := s.policy(ctx)
			if err != nil {
				return err
			}
			return s.Buckets.SetPolicy(ctx, s.Scope.Bucket, merged)
		},
	}
}

func (s *Site) lifecycleSetting() BucketSetting {
	rules := []awsconf.Rule{
		{ID: policy.RuleNoncurrent, NoncurrentDays: policy.NoncurrentDays},
		{ID: policy.RuleShares, Prefix: admin.SharePrefix, Days: policy.ShareDays},
	}
	return BucketSetting{
		Name: admin.CheckLifecycle, Title: "lifecycle",
		Want:  fmt.Sprintf("old versions and shares go after a time (%d and %d days)", policy.NoncurrentDays, policy.ShareDays),
		Holds: func(ctx context.Context) (bool, error) { return s.Buckets.HasRules(ctx, s.Scope.Bucket, rules...) },
		undo:  func(ctx context.Context) (awsconf.Undo, error) { return s.Buckets.UndoRules(ctx, s.Scope.Bucket) },
		make:  func(ctx context.Context) error { return s.Buckets.SetRules(ctx, s.Scope.Bucket, rules...) },
	}
}

func (s *Site) versionsSetting() BucketSetting {
	return BucketSetting{
		Name: admin.CheckVersions, Title: "versions", Want: "on, so that deleted secrets can be restored",
		Holds: func(ctx context.Context) (bool, error) { return s.Buckets.Versioned(ctx, s.Scope.Bucket) },
		undo:  func(ctx context.Context) (awsconf.Undo, error) { return s.Buckets.UndoVersions(ctx, s.Scope.Bucket) },
		make:  func(ctx context.Context) error { return s.Buckets.KeepVersions(ctx, s.Scope.Bucket) },
	}
}

// encrypts takes every KMS key for good: each put names its own.
func (s *Site) encrypts(ctx context.Context, want string) (bool, error) {
	method, _, err := s.Buckets.Encryption(ctx, s.Scope.Bucket)
	return method == want || method == "aws:kms" || method == "aws:kms:dsse", err
}

// policy returns the bucket's policy with our statements in it, and whether it lacks any of
// them now. Every other statement stays as it is.
func (s *Site) policy(ctx context.Context) (merged string, lacks bool, err error) {
	existing, err := s.Buckets.Policy(ctx, s.Scope.Bucket)
	if err != nil {
		return "", false, err
	}
	merged, lacks, err = policy.Merge(existing, s.Scope.BucketPolicy(s.Unconditional))
	if err != nil {
		err = fmt.Errorf("%w: %w", store.ErrConfiguration, err)
	}
	return merged, lacks, err
}
