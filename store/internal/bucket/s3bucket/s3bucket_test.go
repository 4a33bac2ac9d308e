package s3bucket_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/buckettest"
	"github.com/coffer-secrets/coffer/store/internal/bucket/s3bucket"
)

const (
	bucketName = "secrets"
	canary     = "canary-0b5f2c"
)

// client speaks to a server with the credentials of the environment; each attempt is the only one.
func client(t *testing.T, url string) *s3.Client {
	t.Helper()
	return patientClient(t, url, 1)
}

// patientClient tries a request so often.
func patientClient(t *testing.T, url string, attempts int) *s3.Client {
	t.Helper()
	cfg, err := awsconf.Load(t.Context(), awsconf.Options{EndpointURL: url, Retries: attempts})
	if err != nil {
		t.Fatal(err)
	}
	return awsconf.S3(cfg)
}

// simulator starts an S3 with one bucket and the aliases alias/app and alias/ops.
func simulator(t *testing.T, o s3test.Options) *s3test.Server {
	t.Helper()
	mototest.Isolate(t)
	t.Setenv("AWS_ACCESS_KEY_ID", s3test.AdminKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", s3test.AdminSecret)
	o.Buckets = []string{bucketName}
	server := s3test.New(o)
	t.Cleanup(server.Close)
	server.KMS.CreateKey("alias/app")
	server.KMS.CreateKey("alias/ops")
	return server
}

func sealed(c *s3.Client) *s3bucket.Bucket {
	return s3bucket.New(c, s3bucket.Options{Bucket: bucketName, Encryption: "aws:kms", ConditionalDelete: true})
}

func TestConformance(t *testing.T) {
	aliases := []string{"alias/app", "alias/ops"}
	for name, test := range map[string]struct {
		server  s3test.Options
		options s3bucket.Options
		caps    buckettest.Capabilities
	}{
		"AWS": {
			s3test.Options{PageSize: 2},
			s3bucket.Options{Encryption: "aws:kms", ConditionalDelete: true},
			buckettest.Capabilities{Aliases: aliases, Method: "aws:kms"},
		},
		"AWSWithSSES3": {
			s3test.Options{},
			s3bucket.Options{Encryption: "AES256", ConditionalDelete: true},
			buckettest.Capabilities{Method: "AES256"},
		},
		"MinIO": {
			s3test.Options{Quirks: s3test.MinIO()},
			s3bucket.Options{Encryption: "aws:kms"},
			buckettest.Capabilities{Aliases: aliases, Method: "aws:kms", NoConditionalDelete: true},
		},
		"Versitygw": {
			s3test.Options{Quirks: s3test.Versitygw()},
			s3bucket.Options{Encryption: "aws:kms"},
			buckettest.Capabilities{NoConditionalDelete: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := simulator(t, test.server)
			test.options.Bucket = bucketName
			b := s3bucket.New(client(t, server.URL), test.options)
			buckettest.Run(t, func(*testing.T) bucket.Bucket { return b }, test.caps)
		})
	}
}

func TestConformanceOnMoto(t *testing.T) {
	mototest.Isolate(t)
	c := patientClient(t, mototest.Start(t), 5) // moto answers 500 to a read that meets a write, now and then
	if _, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucketName)}); err != nil {
		t.Fatal(err)
	}
	buckettest.Run(t, func(*testing.T) bucket.Bucket { return sealed(c) }, buckettest.Capabilities{
		Aliases: []string{"alias/app", "alias/ops"}, Method: "aws:kms", RacyConditions: true,
	})
}

// Ceph and SeaweedFS answer a condition on a missing object as one on another state.
func TestConditionOnMissingObjectElsewhere(t *testing.T) {
	for name, quirks := range map[string]s3test.Quirks{"Ceph": s3test.Ceph(), "SeaweedFS": s3test.SeaweedFS()} {
		t.Run(name, func(t *testing.T) {
			b := sealed(client(t, simulator(t, s3test.Options{Quirks: quirks}).URL))
			info, err := b.Put(t.Context(), "api/a.json", []byte("1"), bucket.PutOptions{KeyAlias: "alias/app"})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.Put(t.Context(), "api/a.json", []byte("2"), bucket.PutOptions{KeyAlias: "alias/app", If: bucket.IfMatch(info.Tag)}); err != nil {
				t.Errorf("a put that matches: %v", err)
			}
			_, err = b.Put(t.Context(), "api/b.json", []byte("2"), bucket.PutOptions{KeyAlias: "alias/app", If: bucket.IfMatch(info.Tag)})
			if !errors.Is(err, bucket.ErrChanged) {
				t.Errorf("error %v, want %v", err, bucket.ErrChanged)
			}
		})
	}
}

// recorder answers every request with handle and keeps their headers.
func recorder(t *testing.T, handle http.HandlerFunc) (*s3.Client, *[]*http.Request) {
	t.Helper()
	mototest.Isolate(t)
	var (
		mu       sync.Mutex // a connection that is cut does not wait for its handler
		requests []*http.Request
	)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		mu.Lock()
		requests = append(requests, r)
		mu.Unlock()
		handle(w, r)
	}))
	t.Cleanup(server.Close)
	return client(t, server.URL), &requests
}

const emptyListing = `<ListBucketResult><Name>secrets</Name><IsTruncated>false</IsTruncated></ListBucketResult>`

// fine is an answer that satisfies every request.
func fine(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("ETag", `W/"abc"`)
	w.Header().Set("X-Amz-Server-Side-Encryption", "aws:kms")
	w.Header().Set("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", "arn:aws:kms:us-east-1:111122223333:key/1")
	if r.URL.Query().Has("list-type") {
		_, _ = io.WriteString(w, emptyListing)
	}
}

// putHeaders are the headers that a put has to send.
var putHeaders = map[string]struct {
	options s3bucket.Options
	put     bucket.PutOptions
	want    map[string]string
}{
	"KMS and match": {
		s3bucket.Options{Encryption: "aws:kms"},
		bucket.PutOptions{KeyAlias: "alias/app", If: bucket.IfMatch("0123abcd")},
		map[string]string{
			"If-Match":                     "0123abcd", // no quotes
			"X-Amz-Server-Side-Encryption": "aws:kms",
			"X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id":     "alias/app",
			"X-Amz-Server-Side-Encryption-Bucket-Key-Enabled": "false",
		},
	},
	"another name for the key": {
		s3bucket.Options{Encryption: "aws:kms", KeyNames: map[string]string{"alias/app": "my-key"}},
		bucket.PutOptions{KeyAlias: "alias/app", If: bucket.IfAbsent()},
		map[string]string{
			"If-None-Match":                                   "*",
			"X-Amz-Server-Side-Encryption":                    "aws:kms",
			"X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id":     "my-key",
			"X-Amz-Server-Side-Encryption-Bucket-Key-Enabled": "false",
		},
	},
	"SSE-S3": {
		s3bucket.Options{Encryption: "AES256"},
		bucket.PutOptions{KeyAlias: "alias/app"},
		map[string]string{"X-Amz-Server-Side-Encryption": "AES256"},
	},
	"owner": {
		s3bucket.Options{ExpectedOwner: "111122223333"},
		bucket.PutOptions{},
		map[string]string{"X-Amz-Expected-Bucket-Owner": "111122223333"},
	},
}

func TestPutSendsEncryptionAndCondition(t *testing.T) {
	for name, test := range putHeaders {
		t.Run(name, func(t *testing.T) {
			c, requests := recorder(t, fine)
			test.options.Bucket = bucketName
			info, err := s3bucket.New(c, test.options).Put(t.Context(), "api/db.json", []byte("{}"), test.put)
			if err != nil {
				t.Fatal(err)
			}
			request := (*requests)[0]
			got := map[string]string{}
			for _, name := range []string{
				"If-Match", "If-None-Match", "X-Amz-Expected-Bucket-Owner", "X-Amz-Server-Side-Encryption",
				"X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", "X-Amz-Server-Side-Encryption-Bucket-Key-Enabled",
			} {
				if v := request.Header.Get(name); v != "" {
					got[name] = v
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
			if request.URL.Path != "/secrets/api/db.json" || request.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s as %s", request.URL.Path, request.Header.Get("Content-Type"))
			}
			if request.Header.Get("Content-Encoding") != "" || request.Header.Get("X-Amz-Trailer") != "" {
				t.Errorf("the body is framed: %v", request.Header)
			}
			want := bucket.Info{
				Name: "api/db.json", Tag: "abc", Size: 2,
				Seal: bucket.Seal{Method: "aws:kms", KeyID: "arn:aws:kms:us-east-1:111122223333:key/1"},
			}
			if diff := cmp.Diff(want, info); diff != "" {
				t.Errorf("info (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEveryRequestNamesTheExpectedOwner(t *testing.T) {
	c, requests := recorder(t, fine)
	b := s3bucket.New(c, s3bucket.Options{Bucket: bucketName, ExpectedOwner: "111122223333", ConditionalDelete: true})
	for op, err := range eachRequest(t, b) {
		if err != nil {
			t.Errorf("%s: %v", op, err)
		}
	}
	for _, r := range *requests {
		if r.Header.Get("X-Amz-Expected-Bucket-Owner") != "111122223333" {
			t.Errorf("%s %s names no owner", r.Method, r.URL)
		}
	}
	if len(*requests) != 6 {
		t.Errorf("%d requests, want 6", len(*requests))
	}
}

// eachRequest makes one of each kind.
func eachRequest(t *testing.T, b bucket.Bucket) map[string]error {
	ctx, name := t.Context(), "api/db.json"
	errs := map[string]error{}
	_, errs["get"] = b.Get(ctx, name)
	_, errs["head"] = b.Head(ctx, name)
	_, errs["put"] = b.Put(ctx, name, []byte(canary), bucket.PutOptions{If: bucket.IfMatch("1")})
	errs["delete"] = b.Delete(ctx, name, bucket.IfMatch("1"))
	for _, err := range b.List(ctx, "api/") {
		errs["list"] = err
	}
	for _, err := range b.Walk(ctx, "api/") {
		errs["walk"] = err
	}
	return errs
}

func TestDeleteUnderConditionNeedsAServerThatKeepsIt(t *testing.T) {
	c, requests := recorder(t, fine)
	b := s3bucket.New(c, s3bucket.Options{Bucket: bucketName})
	for _, cond := range []bucket.If{bucket.IfMatch("1"), bucket.IfAbsent()} {
		if err := b.Delete(t.Context(), "api/db.json", cond); !errors.Is(err, bucket.ErrUnsupported) {
			t.Errorf("error %v, want %v", err, bucket.ErrUnsupported)
		}
	}
	if len(*requests) != 0 {
		t.Errorf("%d requests, want none", len(*requests))
	}
	if err := sealed(c).Delete(t.Context(), "api/db.json", bucket.IfMatch("abc")); err != nil {
		t.Fatal(err)
	}
	if got := (*requests)[0].Header.Get("If-Match"); got != "abc" {
		t.Errorf("If-Match: %q, want it without quotes", got)
	}
}

func TestRequestsAreLoggedWithoutValuesAndCredentials(t *testing.T) {
	server := simulator(t, s3test.Options{})
	var text bytes.Buffer
	cfg, err := awsconf.Load(t.Context(), awsconf.Options{
		EndpointURL: server.URL,
		Log:         slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	b := sealed(awsconf.S3(cfg))
	if _, err := b.Put(t.Context(), "api/db.json", []byte(canary), bucket.PutOptions{KeyAlias: "alias/app"}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Get(t.Context(), "api/db.json"); err != nil {
		t.Fatal(err)
	}
	for _, err := range b.List(t.Context(), "api/") {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{
		"operation=S3.PutObject object=/secrets/api/db.json status=200",
		"operation=S3.GetObject object=/secrets/api/db.json status=200",
		`operation=S3.ListObjectsV2 object="/secrets?prefix=api%2F" status=200`,
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %s in\n%s", want, &text)
		}
	}
	for _, secret := range []string{canary, s3test.AdminKeyID, s3test.AdminSecret} {
		if strings.Contains(text.String(), secret) {
			t.Errorf("%s is in the log", secret)
		}
	}
}
