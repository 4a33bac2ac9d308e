package secretsmanager

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/awserror"
)

// Read implements [store.Store]. The newest version takes one request. An older one reads every
// kept version of the service.
func (s *Store) Read(ctx context.Context, id store.ID, version int) (store.Secret, error) {
	secret, err := s.read(ctx, id, version)
	return secret, awserror.Wrap("read", id, err)
}

func (s *Store) read(ctx context.Context, id store.ID, version int) (store.Secret, error) {
	d, id, err := s.find(ctx, id)
	if err != nil {
		return store.Secret{}, err
	}
	if version == store.Latest || version == d.version(id.Key) {
		secret := d.secret(id)
		secret.Revision = d.versionID
		return secret, nil
	}
	older, err := s.older(ctx, d, id.Service)
	if err != nil {
		return store.Secret{}, err
	}
	for _, secret := range history(d, older, id) {
		if secret.Version == version {
			return secret, nil
		}
	}
	return store.Secret{}, &store.NotFoundError{What: "version", Version: strconv.Itoa(version)}
}

// Load implements [store.Store] with one request. An AWS secret without a value is an empty
// service. One that is scheduled for deletion is a [store.ErrConflict].
func (s *Store) Load(ctx context.Context, service string) (store.Contents, error) {
	contents := store.Contents{Service: service}
	err := checkService(service)
	if err == nil {
		err = s.fill(ctx, &contents)
	}
	return contents, awserror.Wrap("load", store.ID{Service: service}, err)
}

func (s *Store) fill(ctx context.Context, c *store.Contents) error {
	d, err := s.current(ctx, c.Service)
	if err == nil {
		d.contents(c)
	}
	return err
}

// contents adds the newest version of each secret to the contents of a service.
func (d *document) contents(c *store.Contents) {
	c.Revisions = revisions(d.versionID)
	keys, others := d.keys()
	for _, key := range keys {
		secret := d.secret(store.ID{Service: c.Service, Key: key})
		secret.Revision = d.versionID
		c.Secrets = append(c.Secrets, secret)
	}
	for _, name := range others {
		c.Notices = append(c.Notices, fmt.Sprintf("Member %q was left out: its name isn't a valid name of a secret.", name))
	}
	c.Listed = len(c.Secrets)
}

// deleted returns the keys of the deleted secrets whose numbers the document has, sorted.
func (d *document) deleted() []string {
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(d.entries)) {
		if _, exists := d.members[key]; !exists && key != metadataKey {
			keys = append(keys, key)
		}
	}
	return keys
}

// History implements [store.Store]. The package comment says how far back it goes.
func (s *Store) History(ctx context.Context, id store.ID) ([]store.Meta, error) {
	secrets, err := s.Versions(ctx, id)
	metas := make([]store.Meta, len(secrets))
	for i, secret := range secrets {
		metas[i] = secret.Meta
	}
	return metas, err
}

var _ admin.Historian = (*Store)(nil)

// Versions implements [admin.Historian].
func (s *Store) Versions(ctx context.Context, id store.ID) ([]store.Secret, error) {
	d, id, err := s.find(ctx, id)
	if err != nil {
		return nil, awserror.Wrap("history", id, err)
	}
	older, err := s.older(ctx, d, id.Service)
	if err != nil {
		return nil, awserror.Wrap("history", id, err)
	}
	return history(d, older, id), nil
}

// Services implements [store.Store]. Every secret of the account and region whose name is valid
// counts as a service, whichever tool created it: its value is not read. A secret that chamber
// emptied is listed; one that this package emptied is not.
func (s *Store) Services(ctx context.Context, prefix string) ([]string, error) {
	names, err := s.services(ctx, prefix)
	return names, awserror.Wrap("services", store.ID{Service: prefix}, err)
}

func (s *Store) services(ctx context.Context, prefix string) ([]string, error) {
	in := &awssm.ListSecretsInput{MaxResults: aws.Int32(listPage)}
	if prefix != "" {
		if store.CheckService(strings.TrimRight(strings.Trim(prefix, "/"), "!")) != nil {
			return nil, ctx.Err() // no service begins with that, and the filter has its own syntax
		}
		in.Filters = []types.Filter{{Key: types.FilterNameStringTypeName, Values: []string{prefix}}}
	}
	var names, others []string
	for {
		out, err := s.api.ListSecrets(ctx, in)
		if err != nil {
			return nil, storageError(ctx, "ListSecrets", prefix+"*", err)
		}
		for _, secret := range out.SecretList {
			name := aws.ToString(secret.Name)
			switch {
			case !strings.HasPrefix(name, prefix) || empty(secret.SecretVersionsToStages):
			case checkService(name) != nil:
				others = append(others, strconv.Quote(name))
			default:
				names = append(names, name)
			}
		}
		if aws.ToString(out.NextToken) == "" {
			if len(others) > 0 && len(prefix) != 1 { // by one letter other names of a service are looked up
				s.notice("left out, because their names have characters that a service can't have: " + strings.Join(others, ", "))
			}
			slices.Sort(names)
			return names, nil
		}
		in.NextToken = out.NextToken
	}
}

// empty reports whether the labels of a secret show that it has no keys.
func empty(stages map[string][]string) bool {
	current := holder(stages, stageCurrent)
	return current == "" || slices.Contains(stages[current], stageEmpty)
}

// find reads the current document of a service and looks up the key in it.
func (s *Store) find(ctx context.Context, id store.ID) (*document, store.ID, error) {
	if err := checkName(id); err != nil {
		return nil, id, err
	}
	d, err := s.current(ctx, id.Service)
	if err != nil {
		return nil, id, err
	}
	key, err := d.lookup(id.Key)
	if err != nil {
		return nil, id, err
	}
	id.Key = key
	return d, id, nil
}

// current reads the current document of a service. A service that does not exist is empty.
func (s *Store) current(ctx context.Context, service string) (*document, error) {
	d, err := s.get(ctx, service, &awssm.GetSecretValueInput{SecretId: aws.String(service), VersionStage: aws.String(stageCurrent)})
	if awserror.Is(err, store.ErrNotFound) {
		return newDocument(), nil
	}
	return d, err
}

func (s *Store) get(ctx context.Context, service string, in *awssm.GetSecretValueInput) (*document, error) {
	out, err := s.api.GetSecretValue(ctx, in)
	if err != nil {
		return nil, storageError(ctx, "GetSecretValue", service, err)
	}
	object := "secret " + service
	if in.VersionId != nil {
		object += ", version " + *in.VersionId
	}
	if out.SecretString == nil && len(out.SecretBinary) > 0 {
		return nil, &store.CorruptError{Object: object, Offset: -1, Reason: "it is binary, not JSON"}
	}
	d, err := parseDocument(object, aws.ToString(out.SecretString))
	if err != nil {
		return nil, err
	}
	d.versionID, d.written = aws.ToString(out.VersionId), aws.ToTime(out.CreatedDate)
	return d, nil
}

// older returns the kept documents of a service besides its current one, oldest first.
func (s *Store) older(ctx context.Context, d *document, service string) ([]*document, error) {
	ids, err := s.versionIDs(ctx, service, ofCurrent)
	if err != nil {
		return nil, err
	}
	older, err := s.getVersions(ctx, service, slices.DeleteFunc(ids, func(v string) bool { return v == d.versionID }))
	sort.SliceStable(older, func(i, j int) bool { return older[i].written.Before(older[j].written) })
	return older, err
}

// history returns the kept versions of a key, oldest first. The last one is from d. Each version of
// the service repeats the keys that it did not change.
func history(d *document, older []*document, id store.ID) []store.Secret {
	first, newest := max(d.entries[id.Key].First, 1), d.version(id.Key)
	byVersion := map[int]store.Secret{newest: d.secret(id)}
	for _, old := range older { // of two with the same number, the later one is used
		if v := old.version(id.Key); first <= v && v < newest {
			byVersion[v] = old.secret(id)
		}
	}
	all := make([]store.Secret, 0, len(byVersion))
	for _, version := range slices.Sorted(maps.Keys(byVersion)) {
		all = append(all, byVersion[version])
	}
	return all
}

// versionIDs lists the versions of a service that have a label for which has returns true.
func (s *Store) versionIDs(ctx context.Context, service string, has func(stage string) bool) ([]string, error) {
	in := &awssm.ListSecretVersionIdsInput{SecretId: aws.String(service), MaxResults: aws.Int32(listPage)}
	var ids []string
	for {
		out, err := s.api.ListSecretVersionIDs(ctx, in)
		if err != nil {
			return nil, storageError(ctx, "ListSecretVersionIds", service, err)
		}
		for _, v := range out.Versions {
			if slices.ContainsFunc(v.VersionStages, has) {
				ids = append(ids, aws.ToString(v.VersionId))
			}
		}
		if aws.ToString(out.NextToken) == "" {
			return ids, nil
		}
		in.NextToken = out.NextToken
	}
}

// ofCurrent reports whether a version with this label is or was current. A version with another
// label may never have been.
func ofCurrent(stage string) bool {
	return stage == stageCurrent || stage == stagePrevious || historyNumber(stage) > 0
}

// historyNumber returns the number of a label that keeps an old version; 0 for any other label.
func historyNumber(stage string) int {
	digits, ok := strings.CutPrefix(stage, stageHistory)
	n, err := strconv.Atoi(digits)
	if !ok || err != nil {
		return 0
	}
	return n
}

// getVersions reads versions concurrently. It leaves out versions that AWS removed meanwhile.
func (s *Store) getVersions(ctx context.Context, service string, ids []string) ([]*document, error) {
	documents := make([]*document, len(ids))
	err := pace.Each(ctx, requests, len(ids), func(ctx context.Context, i int) error {
		d, err := s.get(ctx, service, &awssm.GetSecretValueInput{SecretId: aws.String(service), VersionId: aws.String(ids[i])})
		if awserror.Is(err, store.ErrNotFound) {
			return nil
		}
		documents[i] = d
		return err
	})
	return slices.DeleteFunc(documents, func(d *document) bool { return d == nil }), err
}
