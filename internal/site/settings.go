package site

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/policy"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// BucketSetting is a setting that the bucket should have.
type BucketSetting struct {
	Name    string   // as in --without
	Title   string   // for people
	Want    string   // the value, in words; "" if it should not be set here
	forbids []string // the steps of a trial that the setting must make fail
	IsSet   func(context.Context) (bool, error)
	undo    func(context.Context) (awsconf.Undo, error) // call it before make
	make    func(context.Context) error
}

// Settings returns the settings of a bucket, in the order in which to make them. The one that can't
// be undone comes last.
func (s *Site) Settings() []BucketSetting {
	all := []BucketSetting{s.blockSetting(), s.policySetting(), s.lifecycleSetting(), s.versionsSetting()}
	if s.sealMethod() != "" {
		all = slices.Insert(all, 0, s.encryptionSetting())
	}
	return all
}

func (s *Site) encryptionSetting() BucketSetting {
	method := s.sealMethod()
	return BucketSetting{
		Name: admin.CheckEncryption, Title: "default encryption", Want: method,
		IsSet: func(ctx context.Context) (bool, error) { return s.encrypts(ctx, method) },
		undo:  func(ctx context.Context) (awsconf.Undo, error) { return s.Buckets.UndoEncryption(ctx, s.Scope.Bucket) },
		make: func(ctx context.Context) error {
			key := ""
			if method == methodKMS {
				key = cmp.Or(s.keyARN, s.keyName) // without a KMS API, the server's puts take the name
			}
			return s.Buckets.SetEncryption(ctx, s.Scope.Bucket, key)
		},
	}
}

// methodKMS is S3's name for encryption with a KMS key.
const methodKMS = "aws:kms"

// sealMethod returns the encryption that every put requests. It is "" for objects that are encrypted
// before they are stored, on a server that may not have any.
func (s *Site) sealMethod() string {
	switch {
	case s.sealed && s.Other != "":
		return ""
	case len(s.Scope.Keys) > 0 && !s.sealed:
		return methodKMS
	}
	return "AES256"
}

func (s *Site) blockSetting() BucketSetting {
	return BucketSetting{
		Name: admin.CheckPublicAccess, Title: "public access", Want: "blocked",
		IsSet: func(ctx context.Context) (bool, error) { return s.Buckets.PublicAccessBlocked(ctx, s.Scope.Bucket) },
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
			words = append(words, "TLS only")
		case policy.SidConditionalPuts:
			text := "denies writes without conditions"
			if !s.sealed {
				text += " (chamber can then read, but not write)"
			}
			words = append(words, text)
			forbids = []string{awsconf.StepPlainPut}
		}
	}
	return BucketSetting{
		Name: admin.CheckPolicy, Title: "bucket policy", Want: strings.Join(words, "; "), forbids: forbids,
		IsSet: func(ctx context.Context) (bool, error) {
			_, missing, err := s.policy(ctx)
			return !missing, err
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
		Want:  fmt.Sprintf("deletes old versions after %d days and shares after %d days", policy.NoncurrentDays, policy.ShareDays),
		IsSet: func(ctx context.Context) (bool, error) { return s.Buckets.HasRules(ctx, s.Scope.Bucket, rules...) },
		undo:  func(ctx context.Context) (awsconf.Undo, error) { return s.Buckets.UndoRules(ctx, s.Scope.Bucket) },
		make:  func(ctx context.Context) error { return s.Buckets.SetRules(ctx, s.Scope.Bucket, rules...) },
	}
}

func (s *Site) versionsSetting() BucketSetting {
	return BucketSetting{
		Name: admin.CheckVersions, Title: "versions", Want: "on: deleted secrets can be restored",
		IsSet: func(ctx context.Context) (bool, error) { return s.Buckets.Versioned(ctx, s.Scope.Bucket) },
		undo:  func(ctx context.Context) (awsconf.Undo, error) { return s.Buckets.UndoVersions(ctx, s.Scope.Bucket) },
		make:  func(ctx context.Context) error { return s.Buckets.KeepVersions(ctx, s.Scope.Bucket) },
	}
}

// encrypts reports whether the bucket's default encryption is as wanted. Any KMS key will do, as
// every put names its own key.
func (s *Site) encrypts(ctx context.Context, want string) (bool, error) {
	method, _, err := s.Buckets.Encryption(ctx, s.Scope.Bucket)
	return method == want || method == methodKMS || method == methodKMS+":dsse", err
}

// policy returns the bucket's policy with the statements of coffer added, and whether any of them is
// missing now. The other statements stay.
func (s *Site) policy(ctx context.Context) (merged string, missing bool, err error) {
	existing, err := s.Buckets.Policy(ctx, s.Scope.Bucket)
	if err != nil {
		return "", false, err
	}
	merged, missing, err = policy.Merge(existing, s.Scope.BucketPolicy(s.Unconditional))
	if err != nil {
		err = fmt.Errorf("%w: %w", store.ErrConfiguration, err)
	}
	return merged, missing, err
}
