package s3test_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	awshttp "github.com/aws/smithy-go/transport/http"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// session is a principal with a session token, as most people have today.
var session = s3test.Principal{
	Name: "dev", AccessKeyID: "ASIADEV", SecretKey: "dev-secret", SessionToken: "dev-token",
}

// start gives a server with the bucket "b" and an S3 client of the session, which tries each request once.
func start(t *testing.T, o s3test.Options) (*s3test.Server, *s3.Client) {
	t.Helper()
	o.Buckets = append(o.Buckets, "b")
	o.Principals = append(o.Principals, session)
	srv := s3test.New(o)
	t.Cleanup(srv.Close)
	return srv, client(srv, session)
}

func config(srv *s3test.Server, p s3test.Principal) aws.Config {
	return aws.Config{
		Region:       "us-east-1",
		Credentials:  credentials.NewStaticCredentialsProvider(p.AccessKeyID, p.SecretKey, p.SessionToken),
		BaseEndpoint: aws.String(srv.URL),
		HTTPClient:   srv.Client(),
		Retryer:      func() aws.Retryer { return aws.NopRetryer{} },

		// The defaults of the config package, which is not used here.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,
	}
}

func client(srv *s3test.Server, p s3test.Principal, more ...func(*s3.Options)) *s3.Client {
	return s3.NewFromConfig(config(srv, p), append([]func(*s3.Options){func(o *s3.Options) {
		o.UsePathStyle = true
		o.DisableLogOutputChecksumValidationSkipped = true
	}}, more...)...)
}

func kmsClient(srv *s3test.Server, p s3test.Principal) *kms.Client {
	return kms.NewFromConfig(config(srv, p))
}

func stsClient(srv *s3test.Server, p s3test.Principal) *sts.Client {
	return sts.NewFromConfig(config(srv, p))
}

func put(c *s3.Client, key, body string, edit ...func(*s3.PutObjectInput)) (*s3.PutObjectOutput, error) {
	in := &s3.PutObjectInput{Bucket: aws.String("b"), Key: aws.String(key), Body: strings.NewReader(body)}
	for _, e := range edit {
		e(in)
	}
	return c.PutObject(context.Background(), in)
}

func underKey(key string) func(*s3.PutObjectInput) {
	return func(in *s3.PutObjectInput) {
		in.ServerSideEncryption = types.ServerSideEncryptionAwsKms
		if key != "" {
			in.SSEKMSKeyId = aws.String(key)
		}
	}
}

func ifMatch(tag string) func(*s3.PutObjectInput) {
	return func(in *s3.PutObjectInput) { in.IfMatch = aws.String(tag) }
}

func ifNoneMatch(tag string) func(*s3.PutObjectInput) {
	return func(in *s3.PutObjectInput) { in.IfNoneMatch = aws.String(tag) }
}

func get(c *s3.Client, key string) (*s3.GetObjectOutput, string, error) {
	out, err := c.GetObject(context.Background(), &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String(key)})
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = out.Body.Close() }()
	body, err := io.ReadAll(out.Body)
	return out, string(body), err
}

func head(c *s3.Client, key string) (*s3.HeadObjectOutput, error) {
	return c.HeadObject(context.Background(), &s3.HeadObjectInput{Bucket: aws.String("b"), Key: aws.String(key)})
}

func remove(c *s3.Client, key string, tag *string) error {
	_, err := c.DeleteObject(context.Background(), &s3.DeleteObjectInput{Bucket: aws.String("b"), Key: aws.String(key), IfMatch: tag})
	return err
}

// outcome is "ok", or the status and code of an API error: "412 PreconditionFailed".
func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	var status *awshttp.ResponseError
	var api smithy.APIError
	if !errors.As(err, &status) || status.HTTPStatusCode() == 0 {
		return "no answer"
	}
	if !errors.As(err, &api) {
		return strconv.Itoa(status.HTTPStatusCode())
	}
	return strconv.Itoa(status.HTTPStatusCode()) + " " + api.ErrorCode()
}

func wantOutcome(t *testing.T, what string, err error, want string) {
	t.Helper()
	if got := outcome(err); got != want {
		t.Errorf("%s: %s, want %s (%v)", what, got, want, err)
	}
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestObjectComesBackAsItWasPut(t *testing.T) {
	for _, o := range []s3test.Options{{}, {TLS: true}} { // plain: a checksum in the header; TLS: aws-chunked with a trailer
		srv, c := start(t, o)
		body := strings.Repeat("line\r\n", 10_000)
		key := "api/a b+c~%2F'(é)"
		made := must(put(c, key, body, func(in *s3.PutObjectInput) {
			in.ContentType = aws.String("application/json")
			in.Metadata = map[string]string{"note": "x"}
		}))(t)
		out, got, err := get(c, key)
		if err != nil {
			t.Fatal(err)
		}
		if got != body {
			t.Error("another body came back")
		}
		if *out.ETag != *made.ETag || *out.ContentType != "application/json" || out.Metadata["note"] != "x" || aws.ToString(out.ContentEncoding) != "" {
			t.Errorf("headers: %v %v %v %v", *out.ETag, *out.ContentType, out.Metadata, out.ContentEncoding)
		}
		if out.ServerSideEncryption != types.ServerSideEncryptionAes256 {
			t.Errorf("default encryption is %q", out.ServerSideEncryption)
		}
		if aws.ToString(out.ChecksumCRC32) == "" {
			t.Error("the checksum did not come back")
		}
		if log := srv.Log(); o.TLS != (log[0].Header.Get("X-Amz-Content-Sha256") == "STREAMING-UNSIGNED-PAYLOAD-TRAILER") {
			t.Errorf("with TLS %v the body was sent as %s", o.TLS, log[0].Header.Get("X-Amz-Content-Sha256"))
		}
		stored, ok := srv.Bucket("b").Object(key)
		if !ok || !bytes.Equal(stored.Body, []byte(body)) || `"`+stored.ETag+`"` != *made.ETag {
			t.Error("the bucket holds something else")
		}
		wantOutcome(t, "delete", remove(c, key, nil), "ok")
		_, _, err = get(c, key)
		wantOutcome(t, "get after delete", err, "404 NoSuchKey")
		_, err = head(c, key)
		wantOutcome(t, "head after delete", err, "404 NotFound")
		wantOutcome(t, "delete again", remove(c, key, nil), "ok")
	}
}

func TestTagIsMD5ExceptUnderKMS(t *testing.T) {
	for _, quirky := range []bool{false, true} {
		srv, c := start(t, s3test.Options{Quirks: s3test.Quirks{MD5Tags: quirky}})
		srv.KMS.CreateKey("alias/app")
		const md5 = `"5d41402abc4b2a76b9719d911017c592"` // of "hello"
		plain := must(put(c, "k", "hello"))(t)
		if *plain.ETag != md5 {
			t.Errorf("plain: %s", *plain.ETag)
		}
		one := must(put(c, "k", "hello", underKey("alias/app")))(t)
		two := must(put(c, "k", "hello", underKey("alias/app")))(t)
		if random := *one.ETag != *two.ETag && *one.ETag != md5; random == quirky {
			t.Errorf("MD5Tags %v: %s %s", quirky, *one.ETag, *two.ETag)
		}
	}
}

func TestMissingBucketIsNamed(t *testing.T) {
	_, c := start(t, s3test.Options{})
	in := &s3.GetObjectInput{Bucket: aws.String("none"), Key: aws.String("k")}
	_, err := c.GetObject(t.Context(), in)
	wantOutcome(t, "get", err, "404 NoSuchBucket")
	_, err = c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("none")})
	wantOutcome(t, "list", err, "404 NoSuchBucket")
	_, err = c.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: aws.String("none")})
	wantOutcome(t, "head", err, "404 NotFound")
}

func TestBucketsAreMadeAndListed(t *testing.T) {
	_, c := start(t, s3test.Options{})
	_, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("a")})
	wantOutcome(t, "create", err, "ok")
	_, err = c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("a")})
	wantOutcome(t, "create again", err, "409 BucketAlreadyOwnedByYou")
	out := must(c.ListBuckets(t.Context(), nil))(t)
	if len(out.Buckets) != 2 || *out.Buckets[0].Name != "a" || *out.Buckets[1].Name != "b" {
		t.Errorf("buckets: %v", out.Buckets)
	}
	where := must(c.GetBucketLocation(t.Context(), &s3.GetBucketLocationInput{Bucket: aws.String("a")}))(t)
	if where.LocationConstraint != "" {
		t.Errorf("us-east-1 is %q", where.LocationConstraint)
	}
	_, err = c.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: aws.String("a")})
	wantOutcome(t, "head", err, "ok")
}

func TestUnsupportedOperationIsRefused(t *testing.T) {
	srv, c := start(t, s3test.Options{})
	srv.Bucket("b").Plant("k", []byte("x"), "", "")
	_, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: aws.String("b"), Key: aws.String("k")})
	wantOutcome(t, "multipart", err, "501 NotImplemented")
	_, err = c.GetObjectAcl(t.Context(), &s3.GetObjectAclInput{Bucket: aws.String("b"), Key: aws.String("k")})
	wantOutcome(t, "acl", err, "501 NotImplemented")
}

func TestDirectAccessNeedsNoRequest(t *testing.T) {
	srv, c := start(t, s3test.Options{})
	arn := srv.KMS.CreateKey("alias/app")
	b := srv.Bucket("b")
	body := []byte("hello")
	b.Plant("z", body, s3test.AWSKMS, "alias/app")
	planted := b.Plant("a", body, "", "")
	body[0] = 'J' // the caller's own
	all := b.Objects()
	if len(all) != 2 || all[0].Name != "a" || all[0].ETag != planted.ETag || all[0].SSE != s3test.AES256 || all[1].KeyARN != arn {
		t.Errorf("objects: %+v", all)
	}
	all[1].Body[1] = 'a' // a copy
	if _, got, err := get(c, "z"); got != "hello" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	b.Delete("z")
	b.Delete("z")
	if _, ok := b.Object("z"); ok || len(b.Objects()) != 1 {
		t.Error("the object is still there")
	}
	srv.KMS.DeleteAlias("alias/app")
	if got := srv.KMS.ARN("alias/app"); got != "" || srv.KMS.ARN(arn) != arn {
		t.Errorf("the alias leads to %q", got)
	}
	if n := len(srv.Log()); n != 1 {
		t.Errorf("%d requests in the log", n)
	}
}

func TestWrongChecksumIsRefused(t *testing.T) {
	srv, c := start(t, s3test.Options{})
	for what, edit := range map[string]func(*s3.PutObjectInput){
		"md5":    func(in *s3.PutObjectInput) { in.ContentMD5 = aws.String("AAAAAAAAAAAAAAAAAAAAAA==") },
		"crc32":  func(in *s3.PutObjectInput) { in.ChecksumCRC32 = aws.String("AAAAAA==") },
		"sha256": func(in *s3.PutObjectInput) { in.ChecksumSHA256 = aws.String("AAAA") },
	} {
		_, err := put(c, "k", "x", edit)
		wantOutcome(t, what, err, "400 BadDigest")
	}
	if n := len(srv.Bucket("b").Objects()); n != 0 {
		t.Errorf("%d objects were stored", n)
	}
	for _, algorithm := range types.ChecksumAlgorithm("").Values() {
		switch algorithm {
		case types.ChecksumAlgorithmCrc32, types.ChecksumAlgorithmCrc32c, types.ChecksumAlgorithmCrc64nvme, types.ChecksumAlgorithmSha1, types.ChecksumAlgorithmSha256:
			must(put(c, "k", "hello", func(in *s3.PutObjectInput) { in.ChecksumAlgorithm = algorithm }))(t)
			if _, got, err := get(c, "k"); got != "hello" || err != nil {
				t.Errorf("%s: %q, %v", algorithm, got, err)
			}
		}
	}
}
