// Package s3bucket implements a bucket on S3, of AWS or of any server with the S3 API that respects
// conditional puts.
package s3bucket

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

const (
	maxBody   = 128 << 20 // bytes per object; an index is far smaller
	tornTries = 3         // how often an incomplete answer is requested again before that is an error
)

// Options configure a [Bucket].
type Options struct {
	Bucket string

	// ExpectedOwner is the account that must own the bucket, so that nothing is written into
	// another account's bucket. "" sends no such condition.
	ExpectedOwner string

	// Encryption is the encryption that every put requests: "aws:kms" (SSE-KMS with the alias of
	// the put, without bucket keys, so that each decryption of an object is logged) or "AES256"
	// (SSE-S3, which ignores aliases). "" uses the bucket's default.
	Encryption string

	ContentType string // of new objects; "" means "application/json"

	// KeyNames maps aliases to the names of the keys on a server that uses other names (facts.md,
	// section 9).
	KeyNames map[string]string

	// ConditionalDelete says that the server respects If-Match on DELETE. AWS does; MinIO and Ceph
	// ignore it and delete. Without it a conditional Delete makes no request. [Probed] detects it.
	ConditionalDelete bool

	PageSize int32 // the most names in one answer to a listing; 0 means a thousand, which is also the server's limit
}

// Bucket implements [bucket.Bucket].
type Bucket struct {
	client *s3.Client
	o      Options
	owner  *string
}

// New returns the Bucket of a client. It makes no request. Retries, time-outs and the renewal of
// sessions are up to the client.
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

// get is Get, and also returns the version id in the answer, or nil.
func (b *Bucket) get(ctx context.Context, name string) (o bucket.Object, id *string, err error) {
	o, err = retryTorn(func() (bucket.Object, error) {
		var o bucket.Object
		o, id, err = b.getVersion(ctx, "get", name, nil)
		return o, err
	})
	return o, id, err
}

// getVersion gets a version, or the latest one if version is nil. It also returns the version id in
// the answer, or nil.
func (b *Bucket) getVersion(ctx context.Context, op, name string, version *string) (bucket.Object, *string, error) {
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: &b.o.Bucket, Key: &name, VersionId: version, ExpectedBucketOwner: b.owner,
	})
	if err != nil {
		return bucket.Object{}, versionOfAnswer(err), b.fail(ctx, op, name, err)
	}
	defer func() { _ = out.Body.Close() }()
	body, err := read(out.Body, out.ContentLength)
	if err != nil {
		return bucket.Object{}, out.VersionId, b.fail(ctx, op, name, err)
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
		return bucket.Info{}, b.fail(ctx, "head", name, err)
	}
	info, err := describe("head", name, out.ETag, out.LastModified, aws.ToInt64(out.ContentLength))
	info.Seal = seal(out.ServerSideEncryption, out.SSEKMSKeyId)
	return info, err
}

// Put implements [bucket.Bucket]. The Info has no Modified: the answer to a put doesn't contain it.
//
// The SDK repeats a put whose answer was lost, so [bucket.ErrChanged] can be caused by the caller's
// own put (facts.md, section 2).
func (b *Bucket) Put(ctx context.Context, name string, body []byte, o bucket.PutOptions) (bucket.Info, error) {
	info, _, err := b.put(ctx, name, body, o)
	return info, err
}

// put is Put, and also returns the version id in the answer, or nil.
func (b *Bucket) put(ctx context.Context, name string, body []byte, o bucket.PutOptions) (bucket.Info, *string, error) {
	in := &s3.PutObjectInput{
		Bucket: &b.o.Bucket, Key: &name, ExpectedBucketOwner: b.owner,
		Body: bytes.NewReader(body), ContentLength: aws.Int64(int64(len(body))),
		ContentType:          aws.String(cmp.Or(b.o.ContentType, "application/json")),
		ServerSideEncryption: types.ServerSideEncryption(b.o.Encryption),
	}
	if in.ServerSideEncryption == types.ServerSideEncryptionAwsKms {
		in.SSEKMSKeyId = b.keyName(o.KeyAlias)
		in.BucketKeyEnabled = aws.Bool(false) // explicit, as otherwise the bucket's default applies (facts.md, section 5)
	}
	if len(o.Tags) > 0 {
		in.Tagging = aws.String(encodeTags(o.Tags))
	}
	if tag, ok := o.If.Match(); ok {
		in.IfMatch = aws.String(string(tag)) // without quotes: Ceph accepts no quotes (facts.md, section 9)
	} else if o.If.Absent() {
		in.IfNoneMatch = aws.String("*")
	}
	out, err := b.client.PutObject(ctx, in)
	if err != nil {
		return bucket.Info{}, nil, b.failPut(ctx, name, aws.ToString(in.SSEKMSKeyId), err)
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

// removed is remove, and also returns the id of the new delete marker, or nil.
func (b *Bucket) removed(ctx context.Context, name string, cond bucket.If) (*string, error) {
	in := &s3.DeleteObjectInput{Bucket: &b.o.Bucket, Key: &name, ExpectedBucketOwner: b.owner}
	if tag, match := cond.Match(); match {
		in.IfMatch = aws.String(string(tag))
	}
	out, err := b.client.DeleteObject(ctx, in)
	if err != nil {
		return nil, b.fail(ctx, "delete", name, err)
	}
	return out.VersionId, nil
}

// describe refuses an answer without an ETag: an object without a tag could not be replaced
// conditionally. If it is the answer to a put, the object may be stored.
func describe(op, name string, etag *string, modified *time.Time, size int64) (bucket.Info, error) {
	tag := strings.Trim(strings.TrimPrefix(aws.ToString(etag), "W/"), `"`)
	info := bucket.Info{Name: name, Tag: bucket.Tag(tag), Modified: aws.ToTime(modified), Size: size}
	if tag == "" {
		kind := bucket.ErrUnsupported
		if op == "put" {
			kind = bucket.ErrTorn
		}
		return info, &bucket.Error{Op: op, Name: name, Reason: "the response has no ETag", Err: kind}
	}
	return info, nil
}

func seal(method types.ServerSideEncryption, key *string) bucket.Seal {
	return bucket.Seal{Method: string(method), KeyID: aws.ToString(key)}
}

// retryTorn repeats a read with an incomplete answer. The SDK's own retries don't include the body.
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

// errCut means that the network cut off an answer. It says nothing about the stored object.
var errCut = fmt.Errorf("%w: the connection broke", bucket.ErrTorn)

// bodyError is an error that occurred while the body of a successful answer was read.
type bodyError struct{ err error }

func (e *bodyError) Error() string { return "reading the body: " + e.err.Error() }
func (e *bodyError) Unwrap() error { return e.err }

var (
	errShort = errors.New("it is shorter than its Content-Length")
	errLarge = errors.New("the object is larger than 128 MiB")
)

// read returns the whole body. At its end the SDK verifies the checksum, if there is one.
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
