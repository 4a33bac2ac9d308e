package s3bucket

import (
	"context"
	"maps"
	"net/url"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

var _ bucket.Tagger = (*Bucket)(nil)

const opSetTags = "set the tags of"

// Tags implements [bucket.Tagger].
func (b *Bucket) Tags(ctx context.Context, name string) (map[string]string, error) {
	out, err := b.client.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{
		Bucket: &b.o.Bucket, Key: &name, ExpectedBucketOwner: b.owner,
	})
	if err != nil {
		return nil, b.fail(ctx, "get the tags of", name, err)
	}
	tags := make(map[string]string, len(out.TagSet))
	for _, t := range out.TagSet {
		tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return tags, nil
}

// SetTags implements [bucket.Tagger]. S3 keeps at most ten tags. Without tags it deletes the set:
// some servers refuse an empty one.
func (b *Bucket) SetTags(ctx context.Context, name string, tags map[string]string) error {
	if len(tags) == 0 {
		_, err := b.client.DeleteObjectTagging(ctx, &s3.DeleteObjectTaggingInput{
			Bucket: &b.o.Bucket, Key: &name, ExpectedBucketOwner: b.owner,
		})
		if err != nil {
			return b.fail(ctx, "delete the tags of", name, err)
		}
		return nil
	}
	set := make([]types.Tag, 0, len(tags))
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		set = append(set, types.Tag{Key: aws.String(key), Value: aws.String(tags[key])})
	}
	_, err := b.client.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{
		Bucket: &b.o.Bucket, Key: &name, ExpectedBucketOwner: b.owner, Tagging: &types.Tagging{TagSet: set},
	})
	if err != nil {
		return b.fail(ctx, opSetTags, name, err)
	}
	return nil
}

// encodeTags encodes tags for the header of a put.
func encodeTags(tags map[string]string) string {
	values := url.Values{}
	for key, value := range tags {
		values.Set(key, value)
	}
	return values.Encode()
}
