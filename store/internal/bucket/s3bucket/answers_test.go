package s3bucket_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// An empty tag would make the next conditional put an unconditional one.
func TestAnswerWithoutETagIsRefused(t *testing.T) {
	c, _ := recorder(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("list-type") {
			_, _ = io.WriteString(w, `<ListBucketResult><Name>secrets</Name><Contents><Key>api/db.json</Key></Contents></ListBucketResult>`)
		}
	})
	errs := eachRequest(t, sealed(c))
	delete(errs, "delete") // its answer describes nothing
	for op, err := range errs {
		want := bucket.ErrUnsupported
		if op == "put" {
			want = bucket.ErrTorn // it may be stored
		}
		wantSentinel(t, err, want)
		if !strings.Contains(err.Error(), "the response has no ETag") {
			t.Errorf("%s: error %v does not tell why", op, err)
		}
	}
}

// checking is a client as it is against AWS: it sends checksums and compares those it gets.
func checking(c *s3.Client) *s3.Client {
	o := c.Options()
	o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenSupported
	o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenSupported
	return s3.New(o)
}

func TestTornAnswerIsReadAgain(t *testing.T) {
	server := simulator(t, s3test.Options{})
	plain := client(t, server.URL)
	for _, test := range []struct {
		kind   s3test.Kind
		op     string
		client *s3.Client
	}{
		{s3test.CutBody, "GetObject", plain},
		{s3test.CutBody, "ListObjectsV2", plain},
		{s3test.WrongLength, "GetObject", checking(plain)},
		{s3test.WrongLength, "ListObjectsV2", plain},
		{s3test.FlipBody, "GetObject", checking(plain)},
	} {
		t.Run(fmt.Sprint(s3test.Fault{Kind: test.kind}, " of ", test.op), func(t *testing.T) {
			b := sealed(test.client)
			server.Fault(nil)
			if _, err := b.Put(t.Context(), "api/db.json", []byte(canary), bucket.PutOptions{KeyAlias: "alias/app"}); err != nil {
				t.Fatal(err)
			}
			for torn, want := range map[int]error{2: nil, 3: bucket.ErrTorn} {
				server.Reset()
				server.Fault(func(r s3test.Request) *s3test.Fault {
					if r.N > torn {
						return nil
					}
					return &s3test.Fault{Kind: test.kind}
				})
				err := readOnce(t, b, test.op)
				if !errors.Is(err, want) {
					t.Errorf("after %d torn answers: error %v, want %v", torn, err, want)
				}
				if err != nil && strings.Contains(err.Error(), canary) {
					t.Error("the error repeats the body")
				}
				if n := len(server.Log()); n != 3 {
					t.Errorf("%d requests after %d torn answers, want 3", n, torn)
				}
			}
		})
	}
}

func readOnce(t *testing.T, b bucket.Bucket, op string) error {
	t.Helper()
	if op == "ListObjectsV2" {
		for _, err := range b.List(t.Context(), "api/") {
			return err
		}
		return errors.New("nothing listed")
	}
	o, err := b.Get(t.Context(), "api/db.json")
	if err == nil && string(o.Body) != canary {
		t.Errorf("read %d other bytes", len(o.Body))
	}
	return err
}

func TestListingThatMakesNoSenseIsTorn(t *testing.T) {
	for name, body := range map[string]string{
		"empty":                  "",
		"not XML":                "<html><br>",
		"another document":       "<html></html>",
		"cut":                    `<ListBucketResult><Name>secrets</Name><Contents><Key>a</Key></Contents>`,
		"truncated without more": `<ListBucketResult><Name>secrets</Name><IsTruncated>true</IsTruncated></ListBucketResult>`,
		"leads to itself":        `<ListBucketResult><Name>secrets</Name><IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken></ListBucketResult>`,
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := recorder(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
			if err := eachRequest(t, sealed(c))["list"]; !errors.Is(err, bucket.ErrTorn) {
				t.Errorf("error %v, want %v", err, bucket.ErrTorn)
			}
		})
	}
}

func TestListedNamesAreDecoded(t *testing.T) {
	for name, test := range map[string]struct{ encoding, key, want string }{
		"encoded":              {"url", "api/a%0Ab+c%2B%25.json", "api/a\nb c+%.json"},
		"not encoded":          {"", "api/100%+.json", "api/100%+.json"},
		"said but not encoded": {"url", "api/100%.json", "api/100%.json"},
	} {
		t.Run(name, func(t *testing.T) {
			c, requests := recorder(t, func(w http.ResponseWriter, _ *http.Request) {
				_, _ = fmt.Fprintf(w, `<ListBucketResult><Name>secrets</Name><EncodingType>%s</EncodingType><Contents><Key>%s</Key><ETag>"1"</ETag></Contents></ListBucketResult>`,
					test.encoding, test.key)
			})
			for info, err := range sealed(c).Walk(t.Context(), "api/") {
				if err != nil || info.Name != test.want {
					t.Errorf("name %q, error %v, want %q", info.Name, err, test.want)
				}
			}
			if (*requests)[0].URL.Query().Get("encoding-type") != "url" {
				t.Error("no encoding was asked for")
			}
		})
	}
}

func TestHugeObjectIsRefused(t *testing.T) {
	c, _ := recorder(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"abc"`)
		w.Header().Set("Content-Length", fmt.Sprint(128<<20+1))
		w.WriteHeader(http.StatusOK)
	})
	if _, err := sealed(c).Get(t.Context(), "api/db.json"); !errors.Is(err, bucket.ErrRefused) {
		t.Errorf("error %v, want %v", err, bucket.ErrRefused)
	}
}

func TestHugeObjectWithoutLengthIsRefused(t *testing.T) {
	piece := bytes.Repeat([]byte{' '}, 1<<20)
	c, _ := recorder(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"abc"`)
		for range 129 {
			_, _ = w.Write(piece)
		}
	})
	if _, err := sealed(c).Get(t.Context(), "api/db.json"); !errors.Is(err, bucket.ErrRefused) {
		t.Errorf("error %v, want %v", err, bucket.ErrRefused)
	}
}
