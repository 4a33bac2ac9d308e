package ssm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsssm "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/awserror"
	"github.com/coffer-secrets/coffer/store/internal/batch"
)

const attempts = 3 // to write a secret that other writers change at the same time

// Write implements [store.Store]. The package comment describes the limits of IfVersion.
//
// A new secret is created with the tags of o, which must include those that the store's
// configuration requires ([store.ErrInvalid]). To an existing secret the tags are added after the
// write. An error that wraps [ErrTagsBehind] means that the secret is stored.
func (s *Store) Write(ctx context.Context, id store.ID, v store.Value, o store.WriteOptions) (store.Result, error) {
	results, err := s.newWriting(ctx, o).run(ctx, id.Service, map[string]store.Value{id.Key: v})
	if len(results) == 0 {
		return store.Result{}, err
	}
	return results[0], err
}

// WriteAll implements [store.Store].
func (s *Store) WriteAll(ctx context.Context, service string, values map[string]store.Value, o store.WriteOptions) ([]store.Result, error) {
	if len(values) == 0 {
		return nil, nil
	}
	return s.newWriting(ctx, o).run(ctx, service, values)
}

// writing is one command that changes secrets of one service.
type writing struct {
	*Store
	o        store.WriteOptions
	required func() ([]string, error) // the required tags of new secrets
}

func (s *Store) newWriting(ctx context.Context, o store.WriteOptions) *writing {
	return &writing{Store: s, o: o, required: sync.OnceValues(func() ([]string, error) { return s.requiredTags(ctx) })}
}

// change is the write of one secret.
type change struct {
	id      store.ID // as the caller named it
	value   store.Value
	newest  parameter // the version before the write
	exists  bool
	meta    store.Meta // the version after the write
	outcome store.Outcome
}

func (w *writing) run(ctx context.Context, service string, values map[string]store.Value) ([]store.Result, error) {
	changes, err := w.plan(service, values)
	if err != nil {
		return nil, err
	}
	found, missing, err := w.find(ctx, service, slices.Sorted(maps.Keys(values)), w.o.SkipUnchanged)
	if err != nil {
		return nil, awserror.Wrap("write", store.ID{Service: service}, err)
	}
	if err := w.checkService(ctx, found, missing); err != nil {
		return nil, awserror.Wrap("write", store.ID{Service: service}, err)
	}
	results := make([]store.Result, len(changes))
	all := batch.New(len(changes), batch.Credentials)
	_ = pace.Each(ctx, requests, len(changes), func(_ context.Context, i int) error {
		c := changes[i]
		c.newest, c.exists = found[c.id.Key]
		err := missing[c.id.Key]
		if err == nil || errors.Is(err, store.ErrNotFound) {
			err = all.Do(func() error { return w.commit(ctx, c) })
		}
		results[i] = store.Result{Meta: c.meta, Outcome: c.outcome}
		if err != nil {
			results[i] = failed("write", c.id, err)
		}
		if w.o.Progress != nil && results[i].Outcome != store.Left {
			w.o.Progress(results[i])
		}
		return nil // a failure does not stop the others
	})
	if stopped := stop("write", service, all, results); stopped != nil {
		return results, stopped
	}
	for _, r := range results {
		if r.Err != nil {
			return results, r.Err
		}
	}
	return results, nil
}

// checkService calls NewService if the service has no secret, as far as the caller may list it.
func (w *writing) checkService(ctx context.Context, found map[string]parameter, missing map[string]error) error {
	if w.o.NewService == nil || len(found) > 0 {
		return nil
	}
	for _, err := range missing {
		var absent *store.NotFoundError
		if !errors.Is(err, errUnlisted) && (!errors.As(err, &absent) || absent.What != "service") {
			return nil
		}
	}
	return w.o.NewService(ctx)
}

func failed(op string, id store.ID, err error) store.Result {
	if errors.Is(err, batch.ErrLeft) {
		return store.Result{Meta: store.Meta{ID: id}, Outcome: store.Left}
	}
	return store.Result{Meta: store.Meta{ID: id}, Outcome: store.Failed, Err: awserror.Wrap(op, id, err)}
}

// stop returns the error of a batch that was stopped, or nil. It sets that error in the results of
// the changes that were not tried.
func stop(op, service string, all *batch.Batch, results []store.Result) error {
	n := 0
	for _, r := range results {
		if r.Outcome == store.Left {
			n++
		}
	}
	stopped := all.Stop(op, service, n, all.Cause())
	if stopped == nil {
		return nil
	}
	for i := range results {
		if results[i].Outcome == store.Left {
			results[i].Err = stopped
		}
	}
	return stopped
}

// plan validates everything before anything is written.
func (w *writing) plan(service string, values map[string]store.Value) ([]*change, error) {
	var changes []*change
	stored := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		id := store.ID{Service: service, Key: key}
		err := checkName(id)
		if err == nil {
			err = CheckValue(values[key])
		}
		if twin, ok := stored[w.newKey(key)]; ok {
			err = fmt.Errorf("%w: %q and %q would be stored as one key", store.ErrInvalid, twin, key)
		}
		if err != nil {
			return nil, awserror.Wrap("write", id, err)
		}
		stored[w.newKey(key)] = key
		changes = append(changes, &change{id: id, value: values[key]})
	}
	return changes, nil
}

func (w *writing) newKey(key string) string {
	if w.o.PreserveCase {
		return key
	}
	return strings.ToLower(key)
}

// checkName adds to [store.NewID] the names that AWS and chamber reserve.
func checkName(id store.ID) error {
	if _, err := store.NewID(id.Service, id.Key); err != nil {
		return err
	}
	switch begins := strings.ToLower(id.Service); {
	case store.MadeByAWS(id.Service):
		return fmt.Errorf("%w: service %q: Parameter Store doesn't allow \"!\" in a name", store.ErrInvalid, id.Service)
	case strings.HasPrefix(begins, "aws"), strings.HasPrefix(begins, "ssm"):
		return fmt.Errorf("%w: service %q: AWS reserves names that begin with \"aws\" or \"ssm\" for itself", store.ErrInvalid, id.Service)
	case id.Service == reserved:
		return fmt.Errorf("%w: service %q is reserved for chamber's configuration", store.ErrInvalid, id.Service)
	}
	return nil
}

func (w *writing) commit(ctx context.Context, c *change) error {
	for range attempts {
		if err := ctx.Err(); err != nil {
			return err
		}
		done, err := w.check(c)
		if done && len(w.o.Tags) > 0 {
			err = w.tag(ctx, c.meta.ID, w.o.Tags)
		}
		if done || err != nil {
			return err
		}
		err = w.put(ctx, c)
		if !errors.Is(err, errMeanwhile) {
			return err
		}
		found, _, err := w.find(ctx, c.id.Service, []string{c.id.Key}, w.o.SkipUnchanged)
		if err != nil {
			return err
		}
		c.newest, c.exists = found[c.id.Key]
	}
	return fmt.Errorf("%w: other writers keep changing it", store.ErrUnavailable)
}

// check compares a change with the existing version. done means that nothing must be written.
func (w *writing) check(c *change) (done bool, err error) {
	if c.newest.undescribed != nil {
		return false, fmt.Errorf("its version is unknown: %w", c.newest.undescribed)
	}
	if want := w.o.IfVersion; want != nil && *want != c.newest.Version {
		return false, &store.VersionError{Have: c.newest.Version, Want: *want}
	}
	if !c.exists {
		if err := store.CheckNewKey(c.id.Key); err != nil {
			return false, err
		}
		return false, w.checkRequired()
	}
	if err := w.guard(c.newest); err != nil {
		return false, err
	}
	if w.o.SkipUnchanged && c.newest.Value == c.value {
		c.meta, c.outcome = c.newest.Meta, store.Unchanged
		return true, nil
	}
	return false, nil
}

// guard refuses to overwrite a secret under another key alias.
func (w *writing) guard(p parameter) error {
	switch {
	case p.keyID == w.keyAlias:
		return nil
	case p.KeyAlias != "" && !store.IsKeyName(w.keyAlias):
		return &store.AliasError{Have: p.KeyAlias, Want: w.keyAlias}
	case w.o.Adopt:
		return nil
	}
	return &store.AliasError{Want: w.keyAlias}
}

var (
	errMeanwhile   = fmt.Errorf("%w: another writer changed it meanwhile", store.ErrConflict) // nothing is stored
	errCameBetween = fmt.Errorf("%w: another writer changed it between the check and the write; the value is stored as the newest one", store.ErrConflict)
)

func (w *writing) put(ctx context.Context, c *change) error {
	id := c.newest.ID
	if !c.exists {
		id = store.ID{Service: c.id.Service, Key: w.newKey(c.id.Key)}
	}
	next := c.newest.Version + 1
	in := &awsssm.PutParameterInput{
		Name: aws.String(parameterName(id)), Value: aws.String(c.value.Reveal()), Description: aws.String(strconv.Itoa(next)),
		Type: types.ParameterTypeSecureString, KeyId: aws.String(w.keyAlias), Overwrite: aws.Bool(c.exists),
	}
	if c.newest.tier == types.ParameterTierAdvanced || w.advanced && c.value.Len() > maxStandard {
		in.Tier = types.ParameterTierAdvanced
	}
	if !c.exists {
		in.Tags = tagList(w.o.Tags) // AWS refuses tags together with Overwrite
	}
	number, err := w.send(ctx, in, c)
	if err != nil {
		return err
	}
	c.meta = store.Meta{ID: id, Version: next, KeyAlias: alias(in.KeyId)}
	if c.outcome = store.Updated; !c.exists {
		c.outcome = store.Created
	}
	if w.o.IfVersion != nil && number != c.newest.number+1 {
		return errCameBetween
	}
	if c.exists && len(w.o.Tags) > 0 {
		return w.addTags(ctx, id, w.o.Tags)
	}
	return nil
}
