package ssm

import (
	"context"
	"errors"
	"fmt"
	"slices"

	awsssm "github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/awserror"
)

// Delete implements [store.Store], in batches of ten. Where one of a batch is denied, each
// is tried by itself.
func (s *Store) Delete(ctx context.Context, service string, keys ...string) ([]store.Result, error) {
	for _, key := range keys {
		id := store.ID{Service: service, Key: key}
		if err := checkName(id); err != nil {
			return nil, awserror.Wrap("delete", id, err)
		}
	}
	failures := s.deleteNames(ctx, service, keys)
	stored := s.resolveMissing(ctx, service, failures)
	results := make([]store.Result, len(keys))
	var first error
	for i, key := range keys {
		id := store.ID{Service: service, Key: key}
		if twin, ok := stored[key]; ok {
			id.Key = twin
		}
		results[i] = store.Result{Meta: store.Meta{ID: id}, Outcome: store.Deleted}
		if err := failures[key]; err != nil {
			results[i].Outcome, results[i].Err = store.Failed, awserror.Wrap("delete", id, err)
			first = firstOf(first, results[i].Err)
		}
	}
	return results, first
}

func firstOf(first, next error) error {
	if first != nil {
		return first
	}
	return next
}

// resolveMissing deletes, for each name that no key has exactly, the single key that differs
// only in case. It returns the stored keys by the names that meant them, and brings the
// failures up to date.
func (s *Store) resolveMissing(ctx context.Context, service string, failures map[string]error) map[string]string {
	var missing []string
	for name, err := range failures {
		if errors.Is(err, store.ErrNotFound) {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	keys, err := s.keys(ctx, service)
	if err != nil {
		return nil
	}
	stored := map[string]string{}
	for _, name := range missing {
		key, err := store.Lookup(name, keys)
		if failures[name] = err; err == nil {
			stored[name] = key
			failures[name] = s.deleteNames(ctx, service, []string{key})[key]
		}
	}
	return stored
}

// deleteNames deletes the parameters of exactly these names and returns why it failed, by key.
func (s *Store) deleteNames(ctx context.Context, service string, keys []string) map[string]error {
	failures := map[string]error{}
	for batch := range slices.Chunk(keys, getBatch) {
		names := make([]string, len(batch))
		for i, key := range batch {
			names[i] = parameterName(store.ID{Service: service, Key: key})
		}
		out, err := s.api.deleteParameters(ctx, &awsssm.DeleteParametersInput{Names: names})
		if err != nil {
			err = deleteError(storageError(ctx, "DeleteParameters", names[0], err))
		}
		for i, key := range batch {
			switch {
			case errors.Is(err, store.ErrDenied) && len(batch) > 1:
				failures[key] = s.deleteNames(ctx, service, []string{key})[key]
			case err != nil:
				failures[key] = err
			case !slices.Contains(out.DeletedParameters, names[i]):
				failures[key] = &store.NotFoundError{What: "secret"}
			}
		}
	}
	return failures
}

func deleteError(err error) error {
	if awserror.Applied(err) {
		return fmt.Errorf("%w: it may or may not be deleted: %w", store.ErrUnknown, err)
	}
	return err
}
