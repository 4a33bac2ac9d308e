package s3bucket_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/buckettest"
	"github.com/coffer-secrets/coffer/store/internal/bucket/s3bucket"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func TestConformanceOfHeaders(t *testing.T) {
	for name, quirks := range map[string]s3test.Quirks{
		"AWS": {}, "MinIO": s3test.MinIO(), "Versitygw": s3test.Versitygw(), "a server without ranges": {Ignores: "range"},
	} {
		t.Run(name, func(t *testing.T) {
			server := simulator(t, s3test.Options{Quirks: quirks})
			b := s3bucket.New(client(t, server.URL), s3bucket.Options{Bucket: bucketName, Encryption: "AES256"})
			buckettest.RunHeaders(t, func(*testing.T) bucket.Bucket { return b }, buckettest.Capabilities{})
		})
	}
	t.Run("moto", func(t *testing.T) {
		mototest.Isolate(t)
		c := client(t, mototest.Start(t))
		if _, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucketName)}); err != nil {
			t.Fatal(err)
		}
		b := s3bucket.New(c, s3bucket.Options{Bucket: bucketName, Encryption: "AES256"})
		buckettest.RunHeaders(t, func(*testing.T) bucket.Bucket { return b }, buckettest.Capabilities{})
	})
}

// TestAHeaderIsOneRequest: as HEAD is, so that a sealed store costs no more.
func TestAHeaderIsOneRequest(t *testing.T) {
	server := simulator(t, s3test.Options{})
	b := s3bucket.New(client(t, server.URL), s3bucket.Options{Bucket: bucketName, Encryption: "AES256"})
	if _, err := b.Put(t.Context(), "api/a.json", make([]byte, 5000), bucket.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	requests := 0
	server.Fault(func(s3test.Request) *s3test.Fault { requests++; return nil })
	if info, header, err := b.ReadHeader(t.Context(), "api/a.json", 100); err != nil || len(header) != 100 || info.Size != 5000 {
		t.Errorf("%d bytes of %+v, %v", len(header), info, err)
	}
	if requests != 1 {
		t.Errorf("%d requests, want 1", requests)
	}
}

func TestErrorsOfReadingAHeader(t *testing.T) {
	for name, test := range map[string]struct {
		fault s3test.Fault
		want  error
	}{
		"denied":      {s3test.Fault{Kind: s3test.Answer, Status: 403, Code: "AccessDenied"}, bucket.ErrDenied},
		"key":         {s3test.Fault{Kind: s3test.Answer, Status: 400, Code: "KMS.DisabledException"}, bucket.ErrKey},
		"credentials": {s3test.Fault{Kind: s3test.Answer, Status: 400, Code: "ExpiredToken"}, bucket.ErrCredentials},
		"cut":         {s3test.Fault{Kind: s3test.CutBody}, bucket.ErrTorn},
		"too short":   {s3test.Fault{Kind: s3test.WrongLength}, bucket.ErrTorn},
		"no range":    {s3test.Fault{Kind: s3test.Answer, Status: 416, Code: "InvalidRange"}, bucket.ErrUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			server := simulator(t, s3test.Options{})
			b := s3bucket.New(client(t, server.URL), s3bucket.Options{Bucket: bucketName, Encryption: "AES256"})
			if _, err := b.Put(t.Context(), "api/a.json", []byte(strings.Repeat("a", 5000)), bucket.PutOptions{}); err != nil {
				t.Fatal(err)
			}
			server.Fault(func(r s3test.Request) *s3test.Fault {
				if r.Op != "GetObject" {
					return nil
				}
				return &test.fault
			})
			_, header, err := b.ReadHeader(t.Context(), "api/a.json", 100)
			var e *bucket.Error
			if !errors.Is(err, test.want) || !errors.As(err, &e) || e.Op != "head" || len(header) > 0 {
				t.Errorf("%d bytes, %v; want %v", len(header), err, test.want)
			}
		})
	}
}
