package ssm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsssm "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/awserror"
)

// ErrTagsBehind means that a secret is stored, but its tags are not yet.
var ErrTagsBehind = errors.New("the secret is stored, its tags are not")

// ReadTags returns the tags of a secret, without AWS's own ("aws:..."). The errors are those of
// [store.Store.Read].
func (s *Store) ReadTags(ctx context.Context, id store.ID) (map[string]string, error) {
	tags, err := answer(ctx, s, id, func(id store.ID) (map[string]string, error) {
		out, err := s.api.ListTagsForResource(ctx, &awsssm.ListTagsForResourceInput{
			ResourceType: types.ResourceTypeForTaggingParameter, ResourceId: aws.String(parameterName(id)),
		})
		if err != nil {
			return nil, storageError(ctx, "ListTagsForResource", parameterName(id), err)
		}
		tags := map[string]string{}
		for _, t := range out.TagList {
			if key := aws.ToString(t.Key); !strings.HasPrefix(key, "aws:") {
				tags[key] = aws.ToString(t.Value)
			}
		}
		return tags, nil
	})
	return tags, awserror.Wrap("read tags", id, err)
}

// WriteTags adds or changes tags of a secret and keeps all others. Errors: [store.ErrNotFound],
// [store.ErrDenied], [store.ErrInvalid] for a tag that AWS refuses.
func (s *Store) WriteTags(ctx context.Context, id store.ID, tags map[string]string) error {
	_, err := answer(ctx, s, id, func(id store.ID) (struct{}, error) { return struct{}{}, s.tag(ctx, id, tags) })
	return awserror.Wrap("write tags", id, err)
}

// SetTags adds these tags, and then removes all others. If the store's configuration requires one
// of those, it changes nothing and returns [store.ErrInvalid].
func (s *Store) SetTags(ctx context.Context, id store.ID, tags map[string]string) error {
	have, err := s.ReadTags(ctx, id)
	if err != nil {
		return err
	}
	var others []string
	for _, key := range slices.Sorted(maps.Keys(have)) {
		if _, stays := tags[key]; !stays {
			others = append(others, key)
		}
	}
	if err := s.refuseRequired(ctx, others); err != nil {
		return awserror.Wrap("set tags", id, err)
	}
	_, err = answer(ctx, s, id, func(id store.ID) (struct{}, error) {
		if len(tags) > 0 {
			if err := s.tag(ctx, id, tags); err != nil {
				return struct{}{}, err
			}
		}
		if len(others) == 0 {
			return struct{}{}, nil
		}
		return struct{}{}, s.untag(ctx, id, others)
	})
	return awserror.Wrap("set tags", id, err)
}

// DeleteTags removes tags from a secret. A tag that it does not have is not an error. If the
// store's configuration requires one of them, it removes none and returns [store.ErrInvalid].
func (s *Store) DeleteTags(ctx context.Context, id store.ID, keys ...string) error {
	if err := s.refuseRequired(ctx, keys); err != nil {
		return awserror.Wrap("delete tags", id, err)
	}
	_, err := answer(ctx, s, id, func(id store.ID) (struct{}, error) { return struct{}{}, s.untag(ctx, id, keys) })
	return awserror.Wrap("delete tags", id, err)
}

// refuseRequired returns [store.ErrInvalid] if the store's configuration requires one of the tags.
func (s *Store) refuseRequired(ctx context.Context, keys []string) error {
	required, err := s.requiredTags(ctx)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if slices.Contains(required, key) {
			return fmt.Errorf("%w: tag %q is required by %s and cannot be deleted", store.ErrInvalid, key, configName)
		}
	}
	return nil
}

func (s *Store) tag(ctx context.Context, id store.ID, tags map[string]string) error {
	_, err := s.api.AddTagsToResource(ctx, &awsssm.AddTagsToResourceInput{
		ResourceType: types.ResourceTypeForTaggingParameter, ResourceId: aws.String(parameterName(id)), Tags: tagList(tags),
	})
	if err != nil {
		return storageError(ctx, "AddTagsToResource", parameterName(id), err)
	}
	return nil
}

func (s *Store) untag(ctx context.Context, id store.ID, keys []string) error {
	_, err := s.api.RemoveTagsFromResource(ctx, &awsssm.RemoveTagsFromResourceInput{
		ResourceType: types.ResourceTypeForTaggingParameter, ResourceId: aws.String(parameterName(id)), TagKeys: keys,
	})
	if err != nil {
		return storageError(ctx, "RemoveTagsFromResource", parameterName(id), err)
	}
	return nil
}

// addTags adds tags to a secret that was just written.
func (s *Store) addTags(ctx context.Context, id store.ID, tags map[string]string) error {
	if err := s.tag(ctx, id, tags); err != nil {
		return fmt.Errorf("%w: %w", ErrTagsBehind, err)
	}
	return nil
}

func tagList(tags map[string]string) []types.Tag {
	var list []types.Tag
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, types.Tag{Key: aws.String(key), Value: aws.String(tags[key])})
	}
	return list
}

// checkRequired returns [store.ErrInvalid] if a new secret lacks a required tag.
func (w *writing) checkRequired() error {
	required, err := w.required()
	if err != nil {
		return err
	}
	var missing []string
	for _, key := range required {
		if _, ok := w.o.Tags[key]; !ok {
			missing = append(missing, key)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w: %s requires these tags of a new secret: %s", store.ErrInvalid, configName, strings.Join(missing, ", "))
	}
	return nil
}

// requiredTags reads chamber's configuration of the store, which is a parameter too. As in chamber,
// it is an error if the caller has no permission to read it: it may require tags.
func (s *Store) requiredTags(ctx context.Context) ([]string, error) {
	out, err := s.api.GetParameter(ctx, &awsssm.GetParameterInput{Name: aws.String(configName), WithDecryption: aws.Bool(true)})
	if err != nil {
		if err = storageError(ctx, "GetParameter", configName, err); absent(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("can't read which tags are required: %w", err)
	}
	var config struct {
		RequiredTags []string `json:"requiredTags"`
	}
	if err := json.Unmarshal([]byte(aws.ToString(out.Parameter.Value)), &config); err != nil {
		return nil, &store.CorruptError{Object: configName, Offset: -1, Reason: "it isn't chamber's configuration in JSON"}
	}
	return config.RequiredTags, nil
}
