package s3bucket

import (
	"cmp"
	"context"
	"iter"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/ranges"
)

// pageSize is the most names that S3 returns in one answer.
const pageSize = 1000

var _ bucket.Ranger = (*Bucket)(nil)

// List implements [bucket.Bucket]. It fetches a page of a thousand names after the caller has taken
// the page before.
func (b *Bucket) List(ctx context.Context, prefix string) iter.Seq2[bucket.Info, error] {
	return b.lister(prefix, "/").List(ctx, bucket.Cuts{})
}

// Walk implements [bucket.Bucket].
func (b *Bucket) Walk(ctx context.Context, prefix string) iter.Seq2[bucket.Info, error] {
	return b.lister(prefix, "").List(ctx, bucket.Cuts{})
}

// ListRanges implements [bucket.Ranger]. Every bucket of AWS that is supported lists in the order of names.
func (b *Bucket) ListRanges(ctx context.Context, prefix string, c bucket.Cuts) iter.Seq2[bucket.Info, error] {
	return b.lister(prefix, "/").List(ctx, c)
}

func (b *Bucket) lister(prefix, delimiter string) ranges.Lister {
	return ranges.Lister{
		Page: func(ctx context.Context, after, token string) (ranges.Page, error) {
			return retryTorn(func() (ranges.Page, error) { return b.page(ctx, prefix, delimiter, after, token) })
		},
		Size: int(cmp.Or(b.o.PageSize, pageSize)),
		Kept: func(int) bool { return true },
	}
}

// page requests one page of names: what a token begins, or the first after a name. They are URL-encoded, as
// XML cannot represent every character.
func (b *Bucket) page(ctx context.Context, prefix, delimiter, after, token string) (ranges.Page, error) {
	in := &s3.ListObjectsV2Input{
		Bucket: &b.o.Bucket, Prefix: &prefix, ExpectedBucketOwner: b.owner, EncodingType: types.EncodingTypeUrl,
		Delimiter: optional(delimiter), ContinuationToken: optional(token),
	}
	if token == "" { // versitygw applies it together with a token
		in.StartAfter = optional(after)
	}
	if b.o.PageSize > 0 {
		in.MaxKeys = aws.Int32(b.o.PageSize)
	}
	out, err := b.client.ListObjectsV2(ctx, in)
	if err != nil {
		return ranges.Page{}, b.fail(ctx, "list", prefix, err)
	}
	// The SDK decodes an empty body without an error, which must not look like an empty bucket. A
	// page that continues at itself would never end.
	page := ranges.Page{Infos: make([]bucket.Info, len(out.Contents))}
	if aws.ToBool(out.IsTruncated) {
		page.Next = aws.ToString(out.NextContinuationToken)
	}
	if out.Name == nil || aws.ToBool(out.IsTruncated) && (page.Next == "" || page.Next == token) {
		return ranges.Page{}, &bucket.Error{Op: "list", Name: prefix, Err: bucket.ErrTorn}
	}
	for i, object := range out.Contents {
		name := decodeName(aws.ToString(object.Key), out.EncodingType)
		if page.Infos[i], err = describe("list", name, object.ETag, object.LastModified, aws.ToInt64(object.Size)); err != nil {
			return ranges.Page{}, err
		}
	}
	return page, nil
}

// optional returns a pointer to a text, or nil if it is empty.
func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// decodeName decodes a name of a listing. It returns the name unchanged if the server says that it
// is not encoded, or it cannot be decoded.
func decodeName(name string, encoding types.EncodingType) string {
	if encoding != types.EncodingTypeUrl {
		return name
	}
	if decoded, err := url.QueryUnescape(name); err == nil {
		return decoded
	}
	return name
}
