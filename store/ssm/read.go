package ssm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsssm "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/awserror"
)

// Read implements [store.Store]. If the caller has no permission to describe parameters, the
// version is Parameter Store's own. That is also chamber's version, unless another tool wrote the
// secret.
func (s *Store) Read(ctx context.Context, id store.ID, version int) (store.Secret, error) {
	secret, err := s.read(ctx, id, version)
	return secret, awserror.Wrap("read", id, err)
}

func (s *Store) read(ctx context.Context, id store.ID, version int) (store.Secret, error) {
	if version != store.Latest {
		return answer(ctx, s, id, func(id store.ID) (store.Secret, error) { return s.readVersion(ctx, id, version) })
	}
	if _, err := store.NewID(id.Service, id.Key); err != nil {
		return store.Secret{}, err
	}
	found, missing, err := s.find(ctx, id.Service, []string{id.Key}, true)
	if err != nil {
		return store.Secret{}, err
	}
	return found[id.Key].Secret, missing[id.Key]
}

// readVersion searches the history of a parameter of exactly this name for a version. If two have
// the same number, it returns the newer one.
func (s *Store) readVersion(ctx context.Context, id store.ID, version int) (store.Secret, error) {
	return s.pick(ctx, id, strconv.Itoa(version), func(h historical) bool { return h.Version == version })
}

// pick returns the newest version that matches, with its value. Parameter Store decrypts a whole
// history or none of it: if the key of another version cannot be used, pick reads the value of the
// wanted version by itself. what describes the version for the error.
func (s *Store) pick(ctx context.Context, id store.ID, what string, fits func(historical) bool) (store.Secret, error) {
	versions, err := s.versions(ctx, id, true)
	sealed := errors.Is(err, store.ErrDenied) || errors.Is(err, store.ErrConfiguration)
	if sealed {
		versions, err = s.versions(ctx, id, false)
	}
	if err != nil {
		return store.Secret{}, err
	}
	for _, h := range slices.Backward(versions) {
		if !fits(h) {
			continue
		}
		if sealed {
			h.Value, err = s.valueOf(ctx, id, h.number)
		}
		return h.Secret, err
	}
	return store.Secret{}, &store.NotFoundError{What: "version", Version: what}
}

// valueOf reads one of Parameter Store's own versions.
func (s *Store) valueOf(ctx context.Context, id store.ID, number int64) (store.Value, error) {
	values, err := s.getNames(ctx, []string{parameterName(id) + ":" + strconv.FormatInt(number, 10)}, true)
	if err == nil && len(values) == 0 {
		err = &store.NotFoundError{What: "version"}
	}
	if err != nil {
		return store.Value{}, err
	}
	return store.NewValue(aws.ToString(values[0].Value)), nil
}

// ReadLabel returns the version of a secret that has a label of Parameter Store. The errors are
// those of [store.Store.Read].
func (s *Store) ReadLabel(ctx context.Context, id store.ID, label string) (store.Secret, error) {
	secret, err := answer(ctx, s, id, func(id store.ID) (store.Secret, error) {
		return s.pick(ctx, id, "with the label "+label, func(h historical) bool { return slices.Contains(h.labels, label) })
	})
	return secret, awserror.Wrap("read", id, err)
}

// History implements [store.Store].
func (s *Store) History(ctx context.Context, id store.ID) ([]store.Meta, error) {
	metas, err := answer(ctx, s, id, func(id store.ID) ([]store.Meta, error) {
		versions, err := s.versions(ctx, id, false)
		metas := make([]store.Meta, len(versions))
		for i, p := range versions {
			metas[i] = p.Meta
		}
		return metas, err
	})
	return metas, awserror.Wrap("history", id, err)
}

var _ admin.Historian = (*Store)(nil)

// Versions implements [admin.Historian]. Parameter Store decrypts a whole history or none of it.
func (s *Store) Versions(ctx context.Context, id store.ID) ([]store.Secret, error) {
	secrets, err := answer(ctx, s, id, func(id store.ID) ([]store.Secret, error) {
		versions, err := s.versions(ctx, id, true)
		secrets := make([]store.Secret, len(versions))
		for i, p := range versions {
			secrets[i] = p.Secret
		}
		return secrets, err
	})
	return secrets, awserror.Wrap("history", id, err)
}

// Services implements [store.Store].
func (s *Store) Services(ctx context.Context, prefix string) ([]string, error) {
	described, err := s.describe(ctx, "Name", "BeginsWith", "/"+prefix)
	if err != nil {
		return nil, awserror.Wrap("services", store.ID{Service: prefix}, err)
	}
	var names []string
	for _, d := range described {
		if id, ok := secretID(d.Name); ok && strings.HasPrefix(id.Service, prefix) {
			names = append(names, id.Service)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// answer calls f with a valid ID. If no parameter has exactly that name, it calls f again with the
// only one that differs just in case.
func answer[T any](ctx context.Context, s *Store, id store.ID, f func(store.ID) (T, error)) (result T, err error) {
	if _, err := store.NewID(id.Service, id.Key); err != nil {
		return result, err
	}
	result, err = f(id)
	if !absent(err) {
		return result, err
	}
	keys, err := s.keys(ctx, id.Service)
	if err != nil {
		return result, unlisted(err)
	}
	if id.Key, err = store.Lookup(id.Key, keys); err != nil {
		return result, err
	}
	return f(id)
}

// errUnlisted means that no parameter has exactly the requested name, and that the caller has no
// permission to look for other names.
var errUnlisted = fmt.Errorf("%w: no secret has exactly this name, and you don't have permission to list the others", store.ErrNotFound)

// unlisted returns the error of a search for a name whose listing has failed.
func unlisted(err error) error {
	if errors.Is(err, store.ErrDenied) {
		return errUnlisted
	}
	return err
}

// keys lists the keys of one service.
func (s *Store) keys(ctx context.Context, service string) ([]string, error) {
	described, err := s.describe(ctx, "Path", "OneLevel", "/"+service)
	var keys []string
	for _, d := range described {
		if id, ok := secretID(d.Name); ok && id.Service == service {
			keys = append(keys, id.Key)
		}
	}
	return keys, err
}

// find returns the newest version of each secret of a service, by the requested name, and the
// errors of missing names: no key, or several, differ from it just in case. For a caller without
// permission to list, names that differ in case are not found.
func (s *Store) find(ctx context.Context, service string, names []string, decrypt bool) (map[string]parameter, map[string]error, error) {
	found, err := s.fetch(ctx, service, names, decrypt)
	if err != nil {
		return nil, nil, err
	}
	missing := map[string]error{}
	if len(found) == len(names) {
		return found, missing, nil
	}
	keys, failed := s.keys(ctx, service)
	if failed = unlisted(failed); failed != nil && !errors.Is(failed, errUnlisted) {
		return nil, nil, failed
	}
	twins := map[string]string{} // the stored key -> the requested name
	for _, name := range names {
		if _, ok := found[name]; ok {
			continue
		}
		key, err := store.Lookup(name, keys)
		if err = cmp.Or(failed, err); err != nil {
			missing[name] = err
			continue
		}
		twins[key] = name
	}
	stored := make([]string, 0, len(twins))
	for key := range twins {
		stored = append(stored, key)
	}
	others, err := s.fetch(ctx, service, stored, decrypt)
	for key, name := range twins {
		if p, ok := others[key]; ok {
			found[name] = p
		} else {
			missing[name] = &store.NotFoundError{What: "secret"} // deleted meanwhile
		}
	}
	return found, missing, err
}

// fetch returns the newest versions of parameters of exactly these names. It leaves out those that
// don't exist. The requests for values and descriptions run concurrently.
func (s *Store) fetch(ctx context.Context, service string, keys []string, decrypt bool) (map[string]parameter, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	names := make([]string, len(keys))
	for i, key := range keys {
		names[i] = parameterName(store.ID{Service: service, Key: key})
	}
	described := s.describeBeside(ctx, func(ctx context.Context) ([]types.ParameterMetadata, error) {
		return s.describeNames(ctx, names)
	})
	defer described.cancel()
	values, err := s.getNames(ctx, names, decrypt)
	if err != nil {
		return nil, err
	}
	d := described.wait()
	if d.err != nil && !errors.Is(d.err, store.ErrDenied) {
		return nil, d.err
	}
	parameters, err := s.join(ctx, values, d)
	if err != nil {
		return nil, err
	}
	found := map[string]parameter{}
	for _, p := range parameters {
		if !decrypt {
			p.Value = store.Value{} // it is ciphertext
		}
		found[p.ID.Key] = p
	}
	return found, nil
}

// getNames reads parameters by name, in batches.
func (s *Store) getNames(ctx context.Context, names []string, decrypt bool) ([]types.Parameter, error) {
	batches := slices.Collect(slices.Chunk(names, getBatch))
	pages := make([][]types.Parameter, len(batches))
	err := pace.Each(ctx, requests, len(batches), func(ctx context.Context, i int) error {
		out, err := s.api.GetParameters(ctx, &awsssm.GetParametersInput{Names: batches[i], WithDecryption: aws.Bool(decrypt)})
		if err != nil {
			return storageError(ctx, "GetParameters", batches[i][0], err)
		}
		pages[i] = out.Parameters
		return nil
	})
	return slices.Concat(pages...), err
}

func (s *Store) describeNames(ctx context.Context, names []string) ([]types.ParameterMetadata, error) {
	var all []types.ParameterMetadata
	for batch := range slices.Chunk(names, describeBatch) {
		described, err := s.describe(ctx, "Name", "Equals", batch...)
		if err != nil {
			return nil, err
		}
		all = append(all, described...)
	}
	return all, nil
}

// describe returns the parameters that one filter of DescribeParameters selects, in any order. A
// page can be empty and still have a next one.
func (s *Store) describe(ctx context.Context, key, option string, values ...string) ([]types.ParameterMetadata, error) {
	in := &awsssm.DescribeParametersInput{
		MaxResults:       aws.Int32(describeBatch),
		ParameterFilters: []types.ParameterStringFilter{{Key: aws.String(key), Option: aws.String(option), Values: values}},
	}
	var all []types.ParameterMetadata
	for {
		page, err := s.api.DescribeParameters(ctx, in)
		if err != nil {
			return nil, storageError(ctx, "DescribeParameters", values[0], err)
		}
		all = append(all, page.Parameters...)
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			return all, nil
		}
	}
}
