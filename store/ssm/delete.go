package ssm

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsssm "github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/awserror"
	"github.com/coffer-secrets/coffer/store/internal/batch"
)

// Delete implements [store.Store] with batches of ten. If a batch is denied, each of its parameters
// is deleted by itself. If a deleted key is written again, its versions start at 1 again;
// Options.Notice reports that.
func (s *Store) Delete(ctx context.Context, service string, keys ...string) ([]store.Result, error) {
	for _, key := range keys {
		id := store.ID{Service: service, Key: key}
		if err := checkName(id); err != nil {
			return nil, awserror.Wrap("delete", id, err)
		}
	}
	all := batch.New(len(keys), batch.Credentials)
	failures := s.deleteNames(ctx, all, service, keys)
	stored := s.resolveMissing(ctx, all, service, failures)
	results := make([]store.Result, len(keys))
	for i, key := range keys {
		id := store.ID{Service: service, Key: key}
		if twin, ok := stored[key]; ok {
			id.Key = twin
		}
		results[i] = store.Result{Meta: store.Meta{ID: id}, Outcome: store.Deleted}
		if err := failures[key]; err != nil {
			results[i] = failed("delete", id, err)
		}
	}
	if slices.ContainsFunc(results, func(r store.Result) bool { return r.Outcome == store.Deleted }) {
		s.notice(numbersBeginAgain)
	}
	first := stop("delete", service, all, results)
	for _, r := range results {
		first = firstOf(first, r.Err)
	}
	return results, first
}

// numbersBeginAgain warns about a limit of Parameter Store: it keeps neither the history nor the
// tags of a deleted parameter. Another parameter could record the number, but the two could not be
// changed atomically.
const numbersBeginAgain = "Parameter Store keeps nothing of a deleted secret: a secret that is written again starts at version 1," +
	" so that an old version number (--if-version) can then mean another value"

func firstOf(first, next error) error {
	if first != nil {
		return first
	}
	return next
}

// resolveMissing handles the names that match no key exactly: it deletes the only key that differs
// just in case. It returns the stored key of each such name, and updates the failures.
func (s *Store) resolveMissing(ctx context.Context, all *batch.Batch, service string, failures map[string]error) map[string]string {
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
			failures[name] = s.deleteNames(ctx, all, service, []string{key})[key]
		}
	}
	return stored
}

// deleteNames deletes the parameters of exactly these names. It returns the errors by key.
func (s *Store) deleteNames(ctx context.Context, all *batch.Batch, service string, keys []string) map[string]error {
	failures := map[string]error{}
	for some := range slices.Chunk(keys, getBatch) {
		names := make([]string, len(some))
		for i, key := range some {
			names[i] = parameterName(store.ID{Service: service, Key: key})
		}
		var failed map[string]error
		err := all.Do(func() (err error) { failed, err = s.deleteBatch(ctx, names); return err })
		for i, key := range some {
			switch {
			case errors.Is(err, store.ErrDenied) && len(some) > 1:
				failures[key] = s.deleteNames(ctx, all, service, []string{key})[key]
			case err != nil:
				failures[key] = err
			case failed[names[i]] != nil:
				failures[key] = failed[names[i]]
			}
		}
	}
	return failures
}

var errGone = fmt.Errorf("%w: it doesn't exist now; whether it existed before is unknown, because the response was lost", store.ErrUnknown)

// deleteBatch deletes parameters. It first checks which exist: when the answer to a delete is lost
// and the delete is repeated, the second answer reports the deleted parameters as missing. A caller
// without permission for that check can still delete.
func (s *Store) deleteBatch(ctx context.Context, names []string) (failed map[string]error, err error) {
	before, blind := s.present(ctx, names)
	if blind != nil && !errors.Is(blind, store.ErrDenied) {
		return nil, blind
	}
	uncertain := false
	deleted, err := awserror.Change[[]string]{
		Retryer: s.retryer,
		Send: func() ([]string, error) {
			out, err := s.api.DeleteParameters(ctx, &awsssm.DeleteParametersInput{Names: names}, once)
			if err != nil {
				return nil, err
			}
			return out.DeletedParameters, nil
		},
		Fail:    func(err error) error { return storageError(ctx, "DeleteParameters", names[0], err) },
		Unknown: func(err error) error { return unknown("deleted", err) },
		Look: func(lost error) ([]string, bool, error) {
			uncertain = true
			left, err := s.present(ctx, names)
			if err != nil {
				return nil, false, unknown("deleted", lost)
			}
			return nil, len(left) == 0, nil
		},
	}.Make(ctx)
	if err != nil {
		return nil, err
	}
	failed = map[string]error{}
	for _, name := range names {
		switch {
		case slices.Contains(deleted, name), uncertain && slices.Contains(before, name):
		case uncertain && blind != nil:
			failed[name] = errGone
		default:
			failed[name] = &store.NotFoundError{What: "secret"}
		}
	}
	return failed, nil
}

// present returns those of the names for which a parameter exists.
func (s *Store) present(ctx context.Context, names []string) ([]string, error) {
	found, err := s.getNames(ctx, names, false)
	there := make([]string, len(found))
	for i, p := range found {
		there[i] = aws.ToString(p.Name)
	}
	return there, err
}
