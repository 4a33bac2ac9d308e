package s3kms

import (
	"context"

	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/s3open"
)

// secrets is the S3 store with the operations that need KMS.
type secrets struct {
	*s3open.Sharing
	s3open.Keys
}

// Try implements [admin.Prober].
func (s *secrets) Try(ctx context.Context, service string, actions []string) ([]admin.Trial, error) {
	trials, err := s.Sharing.Try(ctx, service, actions)
	for i := range trials {
		if actions[i] == "kms:DescribeKey" {
			trials[i] = s.TryDescribe(ctx, s.Alias)
		}
	}
	return trials, err
}
