package ssm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsssm "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/awserror"
)

// Read implements [store.Store]. For a caller who may not describe parameters the version is
// Parameter Store's own, which is chamber's too unless something else wrote the secret.
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

// readVersion finds a version in the history of a parameter of exactly this name. Of two
// with the same number the newer one answers.
func (s *Store) readVersion(ctx context.Context, id store.ID, version int) (store.Secret, error) {
	return s.pick(ctx, id, func(h historical) bool { return h.Version == version })
}

// pick returns the newest version that fits, with its value. Parameter Store opens a whole
// history or nothing of it: where a key of some other version cannot be used, the one that is
// wanted is read by itself.
func (s *Store) pick(ctx context.Context, id store.ID, fits func(historical) bool) (store.Secret, error) {
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
	return store.Secret{}, &store.NotFoundError{What: "version"}
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

// ReadLabel returns the version of a secret that carries a label of Parameter Store. The
// errors are those of [store.Store.Read].
func (s *Store) ReadLabel(ctx context.Context, id store.ID, label string) (store.Secret, error) {
	secret, err := answer(ctx, s, id, func(id store.ID) (store.Secret, error) {
		return s.pick(ctx, id, func(h historical) bool { return slices.Contains(h.labels, label) })
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

// answer calls f with a valid ID; when no parameter has exactly that name, once more with the
// single one that differs only in case.
func answer[T any](ctx context.Context, s *Store, id store.ID, f func(store.ID) (T, error)) (result T, err error) {
	if _, err := store.NewID(id.Service, id.Key); err != nil {
		return result, err
	}
	result, err = f(id)
	if !absent(err) {
		return result, err
	}
	keys, err := s.keys(ctx, id.Service)
	if err != nil && !errors.Is(err, store.ErrDenied) {
		return result, err
	}
	if id.Key, err = store.Lookup(id.Key, keys); err != nil {
		return result, err
	}
	return f(id)
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

// find returns the newest version of each secret of a service, by the names that were asked
// for, or the error of each that is missing: it differs from no key, or from several, only
// in case. A caller who may not list is not told of names that differ in case.
func (s *Store) find(ctx context.Context, service string, names []string, decrypt bool) (map[string]parameter, map[string]error, error) {
	found, err := s.fetch(ctx, service, names, decrypt)
	if err != nil {
		return nil, nil, err
	}
	missing := map[string]error{}
	if len(found) == len(names) {
		return found, missing, nil
	}
	keys, err := s.keys(ctx, service)
	if err != nil && !errors.Is(err, store.ErrDenied) {
		return nil, nil, err
	}
	twins := map[string]string{} // the stored key -> the name that was asked for
	for _, name := range names {
		if _, ok := found[name]; ok {
			continue
		}
		key, err := store.Lookup(name, keys)
		if err != nil {
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

// fetch returns the newest versions of parameters of exactly these names; what does not
// exist is left out. Values and descriptions, which are separate requests, overlap.
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

// getNames asks for parameters by name, in batches.
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

// describe returns what one filter of DescribeParameters selects, in any order. Pages may
// be empty and still have a successor.
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

// historical is a parameter of the history, which tells more of it.
type historical struct {
	parameter
	labels      []string
	description string
	pattern     *string // that values must match
	dataType    *string
}

// copyMark begins the description of a version that a rekey put again; its number follows. It
// is a number to chamber too.
const copyMark = "+"

// copied reports whether a version is an older one that was put again under another key.
func (h historical) copied() bool { return h.description == h.copyDescription() }

// copyDescription is the description of copies of a version.
func (h historical) copyDescription() string { return copyMark + strconv.Itoa(h.Version) }

// versions returns the history of a parameter of exactly this name, oldest first. A version and
// its copies are one.
func (s *Store) versions(ctx context.Context, id store.ID, decrypt bool) ([]historical, error) {
	all, err := s.recorded(ctx, id, decrypt)
	return merged(all), err
}

// merged lets the newest copy stand for a version: its key is the one that must be usable. The
// original tells who wrote it, and when. What is read now stands last, whatever its number.
func merged(all []historical) []historical {
	var out []historical
	at := 0 // where the one before went
	for _, h := range all {
		if at = original(out, h); at < 0 {
			at, out = len(out), append(out, h)
			continue
		}
		h.Created, h.CreatedBy = out[at].Created, out[at].CreatedBy
		h.labels = slices.Concat(out[at].labels, h.labels)
		out[at] = h
	}
	if len(out) == 0 {
		return nil
	}
	newest := out[at]
	return append(slices.Delete(out, at, at+1), newest)
}

// original returns where the version stands that another is a copy of, -1 where it is none, or
// that one is gone.
func original(all []historical, h historical) int {
	if !h.copied() {
		return -1
	}
	for at, o := range slices.Backward(all) {
		if o.Version == h.Version {
			return at
		}
	}
	return -1
}

// recorded returns Parameter Store's own versions of a parameter of exactly this name, oldest
// first.
func (s *Store) recorded(ctx context.Context, id store.ID, decrypt bool) ([]historical, error) {
	in := &awsssm.GetParameterHistoryInput{
		Name: aws.String(parameterName(id)), WithDecryption: aws.Bool(decrypt), MaxResults: aws.Int32(historyPage),
	}
	var all []historical
	for {
		page, err := s.api.GetParameterHistory(ctx, in)
		if err != nil {
			return nil, storageError(ctx, "GetParameterHistory", parameterName(id), err)
		}
		for _, h := range page.Parameters {
			p := parameter{number: h.Version, keyID: aws.ToString(h.KeyId), tier: h.Tier}
			p.Meta = store.Meta{
				ID: id, Version: version(h.Description, h.Version), Created: utc(h.LastModifiedDate),
				CreatedBy: author(h.LastModifiedUser), KeyAlias: alias(h.KeyId),
			}
			if decrypt {
				p.Value = store.NewValue(aws.ToString(h.Value))
			}
			all = append(all, historical{p, h.Labels, aws.ToString(h.Description), h.AllowedPattern, h.DataType})
		}
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			break
		}
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].number < all[j].number })
	return all, nil
}

// join completes values with their descriptions. Where the two are not of the same version
// the history decides, which has both.
func (s *Store) join(ctx context.Context, values []types.Parameter, d descriptions) ([]parameter, error) {
	parameters := make([]parameter, len(values))
	err := pace.Each(ctx, requests, len(values), func(ctx context.Context, i int) error {
		v := values[i]
		id, _ := secretID(v.Name)
		p := parameter{number: v.Version, undescribed: d.err}
		p.Value = store.NewValue(aws.ToString(v.Value))
		p.Meta = store.Meta{ID: id, Version: int(v.Version), Created: utc(v.LastModifiedDate)}
		parameters[i] = p
		if d.err != nil {
			return nil
		}
		if m, ok := d.byName[aws.ToString(v.Name)]; ok && m.Version == v.Version {
			p.Version, p.CreatedBy, p.KeyAlias = version(m.Description, m.Version), author(m.LastModifiedUser), alias(m.KeyId)
			p.keyID, p.tier = aws.ToString(m.KeyId), m.Tier
			parameters[i] = p
			return nil
		}
		versions, err := s.recorded(ctx, id, false)
		if err != nil && !absent(err) && !errors.Is(err, store.ErrDenied) {
			return err
		}
		at := slices.IndexFunc(versions, func(h historical) bool { return h.number == v.Version })
		if at < 0 {
			parameters[i].undescribed = cmp.Or(err, fmt.Errorf("%w: its description is not visible yet", store.ErrUnavailable))
			return nil
		}
		value := p.Value
		parameters[i] = versions[at].parameter
		parameters[i].Value = value
		return nil
	})
	return parameters, err
}

// author drops what servers write that do not know who it was.
func author(user *string) string {
	if name := aws.ToString(user); name != "N/A" {
		return name
	}
	return ""
}

func utc(t *time.Time) time.Time { return aws.ToTime(t).UTC() }
