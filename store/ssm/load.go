package ssm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsssm "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/awserror"
)

// Load implements [store.Store]. It needs ssm:GetParametersByPath. It calls ssm:DescribeParameters
// concurrently to get versions and authors. Without the first permission it reads the secrets one
// by one; those that cannot be read are Hidden.
func (s *Store) Load(ctx context.Context, service string) (store.Contents, error) {
	return s.load(ctx, service, "")
}

// LoadLabel is like [Store.Load], for the versions with a label of Parameter Store. chamber writes
// it as "service:label". A secret without the label is left out.
func (s *Store) LoadLabel(ctx context.Context, service, label string) (store.Contents, error) {
	if label == "" {
		err := fmt.Errorf("%w: the label has no name", store.ErrInvalid)
		return store.Contents{Service: service}, awserror.Wrap("load", store.ID{Service: service}, err)
	}
	return s.load(ctx, service, label)
}

func (s *Store) load(ctx context.Context, service, label string) (store.Contents, error) {
	contents := store.Contents{Service: service}
	err := store.CheckService(service)
	if err == nil {
		_, err = s.fill(ctx, &contents, label)
	}
	return contents, awserror.Wrap("load", store.ID{Service: service}, err)
}

// fill returns the parameters besides, sorted as the secrets.
func (s *Store) fill(ctx context.Context, c *store.Contents, label string) ([]parameter, error) {
	described := s.describeBeside(ctx, func(ctx context.Context) ([]types.ParameterMetadata, error) {
		return s.describe(ctx, "Path", "OneLevel", "/"+c.Service)
	})
	defer described.cancel()
	values, err := s.byPath(ctx, c.Service, label, true)
	whole := err == nil
	if errors.Is(err, store.ErrDenied) && label == "" {
		values, err = s.oneByOne(ctx, c, described.wait(), err)
	}
	if err != nil {
		return nil, err
	}
	values = slices.DeleteFunc(values, func(v types.Parameter) bool { return !belongs(c, v.Name) })
	if whole {
		c.Revisions = revisionsOf(c.Service, values)
	}
	d := described.wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if d.err != nil {
		c.Notices = append(c.Notices, "Descriptions of parameters could not be read: versions are Parameter Store's own, and authors are missing.")
	}
	parameters, err := s.join(ctx, values, d)
	sort.Slice(parameters, func(i, j int) bool { return parameters[i].ID.Key < parameters[j].ID.Key })
	for _, p := range parameters {
		c.Secrets = append(c.Secrets, p.Secret)
	}
	slices.Sort(c.Hidden)
	c.Listed = len(c.Secrets) + len(c.Hidden)
	return parameters, err
}

// belongs reports whether a parameter is a secret of the service. It adds a notice for a parameter
// whose name cannot be the name of a secret.
func belongs(c *store.Contents, name *string) bool {
	id, ok := secretID(name)
	if ok {
		return id.Service == c.Service
	}
	if c.Service != reserved && !strings.HasSuffix(aws.ToString(name), "/"+metadataKey) {
		c.Notices = append(c.Notices, fmt.Sprintf("Parameter %q was left out: its name isn't a valid name of a secret.", aws.ToString(name)))
	}
	return false
}

// byPath reads the parameters of a service, in sequential pages of ten. A page can be empty and still
// have a next one. Without decrypt the values are ciphertext.
func (s *Store) byPath(ctx context.Context, service, label string, decrypt bool) ([]types.Parameter, error) {
	in := &awsssm.GetParametersByPathInput{Path: aws.String("/" + service + "/"), WithDecryption: aws.Bool(decrypt), MaxResults: aws.Int32(getBatch)}
	if label != "" {
		in.ParameterFilters = []types.ParameterStringFilter{{Key: aws.String("Label"), Option: aws.String("Equals"), Values: []string{label}}}
	}
	var all []types.Parameter
	for {
		page, err := s.api.GetParametersByPath(ctx, in)
		if err != nil {
			return nil, storageError(ctx, "GetParametersByPath", *in.Path, err)
		}
		all = append(all, page.Parameters...)
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			return all, nil
		}
	}
}

// oneByOne reads the secrets of a caller who has no permission to read the whole service: in
// batches, and if a batch is denied, each by itself. If nothing can be read, it returns the denial.
func (s *Store) oneByOne(ctx context.Context, c *store.Contents, d descriptions, denial error) ([]types.Parameter, error) {
	var names []string
	for name := range d.byName {
		if belongs(c, &name) {
			names = append(names, name)
		}
	}
	var mu sync.Mutex
	var all []types.Parameter
	read := func(ctx context.Context, names []string) error {
		values, err := s.getNames(ctx, names, true)
		mu.Lock()
		defer mu.Unlock()
		all = append(all, values...)
		if len(names) == 1 && errors.Is(err, store.ErrDenied) {
			id, _ := secretID(&names[0])
			c.Hidden = append(c.Hidden, id.Key)
			return nil
		}
		return err
	}
	batches := slices.Collect(slices.Chunk(names, getBatch))
	err := pace.Each(ctx, requests, len(batches), func(ctx context.Context, i int) error {
		err := read(ctx, batches[i])
		if !errors.Is(err, store.ErrDenied) {
			return err
		}
		for _, name := range batches[i] {
			if err := read(ctx, []string{name}); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && len(all) == 0 {
		return nil, denial
	}
	return all, err
}

// descriptions are the result of DescribeParameters.
type descriptions struct {
	byName map[string]types.ParameterMetadata
	err    error
}

// pending is a call of DescribeParameters that may still be running.
type pending struct {
	wait   func() descriptions
	cancel context.CancelFunc
}

// describeBeside calls do while the caller reads values.
func (s *Store) describeBeside(ctx context.Context, do func(context.Context) ([]types.ParameterMetadata, error)) pending {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan descriptions, 1)
	go func() {
		described, err := do(ctx)
		byName := make(map[string]types.ParameterMetadata, len(described))
		for _, d := range described {
			byName[aws.ToString(d.Name)] = d
		}
		done <- descriptions{byName, err}
	}()
	return pending{wait: sync.OnceValue(func() descriptions { return <-done }), cancel: cancel}
}
