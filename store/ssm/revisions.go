package ssm

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/awserror"
)

var _ store.Reviser = (*Store)(nil)

// Revisions implements [store.Reviser]. It needs ssm:GetParametersByPath, as [Store.Load] does, and
// makes one request for ten secrets. Nothing is decrypted. A service that Load can only read one
// by one has no Revisions: the error is [store.ErrDenied].
//
// DescribeParameters would list 50 in a request, but needs a permission that a reader may lack.
func (s *Store) Revisions(ctx context.Context, service string) (map[string]string, error) {
	return s.revisions(ctx, service, "")
}

// LabelRevisions implements [store.Labeler].
func (s *Store) LabelRevisions(ctx context.Context, service, label string) (map[string]string, error) {
	return s.revisions(ctx, service, label)
}

func (s *Store) revisions(ctx context.Context, service, label string) (map[string]string, error) {
	if err := store.CheckService(service); err != nil {
		return nil, awserror.Wrap("list", store.ID{Service: service}, err)
	}
	values, err := s.byPath(ctx, service, label, false)
	if err != nil {
		return nil, awserror.Wrap("list", store.ID{Service: service}, err)
	}
	return revisionsOf(service, values), nil
}

func revisionsOf(service string, values []types.Parameter) map[string]string {
	revisions := make(map[string]string, len(values))
	for _, v := range values {
		if id, ok := secretID(v.Name); ok && id.Service == service {
			revisions[id.Key] = revision(v)
		}
	}
	return revisions
}

// revision contains the time, because a parameter that is deleted and made again begins at version 1.
func revision(v types.Parameter) string {
	return fmt.Sprintf("%d@%d", v.Version, aws.ToTime(v.LastModifiedDate).UnixMilli())
}
