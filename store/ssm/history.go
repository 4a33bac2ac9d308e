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
)

// historical is a version in the history of a parameter, which has more fields.
type historical struct {
	parameter
	labels      []string
	description string
	pattern     *string // a regular expression that values must match
	dataType    *string
}

// copyMark is the first character of the description of a version that a rekey put again. Its
// number follows. chamber parses both together as a number too.
const copyMark = "+"

// copied reports whether a version is a copy of an older one, put again under another key.
func (h historical) copied() bool { return h.description == h.copyDescription() }

// copyDescription returns the description of copies of a version.
func (h historical) copyDescription() string { return copyMark + strconv.Itoa(h.Version) }

// versions returns the history of a parameter of exactly this name, oldest first. A version and its
// copies are merged into one.
func (s *Store) versions(ctx context.Context, id store.ID, decrypt bool) ([]historical, error) {
	all, err := s.recorded(ctx, id, decrypt)
	return merged(all), err
}

// merged replaces each version by its newest copy, because the key of that copy must be usable. The
// writer and date are those of the original. The version that is current in Parameter Store comes
// last, whatever its number.
func merged(all []historical) []historical {
	var out []historical
	at := 0 // the index in out of the version before
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

// original returns the index of the version that h is a copy of. It returns -1 if h is not a copy
// or the original is not in the history any more.
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

// join adds the descriptions to values. If a value and its description belong to different
// versions, it reads the history, which has both.
func (s *Store) join(ctx context.Context, values []types.Parameter, d descriptions) ([]parameter, error) {
	parameters := make([]parameter, len(values))
	err := pace.Each(ctx, requests, len(values), func(ctx context.Context, i int) error {
		v := values[i]
		id, _ := secretID(v.Name)
		p := parameter{number: v.Version, undescribed: d.err}
		p.Value = store.NewValue(aws.ToString(v.Value))
		p.Meta = store.Meta{ID: id, Version: int(v.Version), Created: utc(v.LastModifiedDate), Revision: revision(v)}
		parameters[i] = p
		if d.err != nil {
			return nil
		}
		if m, ok := d.byName[aws.ToString(v.Name)]; ok && m.Version == v.Version {
			p.Version, p.CreatedBy, p.KeyAlias = version(m.Description, m.Version), author(m.LastModifiedUser), alias(m.KeyId)
			p.copied = strings.HasPrefix(aws.ToString(m.Description), copyMark)
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
		parameters[i] = versions[at].parameter
		parameters[i].Value, parameters[i].Revision = p.Value, p.Revision
		return nil
	})
	return parameters, err
}

// author returns the writer. Servers that don't know the writer send "N/A", which it drops.
func author(user *string) string {
	if name := aws.ToString(user); name != "N/A" {
		return name
	}
	return ""
}

func utc(t *time.Time) time.Time { return aws.ToTime(t).UTC() }
