package secretsmanager

import (
	"context"
	"strings"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/awserror"
)

var _ store.Reviser = (*Store)(nil)

// Revisions implements [store.Reviser]: the only revision is the id of the service's current version. It
// makes one request and needs secretsmanager:ListSecretVersionIds, as [Store.History] does. It doesn't
// notice that the secret is scheduled for deletion.
func (s *Store) Revisions(ctx context.Context, service string) (map[string]string, error) {
	id, err := s.currentID(ctx, service)
	if err != nil {
		return nil, awserror.Wrap("list", store.ID{Service: service}, err)
	}
	return revisions(id), nil
}

// currentID returns the id of the current version of a service; "" if there is none.
func (s *Store) currentID(ctx context.Context, service string) (string, error) {
	if err := checkService(service); err != nil {
		return "", err
	}
	ids, err := s.versionIDs(ctx, service, func(stage string) bool { return stage == stageCurrent })
	if awserror.Is(err, store.ErrNotFound) {
		err = nil
	}
	return strings.Join(ids, " "), err // while the label moves, a page may show it twice
}

func revisions(id string) map[string]string {
	if id == "" {
		return map[string]string{}
	}
	return map[string]string{"": id}
}
