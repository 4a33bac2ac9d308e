package s3kms

import (
	"context"
	"strings"
	"unicode"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket/s3bucket"
	"github.com/coffer-secrets/coffer/store/internal/s3open"
)

// secrets is the S3 store with the operations that need KMS.
type secrets struct {
	*s3open.Sharing
	describer
}

// Try implements [admin.Prober].
func (s *secrets) Try(ctx context.Context, service string, actions []string) ([]admin.Trial, error) {
	trials, err := s.Sharing.Try(ctx, service, actions)
	for i := range trials {
		if actions[i] == "kms:DescribeKey" {
			trials[i] = s.tryDescribe(ctx, s.Alias)
		}
	}
	return trials, err
}

// describer is a [admin.KeyDescriber].
type describer struct {
	keys  *awsconf.Keys
	names map[string]string
}

// DescribeKey implements [admin.KeyDescriber].
func (d describer) DescribeKey(ctx context.Context, name string) (admin.Key, error) {
	if other, ok := d.names[name]; ok {
		name = other
	}
	info, found, err := d.keys.Find(ctx, name)
	switch {
	case err != nil:
		return admin.Key{}, &store.Error{Op: "describe key", Err: err}
	case !found:
		return admin.Key{State: "no such key"}, nil
	}
	return admin.Key{ID: info.ARN, State: words(info.State)}, nil
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

// tryDescribe tests the permission to describe the key of an alias.
func (d describer) tryDescribe(ctx context.Context, alias string) admin.Trial {
	if other, ok := d.names[alias]; ok {
		alias = other
	}
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	_, err := d.keys.Describe(ctx, alias)
	return s3bucket.TrialResult("kms:DescribeKey", err)
}
