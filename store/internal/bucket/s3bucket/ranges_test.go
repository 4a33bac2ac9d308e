package s3bucket_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/internal/testing/wire"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/s3bucket"
)

// manyNames fills a service whose names a server must URL-encode, and which has folders between them. It returns
// those of its objects, in order.
func manyNames(t *testing.T, b bucket.Bucket) []string {
	t.Helper()
	var names []string
	for i := range 12 {
		names = append(names, fmt.Sprintf("api/k+%02d é.json", i))
	}
	for _, name := range append(slices.Clone(names), "api/k+03 /x.json", "api/k+03 é.json/y.json", "api/zz/x.json") {
		if _, err := create(t, b, name); err != nil {
			t.Fatal(err)
		}
	}
	return names
}

func namesInRanges(t *testing.T, b bucket.Bucket, c bucket.Cuts) []string {
	t.Helper()
	var names []string
	for info, err := range b.(bucket.Ranger).ListRanges(t.Context(), "api/", c) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, info.Name)
	}
	return names
}

// line is a server behind a proxy that sees the queries.
type line struct {
	*wire.Proxy
	url string
}

func newLine(t *testing.T, quirks s3test.Quirks) line {
	t.Helper()
	upstream, err := url.Parse(simulator(t, s3test.Options{Quirks: quirks}).URL)
	if err != nil {
		t.Fatal(err)
	}
	l := line{Proxy: wire.New(upstream, 0)}
	server := httptest.NewServer(l)
	t.Cleanup(server.Close)
	l.url = server.URL
	return l
}

// open returns a bucket with pages of a few names.
func (l line) open(t *testing.T, size int32) *s3bucket.Bucket {
	t.Helper()
	return s3bucket.New(client(t, l.url), s3bucket.Options{Bucket: bucketName, Encryption: "aws:kms", PageSize: size})
}

// ranges returns how many pages began after a name since the last Reset, and whether any request was for a test.
func (l line) ranges() (ranges int, tested bool) {
	for _, c := range l.Crossings() {
		tested = tested || strings.Contains(c.Path, "__probe")
		if strings.Contains(c.Path, "start-after=") {
			ranges++
		}
	}
	return ranges, tested
}

func TestListingInRanges(t *testing.T) {
	l := newLine(t, s3test.Quirks{})
	b := l.open(t, 3)
	names := manyNames(t, b)
	for what, c := range map[string]bucket.Cuts{
		"known": {Names: names},
		"asked": {Ask: func(context.Context) ([]string, bool) { return names, false }},
	} {
		l.Reset()
		if got := namesInRanges(t, b, c); !slices.Equal(got, names) {
			t.Errorf("%s: %q", what, got)
		}
		if n, _ := l.ranges(); n < 3 {
			t.Errorf("%s: %d pages began after a name", what, n)
		}
	}
}

// TestOnlyAServerThatKeepsRangesIsAskedForThem: nothing is cut before a test has shown that the server keeps ranges,
// which a reader doesn't make. The result is remembered, whatever it is.
func TestOnlyAServerThatKeepsRangesIsAskedForThem(t *testing.T) {
	for ignored, kept := range map[string]bool{"": true, "start-after": false} {
		for _, doctor := range []bool{true, false} {
			t.Run(fmt.Sprint("ignores ", ignored, ", doctor ", doctor), func(t *testing.T) {
				l, cache := newLine(t, s3test.Quirks{Ignores: ignored}), t.TempDir()
				names := manyNames(t, l.open(t, 0))
				open := func() s3bucket.Whole {
					return s3bucket.Probed(l.open(t, 3), s3bucket.ProbeOptions{
						KeyAlias: "alias/app", Endpoint: l.url, CacheDir: cache, Now: func() time.Time { return noon },
					})
				}
				list := func(who string, b s3bucket.Whole, wantRanges, wantTest bool) {
					l.Reset()
					if got := namesInRanges(t, b, bucket.Cuts{Names: names}); !slices.Equal(got, names) {
						t.Errorf("%s: %q", who, got)
					}
					if n, tested := l.ranges(); (n > 0) != (wantRanges || wantTest) || tested != wantTest {
						t.Errorf("%s: %d ranges, tested: %v", who, n, tested)
					}
				}
				list("a reader", open(), false, false)
				if doctor {
					if _, err := s3bucket.Conditions(t.Context(), open(), "api/conditions", true); err != nil {
						t.Fatal(err)
					}
					list("a reader after doctor", open(), kept, false)
				}
				for i, name := range []string{"api/x.json", "api/y.json"} {
					writer := open()
					if _, err := create(t, writer, name); err != nil {
						t.Fatal(err)
					}
					names = append(names, name)
					list("a writer", writer, kept, !doctor && i == 0)
				}
				list("a reader after a writer", open(), kept, false)
			})
		}
	}
}
