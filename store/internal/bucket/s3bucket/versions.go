package s3bucket

import (
	"context"
	"errors"
	"iter"
	"sort"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

var _ bucket.Versioned = (*Bucket)(nil)

const (
	opVersions      = "list the versions of"
	opGetVersion    = "get a version of"
	opDeleteVersion = "delete a version of"
)

// Versions implements [bucket.Versioned].
func (b *Bucket) Versions(ctx context.Context, prefix string) iter.Seq2[bucket.Version, error] {
	return func(yield func(bucket.Version, error) bool) {
		var from versionsFrom
		for {
			page, err := retryTorn(func() (*s3.ListObjectVersionsOutput, error) { return b.versionsPage(ctx, prefix, from) })
			if err != nil {
				yield(bucket.Version{}, err)
				return
			}
			versions, err := versionsOf(page)
			for _, v := range versions {
				if !yield(v, nil) {
					return
				}
			}
			if err != nil {
				yield(bucket.Version{}, err)
			}
			if err != nil || !aws.ToBool(page.IsTruncated) {
				return
			}
			from = nextVersions(page)
		}
	}
}

// versionsFrom is the start of a page of versions: after this version of this object.
type versionsFrom struct{ name, id string }

// nextVersions returns the start of the next page. The name in the answer is encoded like all
// names, but a request needs it decoded.
func nextVersions(page *s3.ListObjectVersionsOutput) versionsFrom {
	return versionsFrom{decodeName(aws.ToString(page.NextKeyMarker), page.EncodingType), aws.ToString(page.NextVersionIdMarker)}
}

// versionsPage requests one page of versions. Like page, it refuses an invalid answer.
func (b *Bucket) versionsPage(ctx context.Context, prefix string, from versionsFrom) (*s3.ListObjectVersionsOutput, error) {
	in := &s3.ListObjectVersionsInput{
		Bucket: &b.o.Bucket, Prefix: &prefix, ExpectedBucketOwner: b.owner,
		Delimiter: aws.String("/"), EncodingType: types.EncodingTypeUrl,
	}
	if from.name != "" {
		in.KeyMarker = &from.name
	}
	if from.id != "" {
		in.VersionIdMarker = &from.id
	}
	page, err := b.client.ListObjectVersions(ctx, in)
	if err != nil {
		return nil, b.fail(ctx, opVersions, prefix, err)
	}
	next := nextVersions(page)
	if page.Name == nil || aws.ToBool(page.IsTruncated) && (next.name == "" || next == from) {
		return nil, &bucket.Error{Op: opVersions, Name: prefix, Err: bucket.ErrTorn}
	}
	return page, nil
}

// versionsOf merges versions and delete markers, which the SDK returns separately, in order.
func versionsOf(page *s3.ListObjectVersionsOutput) ([]bucket.Version, error) {
	var all []bucket.Version
	for _, m := range page.DeleteMarkers {
		all = append(all, bucket.Version{
			Info: bucket.Info{Name: decodeName(aws.ToString(m.Key), page.EncodingType), Modified: aws.ToTime(m.LastModified)},
			ID:   aws.ToString(m.VersionId), Latest: aws.ToBool(m.IsLatest), Mark: true,
		})
	}
	for _, v := range page.Versions {
		name := decodeName(aws.ToString(v.Key), page.EncodingType)
		info, err := describe(opVersions, name, v.ETag, v.LastModified, aws.ToInt64(v.Size))
		if err != nil {
			return nil, err
		}
		all = append(all, bucket.Version{Info: info, ID: aws.ToString(v.VersionId), Latest: aws.ToBool(v.IsLatest)})
	}
	sort.SliceStable(all, func(i, j int) bool {
		switch a, b := all[i], all[j]; {
		case a.Name != b.Name:
			return a.Name < b.Name
		case a.Latest != b.Latest:
			return a.Latest
		default:
			return a.Modified.After(b.Modified)
		}
	})
	return all, nil
}

// GetVersion implements [bucket.Versioned].
func (b *Bucket) GetVersion(ctx context.Context, name, id string) (bucket.Object, error) {
	o, err := retryTorn(func() (bucket.Object, error) {
		o, _, err := b.getVersion(ctx, opGetVersion, name, &id)
		return o, err
	})
	return o, noVersion(err)
}

// DeleteVersion implements [bucket.Versioned].
func (b *Bucket) DeleteVersion(ctx context.Context, name, id string) error {
	if id == "" { // it would delete the object
		return &bucket.Error{Op: opDeleteVersion, Name: name, Err: bucket.ErrRefused}
	}
	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{
		Bucket: &b.o.Bucket, Key: &name, VersionId: &id, ExpectedBucketOwner: b.owner,
	})
	if err == nil {
		return nil
	}
	if err = noVersion(b.fail(ctx, opDeleteVersion, name, err)); errors.Is(err, bucket.ErrNotFound) {
		return nil
	}
	return err
}

// noVersion converts InvalidArgument to [bucket.ErrNotFound]. versitygw answers it for an id that
// doesn't exist any more, AWS for a malformed id. Ids come from listings, so here both mean a
// missing version.
func noVersion(err error) error {
	var e *bucket.Error
	if errors.As(err, &e) && e.Code == "InvalidArgument" {
		missing := *e
		missing.Err = bucket.ErrNotFound
		return &missing
	}
	return err
}
