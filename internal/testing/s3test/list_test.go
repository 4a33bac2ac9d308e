package s3test_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// list gives names, and common prefixes in parentheses, and how many pages it took.
func list(t *testing.T, c *s3.Client, in *s3.ListObjectsV2Input) (names []string, pages int) {
	t.Helper()
	in.Bucket = aws.String("b")
	p := s3.NewListObjectsV2Paginator(c, in)
	for ; p.HasMorePages(); pages++ {
		out := must(p.NextPage(t.Context()))(t)
		for _, o := range out.Contents {
			names = append(names, *o.Key)
		}
		for _, g := range out.CommonPrefixes {
			names = append(names, "("+*g.Prefix+")")
		}
		if got := len(out.Contents) + len(out.CommonPrefixes); int(*out.KeyCount) != got {
			t.Errorf("KeyCount %d, entries %d", *out.KeyCount, got)
		}
	}
	return names, pages
}

func TestListingIsTheSameInPagesOfAnySize(t *testing.T) {
	all := []string{"a", "api/", "api/a", "api/b", "api/c/x", "api/c/y", "api/d", "api/e/z", "apia", "z"}
	for _, tc := range []struct {
		in   s3.ListObjectsV2Input
		want string
	}{
		{s3.ListObjectsV2Input{}, strings.Join(all, " ")},
		{s3.ListObjectsV2Input{Prefix: aws.String("api")}, "api/ api/a api/b api/c/x api/c/y api/d api/e/z apia"},
		{s3.ListObjectsV2Input{Prefix: aws.String("api/"), Delimiter: aws.String("/")}, "api/ api/a api/b (api/c/) api/d (api/e/)"},
		{s3.ListObjectsV2Input{Delimiter: aws.String("/")}, "a (api/) apia z"},
		{s3.ListObjectsV2Input{Prefix: aws.String("none/")}, ""},
		{s3.ListObjectsV2Input{StartAfter: aws.String("api/c/x")}, "api/c/y api/d api/e/z apia z"},
		{s3.ListObjectsV2Input{EncodingType: types.EncodingTypeUrl, Prefix: aws.String("api/c/")}, "api/c/x api/c/y"},
	} {
		for _, size := range []int{1, 2, 3, 1000} {
			srv, c := start(t, s3test.Options{PageSize: size})
			for _, name := range slices.Backward(all) {
				srv.Bucket("b").Plant(name, []byte(name), "", "")
			}
			names, pages := list(t, c, &tc.in)
			// A page has its groups after its names; the whole is in order only in sorted form.
			slices.SortFunc(names, func(a, b string) int { return strings.Compare(strings.Trim(a, "()"), strings.Trim(b, "()")) })
			if got := strings.Join(names, " "); got != tc.want {
				t.Errorf("pages of %d: %q, want %q", size, got, tc.want)
			}
			if want := max(1, (len(names)+size-1)/size); pages != want {
				t.Errorf("%d entries in pages of %d took %d pages", len(names), size, pages)
			}
		}
	}
}

func TestListingTellsTagSizeAndDate(t *testing.T) {
	srv, c := start(t, s3test.Options{})
	srv.KMS.CreateKey("alias/app")
	made := must(put(c, "k&<é", "hello", underKey("alias/app")))(t)
	out := must(c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("b"), MaxKeys: aws.Int32(1)}))(t)
	o := out.Contents[0]
	if *o.Key != "k&<é" || *o.ETag != *made.ETag || *o.Size != 5 || o.LastModified.IsZero() || *out.IsTruncated {
		t.Errorf("listed %s %s %d %v", *o.Key, *o.ETag, *o.Size, o.LastModified)
	}
	_, err := c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("b"), ContinuationToken: aws.String("?")})
	wantOutcome(t, "bad token", err, "400 InvalidArgument")
}

func TestListingDeniedOrLimited(t *testing.T) {
	srv, c := start(t, s3test.Options{})
	listing := func(prefix string) error {
		_, err := c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("b"), Prefix: aws.String(prefix)})
		return err
	}
	_, _, err := get(c, "none")
	wantOutcome(t, "missing key", err, "404 NoSuchKey")

	srv.SetPolicy(session.AccessKeyID, s3test.Policy{ListPrefixes: []string{"api/"}})
	wantOutcome(t, "below the prefix", listing("api/x"), "ok")
	wantOutcome(t, "elsewhere", listing("app/"), "403 AccessDenied")
	wantOutcome(t, "everywhere", listing(""), "403 AccessDenied")
	_, _, err = get(c, "api/none")
	wantOutcome(t, "missing key, limited", err, "403 AccessDenied")

	srv.SetPolicy(session.AccessKeyID, s3test.Policy{DenyList: true})
	err = listing("api/")
	wantOutcome(t, "denied", err, "403 AccessDenied")
	if want := `is not authorized to perform: s3:ListBucket on resource: "arn:aws:s3:::b"`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v", err)
	}
	_, _, err = get(c, "none")
	wantOutcome(t, "missing key, denied", err, "403 AccessDenied")
	_, err = head(c, "none")
	wantOutcome(t, "head of a missing key, denied", err, "403 Forbidden")
}
