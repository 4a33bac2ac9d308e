package s3bucket

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/sharing"
)

var _ sharing.Bucket = (*Bucket)(nil)

const opLink = "sign a link to"

// PutText implements [sharing.Bucket].
func (b *Bucket) PutText(ctx context.Context, name, text, key string) (bucket.Info, error) {
	in := &s3.PutObjectInput{
		Bucket: &b.o.Bucket, Key: &name, ExpectedBucketOwner: b.owner,
		Body: strings.NewReader(text), ContentLength: aws.Int64(int64(len(text))),
		ContentType: aws.String("text/plain; charset=utf-8"), CacheControl: aws.String("no-store"),
		IfNoneMatch:          aws.String("*"),
		ServerSideEncryption: types.ServerSideEncryption(b.o.Encryption),
	}
	if in.ServerSideEncryption == types.ServerSideEncryptionAwsKms {
		in.SSEKMSKeyId = b.keyName(key)
		in.BucketKeyEnabled = aws.Bool(false)
	}
	out, err := b.client.PutObject(ctx, in)
	if err != nil {
		return bucket.Info{}, b.fail(ctx, "put", name, err)
	}
	info, err := describe("put", name, out.ETag, nil, int64(len(text)))
	info.Seal = seal(out.ServerSideEncryption, out.SSEKMSKeyId)
	return info, err
}

// Link implements [sharing.Bucket] with a presigned GET (Signature Version 4). It makes no request,
// except for the credentials. The signature includes no optional header, so any program can use the
// link.
func (b *Bucket) Link(ctx context.Context, name string, lasts time.Duration) (sharing.Link, error) {
	credentials, err := b.client.Options().Credentials.Retrieve(ctx)
	if err != nil {
		return sharing.Link{}, &bucket.Error{Op: opLink, Name: name, Reason: err.Error(), Err: bucket.ErrCredentials}
	}
	signer := s3.NewPresignClient(b.client, func(o *s3.PresignOptions) {
		o.Expires = lasts
		o.ClientOptions = append(o.ClientOptions, func(o *s3.Options) {
			o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired // otherwise the link requires a header
		})
	})
	request, err := signer.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &b.o.Bucket, Key: &name})
	if err != nil {
		return sharing.Link{}, b.fail(ctx, opLink, name, err)
	}
	link := sharing.Link{URL: request.URL, Session: credentials.SessionToken != ""}
	if credentials.CanExpire {
		link.SessionEnds = credentials.Expires.UTC()
	}
	return link, nil
}
