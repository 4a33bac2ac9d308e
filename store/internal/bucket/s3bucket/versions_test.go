package s3bucket_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/buckettest"
	"github.com/coffer-secrets/coffer/store/internal/bucket/s3bucket"
)

func keepVersions(t *testing.T, c *s3.Client) {
	t.Helper()
	_, err := c.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
		Bucket:                  aws.String(bucketName),
		VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestConformanceOfVersions(t *testing.T) {
	for name, test := range map[string]struct {
		server s3test.Options
		caps   buckettest.Capabilities
	}{
		"AWS":        {s3test.Options{}, buckettest.Capabilities{Aliases: []string{"alias/app", "alias/ops"}, Method: "aws:kms"}},
		"SmallPages": {s3test.Options{PageSize: 2}, buckettest.Capabilities{Aliases: []string{"alias/app", "alias/ops"}, Method: "aws:kms"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := client(t, simulator(t, test.server).URL)
			keepVersions(t, c)
			b := sealed(c)
			buckettest.Run(t, func(*testing.T) bucket.Bucket { return b }, test.caps)
			buckettest.RunVersions(t, func(*testing.T) bucket.Bucket { return b }, test.caps)
			probed := s3bucket.Probed(b, s3bucket.ProbeOptions{KeyAlias: "alias/app"})
			buckettest.RunVersions(t, func(*testing.T) bucket.Bucket { return probed }, test.caps)
		})
	}
}

func TestConformanceOfVersionsOnMoto(t *testing.T) {
	mototest.Isolate(t)
	c := client(t, mototest.Start(t))
	if _, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucketName)}); err != nil {
		t.Fatal(err)
	}
	keepVersions(t, c)
	buckettest.RunVersions(t, func(*testing.T) bucket.Bucket { return sealed(c) }, buckettest.Capabilities{
		Aliases: []string{"alias/app", "alias/ops"}, Method: "aws:kms",
	})
}

func TestABucketWithoutVersionsHasTheLatest(t *testing.T) {
	b := sealed(client(t, simulator(t, s3test.Options{}).URL))
	for _, body := range []string{"one", "two"} {
		if _, err := b.Put(t.Context(), "api/a.json", []byte(body), bucket.PutOptions{KeyAlias: "alias/app"}); err != nil {
			t.Fatal(err)
		}
	}
	var all []bucket.Version
	for v, err := range b.Versions(t.Context(), "api/") {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	if len(all) != 1 || all[0].ID != bucket.NullVersion || !all[0].Latest {
		t.Errorf("versions %+v", all)
	}
}

func TestVersionRequestsAreDeniedOnTheirOwn(t *testing.T) {
	server := simulator(t, s3test.Options{})
	server.Bucket(bucketName).KeepVersions(true)
	b := sealed(client(t, server.URL))
	if _, err := b.Put(t.Context(), "api/a.json", []byte(canary), bucket.PutOptions{KeyAlias: "alias/app"}); err != nil {
		t.Fatal(err)
	}
	id := server.Bucket(bucketName).Versions("api/a.json")[0].Version
	server.SetPolicy(s3test.AdminKeyID, s3test.Policy{DenyListVersions: true, DenyGetVersion: []string{"*"}, DenyDeleteVersion: []string{"*"}})
	_, getErr := b.GetVersion(t.Context(), "api/a.json", id)
	errs := map[string]error{"get a version of": getErr, "delete a version of": b.DeleteVersion(t.Context(), "api/a.json", id)}
	for _, err := range b.Versions(t.Context(), "api/") {
		errs["list the versions of"] = err
	}
	for op, err := range errs {
		var e *bucket.Error
		if !errors.As(err, &e) || e.Op != op || !errors.Is(err, bucket.ErrDenied) {
			t.Errorf("%s: error %v", op, err)
		}
	}
	if _, err := b.Get(t.Context(), "api/a.json"); err != nil {
		t.Error(err)
	}
	if err := b.DeleteVersion(t.Context(), "api/a.json", ""); !errors.Is(err, bucket.ErrRefused) {
		t.Errorf("a delete of no version: %v", err) // it would delete the object
	}
}

func TestAListingOfVersionsThatMakesNoSenseIsTorn(t *testing.T) {
	const page = `<ListVersionsResult><Name>secrets</Name><EncodingType>url</EncodingType><IsTruncated>%s</IsTruncated>
		<NextKeyMarker>%s</NextKeyMarker><NextVersionIdMarker>%s</NextVersionIdMarker>%s</ListVersionsResult>`
	const version = `<Version><Key>api/a%2Bb.json</Key><VersionId>1</VersionId><IsLatest>true</IsLatest><ETag>"e"</ETag></Version>`
	for name, test := range map[string]struct {
		answer string
		want   error
	}{
		"nothing":                {"", bucket.ErrTorn},
		"another document":       {"<html></html>", bucket.ErrTorn},
		"no next page":           {fmt.Sprintf(page, "true", "", "", version), bucket.ErrTorn},
		"no tag":                 {fmt.Sprintf(page, "false", "", "", strings.Replace(version, `<ETag>"e"</ETag>`, "", 1)), bucket.ErrUnsupported},
		"the same page for ever": {fmt.Sprintf(page, "true", "api/a%2Bb.json", "1", version), bucket.ErrTorn},
		"whole":                  {fmt.Sprintf(page, "false", "", "", version), nil},
	} {
		t.Run(name, func(t *testing.T) {
			c, requests := recorder(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, test.answer) })
			var last error
			for v, err := range sealed(c).Versions(t.Context(), "api/") {
				if len(*requests) > 5 {
					t.Fatal("it never ends")
				}
				if last = err; err == nil && v.Name != "api/a+b.json" {
					t.Errorf("name %q", v.Name)
				}
			}
			if !errors.Is(last, test.want) {
				t.Errorf("error %v, want %v", last, test.want)
			}
			if q := (*requests)[len(*requests)-1].URL.Query(); name == "the same page for ever" && q.Get("key-marker") != "api/a+b.json" {
				t.Errorf("the next page begins at %q", q.Get("key-marker"))
			}
		})
	}
}
