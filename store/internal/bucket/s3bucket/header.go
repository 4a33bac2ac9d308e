package s3bucket

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

var _ bucket.HeaderReader = (*Bucket)(nil)

var errRange = errors.New("its Content-Range is not valid")

// ReadHeader implements [bucket.HeaderReader]. It needs s3:GetObject, as HEAD does.
func (b *Bucket) ReadHeader(ctx context.Context, name string, n int) (bucket.Info, []byte, error) {
	type answer struct {
		info   bucket.Info
		header []byte
	}
	a, err := retryTorn(func() (answer, error) {
		info, header, err := b.readHeader(ctx, name, n)
		return answer{info, header}, err
	})
	var refused *bucket.Error
	switch {
	case errors.As(err, &refused) && refused.Status == http.StatusRequestedRangeNotSatisfiable:
		info, err := b.Head(ctx, name) // no range of an empty object exists
		if err == nil && info.Size > 0 {
			err = &bucket.Error{Op: "head", Name: name, Reason: "the server refuses ranges", Err: bucket.ErrUnsupported}
		}
		return info, nil, err
	case refused != nil:
		refused.Op = "head"
	}
	return a.info, a.header, err
}

// readHeader makes the request. Its errors are those of a get, as the answer to an error has a
// body, unlike that to a HEAD.
func (b *Bucket) readHeader(ctx context.Context, name string, n int) (bucket.Info, []byte, error) {
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: &b.o.Bucket, Key: &name, ExpectedBucketOwner: b.owner,
		Range: aws.String("bytes=0-" + strconv.Itoa(n-1)),
	})
	if err != nil {
		return bucket.Info{}, nil, b.fail(ctx, "get", name, err)
	}
	defer func() { _ = out.Body.Close() }()
	header, err := io.ReadAll(io.LimitReader(out.Body, int64(n)))
	size, known := sizeOf(out)
	switch {
	case err != nil:
		err = &bodyError{err}
	case !known:
		err = &bodyError{errRange}
	case int64(len(header)) != min(int64(n), size):
		err = &bodyError{errShort}
	}
	if err != nil {
		return bucket.Info{}, nil, b.fail(ctx, "get", name, err)
	}
	info, err := describe("head", name, out.ETag, out.LastModified, size)
	info.Seal = seal(out.ServerSideEncryption, out.SSEKMSKeyId)
	return info, header, err
}

// sizeOf returns the size of the whole object. A server that ignores the range answers with all of
// it, and without a Content-Range.
func sizeOf(out *s3.GetObjectOutput) (int64, bool) {
	if out.ContentRange == nil {
		return aws.ToInt64(out.ContentLength), out.ContentLength != nil
	}
	part, whole, ok := strings.Cut(aws.ToString(out.ContentRange), "/")
	size, err := strconv.ParseInt(whole, 10, 64)
	return size, ok && err == nil && strings.HasPrefix(part, "bytes 0-")
}
