package s3test_test

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// kept are the versions of an object in short: a body, or - for a mark, and * at an id of null.
func kept(b *s3test.Bucket, name string) []string {
	var all []string
	for _, o := range b.Versions(name) {
		text := string(o.Body)
		if o.Mark {
			text = "-"
		}
		if o.Version == "null" {
			text += "*"
		}
		all = append(all, text)
	}
	return all
}

func TestVersionsAreKeptWhileVersioningIsOn(t *testing.T) {
	srv, c := start(t, s3test.Options{})
	b := srv.Bucket("b")
	put := func(body string) {
		t.Helper()
		b.Plant("k", []byte(body), "", "")
	}
	want := func(want ...string) {
		t.Helper()
		if got := kept(b, "k"); !slices.Equal(got, want) {
			t.Errorf("kept: %q, want %q", got, want)
		}
	}
	configure := func(status types.BucketVersioningStatus) {
		t.Helper()
		_, err := c.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
			Bucket: aws.String("b"), VersioningConfiguration: &types.VersioningConfiguration{Status: status},
		})
		wantOutcome(t, "put versioning", err, "ok")
	}
	put("1")
	put("2")
	want("2*")
	b.Delete("k")
	want()
	put("3")
	configure("Enabled")
	put("4")
	b.Delete("k")
	b.Delete("k") // also when it is deleted already
	want("-", "-", "4", "3*")
	configure("Suspended")
	put("5") // takes the place of the other of id null
	want("5*", "-", "-", "4")
	b.Delete("k")
	want("-*", "-", "-", "4")
}

func TestAnswersTellVersions(t *testing.T) {
	srv, c := start(t, s3test.Options{})
	srv.Bucket("b").KeepVersions(true)
	name, bucket := aws.String("k"), aws.String("b")
	one := must(c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: name}))(t)
	two := must(c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: name}))(t)
	if aws.ToString(one.VersionId) == "" || *one.VersionId == aws.ToString(two.VersionId) {
		t.Errorf("versions %v and %v", one.VersionId, two.VersionId)
	}
	got := must(c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: name}))(t)
	old := must(c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: bucket, Key: name, VersionId: one.VersionId}))(t)
	if aws.ToString(got.VersionId) != *two.VersionId || aws.ToString(old.VersionId) != *one.VersionId {
		t.Errorf("a get tells %v, a head %v", got.VersionId, old.VersionId)
	}
	mark := must(c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: bucket, Key: name}))(t)
	if !aws.ToBool(mark.DeleteMarker) || aws.ToString(mark.VersionId) == "" {
		t.Errorf("the delete tells %+v", mark)
	}
	_, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: name, VersionId: mark.VersionId})
	wantOutcome(t, "get a mark", err, "405 MethodNotAllowed")
	_, err = c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: name, VersionId: aws.String("none")})
	wantOutcome(t, "get a version that is not there", err, "404 NoSuchVersion")
	_, err = c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: name, IfMatch: two.ETag})
	wantOutcome(t, "put if match on a mark", err, "404 NoSuchKey")
}
