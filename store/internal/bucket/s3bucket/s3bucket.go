// Package s3bucket drives an S3 bucket, of AWS or of any server that speaks S3 and keeps
// conditional puts.
package s3bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

const (
	maxBody   = 128 << 20 // bytes of one object; an index is far below it
	tornTries = 3         // reads of one answer that come incomplete before that is the error
)

// Options say how the bucket is used.
type Options struct {
	Bucket string

	// ExpectedOwner is the account that must own the bucket, so that nothing is written into
	// a stranger's; "" sends no such condition.
	ExpectedOwner string

	// Encryption is what every put asks for: "aws:kms" (SSE-KMS with the alias of the put,
	// without bucket keys, so that each object has its own record of who opened it) or
	// "AES256" (SSE-S3; aliases mean nothing). "" leaves it to the bucket.
	Encryption string

	// KeyNames gives other names to send for aliases, where a server knows its keys by
	// another name (facts.md, section 9).
	KeyNames map[string]string

	// ConditionalDelete is whether the server keeps If-Match on DELETE: AWS does, MinIO and
	// Ceph delete all the same. Without it a conditional Delete makes no request.
	// [Probed] finds it out.
	ConditionalDelete bool
}

// Bucket is a [bucket.Bucket].
type Bucket struct {
	client *s3.Client
	o      Options
	owner  *string
}

// New makes no request. Retries, time-outs and the renewal of sessions are the client's.
func New(client *s3.Client, o Options) *Bucket {
	b := &Bucket{client: client, o: o}
	if o.ExpectedOwner != "" {
		b.owner = aws.String(o.ExpectedOwner)
	}
	return b
}

// Get implements [bucket.Bucket]. An object of more than 128 MiB is [bucket.ErrRefused].
func (b *Bucket) Get(ctx context.Context, name string) (bucket.Object, error) {
	o, _, err := b.get(ctx, name)
	return o, err
}

// get is Get with the version id in the answer, nil where there is none.
func (b *Bucket) get(ctx context.Context, name string) (o bucket.Object, id *string, err error) {
	o, err = retryTorn(func() (bucket.Object, error) {
		var o bucket.Object
		o, id, err = b.getVersion(ctx, "get", name, nil)
		return o, err
	})
	return o, id, err
}

// getVersion gets the latest version when version is nil. It returns the version id in the
// answer too, nil where there is none.
func (b *Bucket) getVersion(ctx context.Context, op, name string, version *string) (bucket.Object, *string, error) {
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: &b.o.Bucket, Key: &name, VersionId: version, ExpectedBucketOwner: b.owner,
	})
	if err != nil {
		return bucket.Object{}, versionOfAnswer(err), fail(ctx, op, name, err)
	}
	defer func() { _ = out.Body.Close() }()
	body, err := read(out.Body, out.ContentLength)
	if err != nil {
		return bucket.Object{}, out.VersionId, fail(ctx, op, name, err)
	}
	info, err := describe(op, name, out.ETag, out.LastModified, int64(len(body)))
	info.Tags = int(aws.ToInt32(out.TagCount))
	info.Seal = seal(out.ServerSideEncryption, out.SSEKMSKeyId)
	return bucket.Object{Info: info, Body: body}, out.VersionId, err
}

// Head implements [bucket.Bucket].
func (b *Bucket) Head(ctx context.Context, name string) (bucket.Info, error) {
	out, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{
		Bucket: &b.o.Bucket, Key: &name, ExpectedBucketOwner: b.owner,
	})
	if err != nil {
		return bucket.Info{}, fail(ctx, "head", name, err)
	}
	info, err := describe("head", name, out.ETag, out.LastModified, aws.ToInt64(out.ContentLength))
	info.Seal = seal(out.ServerSideEncryption, out.SSEKMSKeyId)
	return info, err
}

// Put implements [bucket.Bucket]. The Info has no Modified: the answer to a put tells none.
//
// The SDK repeats a put whose answer was lost: an [bucket.ErrChanged] can come from the
// caller's own put (facts.md, section 2).
func (b *Bucket) Put(ctx context.Context, name string, body []byte, o bucket.PutOptions) (bucket.Info, error) {
	info, _, err := b.put(ctx, name, body, o)
	return info, err
}

// put is Put with the version id in the answer, nil where there is none.
func (b *Bucket) put(ctx context.Context, name string, body []byte, o bucket.PutOptions) (bucket.Info, *string, error) {
	in := &s3.PutObjectInput{
		Bucket: &b.o.Bucket, Key: &name, ExpectedBucketOwner: b.owner,
		Body: bytes.NewReader(body), ContentLength: aws.Int64(int64(len(body))),
		ContentType:          aws.String("application/json"),
		ServerSideEncryption: types.ServerSideEncryption(b.o.Encryption),
	}
	if in.ServerSideEncryption == types.ServerSideEncryptionAwsKms {
		in.SSEKMSKeyId = b.keyName(o.KeyAlias)
		in.BucketKeyEnabled = aws.Bool(false) // said, or the bucket's default holds (facts.md, section 5)
	}
	if len(o.Tags) > 0 {
		in.Tagging = aws.String(encodeTags(o.Tags))
	}
	if tag, ok := o.If.Match(); ok {
		in.IfMatch = aws.String(string(tag)) // without quotes: Ceph takes no others (facts.md, section 9)
	} else if o.If.Absent() {
		in.IfNoneMatch = aws.String("*")
	}
	out, err := b.client.PutObject(ctx, in)
	if err != nil {
		return bucket.Info{}, nil, failPut(ctx, name, aws.ToString(in.SSEKMSKeyId), err)
	}
	info, err := describe("put", name, out.ETag, nil, int64(len(body)))
	info.Seal = seal(out.ServerSideEncryption, out.SSEKMSKeyId)
	return info, out.VersionId, err
}

func (b *Bucket) keyName(alias string) *string {
	if name, ok := b.o.KeyNames[alias]; ok {
		alias = name
	}
	if alias == "" {
		return nil
	}
	return &alias
}

// Delete implements [bucket.Bucket].
func (b *Bucket) Delete(ctx context.Context, name string, cond bucket.If) error {
	if _, match := cond.Match(); cond.Absent() || match && !b.o.ConditionalDelete {
		return &bucket.Error{Op: "delete", Name: name, Err: bucket.ErrUnsupported}
	}
	return b.remove(ctx, name, cond)
}

func (b *Bucket) remove(ctx context.Context, name string, cond bucket.If) error {
	_, err := b.removed(ctx, name, cond)
	return err
}

// removed is remove with the id of the mark that the deletion left, nil where it left none.
func (b *Bucket) removed(ctx context.Context, name string, cond bucket.If) (*string, error) {
	in := &s3.DeleteObjectInput{Bucket: &b.o.Bucket, Key: &name, ExpectedBucketOwner: b.owner}
	if tag, match := cond.Match(); match {
		in.IfMatch = aws.String(string(tag))
	}
	out, err := b.client.DeleteObject(ctx, in)
	if err != nil {
		return nil, fail(ctx, "delete", name, err)
	}
	return out.VersionId, nil
}

// List implements [bucket.Bucket]. A page of a thousand names is fetched when the one
// before it was taken.
func (b *Bucket) List(ctx context.Context, prefix string) iter.Seq2[bucket.Info, error] {
	return b.list(ctx, prefix, aws.String("/"))
}

// Walk implements [bucket.Bucket].
func (b *Bucket) Walk(ctx context.Context, prefix string) iter.Seq2[bucket.Info, error] {
	return b.list(ctx, prefix, nil)
}

func (b *Bucket) list(ctx context.Context, prefix string, delimiter *string) iter.Seq2[bucket.Info, error] {
	return func(yield func(bucket.Info, error) bool) {
		var from *string
		for {
			page, err := retryTorn(func() (*s3.ListObjectsV2Output, error) { return b.page(ctx, prefix, delimiter, from) })
			if err != nil {
				yield(bucket.Info{}, err)
				return
			}
			for _, object := range page.Contents {
				name := decodeName(aws.ToString(object.Key), page.EncodingType)
				info, err := describe("list", name, object.ETag, object.LastModified, aws.ToInt64(object.Size))
				if !yield(info, err) || err != nil {
					return
				}
			}
			if !aws.ToBool(page.IsTruncated) {
				return
			}
			from = page.NextContinuationToken
		}
	}
}

// page asks for names URL-encoded, as XML cannot hold every character.
func (b *Bucket) page(ctx context.Context, prefix string, delimiter, from *string) (*s3.ListObjectsV2Output, error) {
	page, err := b.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{
		Bucket: &b.o.Bucket, Prefix: &prefix, ExpectedBucketOwner: b.owner,
		Delimiter: delimiter, ContinuationToken: from, EncodingType: types.EncodingTypeUrl,
	})
	if err != nil {
		return nil, fail(ctx, "list", prefix, err)
	}
	// An empty body decodes without an error: it must not pass for an empty bucket. A page
	// that leads to itself would never end.
	next := aws.ToString(page.NextContinuationToken)
	if page.Name == nil || aws.ToBool(page.IsTruncated) && (next == "" || from != nil && next == *from) {
		return nil, &bucket.Error{Op: "list", Name: prefix, Err: bucket.ErrTorn}
	}
	return page, nil
}

// decodeName leaves a name as it is when the server says that it did not encode, or did
// not encode it so that it can be decoded.
func decodeName(name string, encoding types.EncodingType) string {
	if encoding != types.EncodingTypeUrl {
		return name
	}
	if decoded, err := url.QueryUnescape(name); err == nil {
		return decoded
	}
	return name
}

// describe refuses an answer without an ETag: an object without a tag could be replaced
// under no condition. That to a put leaves open whether the object is stored.
func describe(op, name string, etag *string, modified *time.Time, size int64) (bucket.Info, error) {
	tag := strings.Trim(strings.TrimPrefix(aws.ToString(etag), "W/"), `"`)
	info := bucket.Info{Name: name, Tag: bucket.Tag(tag), Modified: aws.ToTime(modified), Size: size}
	if tag == "" {
		kind := bucket.ErrUnsupported
		if op == "put" {
			kind = bucket.ErrTorn
		}
		return info, &bucket.Error{Op: op, Name: name, Reason: "the answer has no ETag", Err: kind}
	}
	return info, nil
}

func seal(method types.ServerSideEncryption, key *string) bucket.Seal {
	return bucket.Seal{Method: string(method), KeyID: aws.ToString(key)}
}

// retryTorn reads again what came incomplete: a body is outside the SDK's own retries.
func retryTorn[T any](read func() (T, error)) (answer T, err error) {
	for range tornTries {
		if answer, err = read(); !errors.Is(err, bucket.ErrTorn) {
			return answer, err
		}
	}
	var torn *bucket.Error
	if errors.As(err, &torn) && errors.Is(torn.Err, errCut) {
		torn.Err = bucket.ErrUnavailable
	}
	return answer, err
}

// errCut is an answer that the network cut off, which says nothing of what is stored.
var errCut = fmt.Errorf("%w: the connection broke", bucket.ErrTorn)

// bodyError is an error of reading the body of an answer that began well.
type bodyError struct{ err error }

func (e *bodyError) Error() string { return "reading the body: " + e.err.Error() }
func (e *bodyError) Unwrap() error { return e.err }

var (
	errShort = errors.New("it is shorter than announced")
	errLarge = errors.New("the object has more than 128 MiB")
)

// read returns the whole body. The SDK compares a checksum, where there is one, at its end.
func read(body io.Reader, length *int64) ([]byte, error) {
	if aws.ToInt64(length) > maxBody {
		return nil, errLarge
	}
	var buffer bytes.Buffer
	buffer.Grow(int(max(0, aws.ToInt64(length))) + bytes.MinRead)
	switch n, err := buffer.ReadFrom(io.LimitReader(body, maxBody+1)); {
	case err != nil:
		return nil, &bodyError{err}
	case n > maxBody:
		return nil, errLarge
	case length != nil && n != *length:
		return nil, &bodyError{errShort}
	}
	return buffer.Bytes(), nil
}
