package s3test_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

func TestPolicyDeniesByNameOfObject(t *testing.T) {
	srv, c := start(t, s3test.Options{})
	srv.Bucket("b").Plant("api/__kms_x__latest.json", []byte("hello"), "", "")
	srv.Bucket("b").Plant("api/a.json", []byte("hello"), "", "")
	srv.SetPolicy(session.AccessKeyID, s3test.Policy{
		DenyGet: []string{"*/__kms_?__*"}, DenyPut: []string{"api/a.json"}, DenyDelete: []string{"api/*"},
	})
	_, _, err := get(c, "api/__kms_x__latest.json")
	wantOutcome(t, "get", err, "403 AccessDenied")
	if want := `User: arn:aws:sts::111122223333:assumed-role/dev/session is not authorized to perform: s3:GetObject on resource: ` +
		`"arn:aws:s3:::b/api/__kms_x__latest.json"`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("get: %v", err)
	}
	_, err = head(c, "api/__kms_x__latest.json")
	wantOutcome(t, "head", err, "403 Forbidden")
	_, _, err = get(c, "api/a.json")
	wantOutcome(t, "get of another", err, "ok")
	_, err = put(c, "api/a.json", "x")
	wantOutcome(t, "put", err, "403 AccessDenied")
	wantOutcome(t, "delete", remove(c, "api/a.json", nil), "403 AccessDenied")
	_, err = put(c, "api/__kms_x__latest.json", "x")
	wantOutcome(t, "blind put", err, "ok")
	_, err = put(c, "api/__kms_x__latest.json", "x", ifMatch(tag))
	wantOutcome(t, "put on the condition of what may not be read", err, "403 AccessDenied")
}

func TestTagging(t *testing.T) {
	srv, c := start(t, s3test.Options{})
	made := must(put(c, "k", "x", func(in *s3.PutObjectInput) { in.Tagging = aws.String("team=a%20b") }))(t)
	b, k := aws.String("b"), aws.String("k")
	tags := func() string {
		var all []string
		for _, t := range must(c.GetObjectTagging(t.Context(), &s3.GetObjectTaggingInput{Bucket: b, Key: k}))(t).TagSet {
			all = append(all, *t.Key+"="+*t.Value)
		}
		return strings.Join(all, " ")
	}
	if got := tags(); got != "team=a b" {
		t.Errorf("from the header: %s", got)
	}
	set := &types.Tagging{TagSet: []types.Tag{{Key: aws.String("z"), Value: aws.String("1")}, {Key: aws.String("a"), Value: aws.String("")}}}
	must(c.PutObjectTagging(t.Context(), &s3.PutObjectTaggingInput{Bucket: b, Key: k, Tagging: set}))(t)
	if got := tags(); got != "a= z=1" {
		t.Errorf("replaced: %s", got)
	}
	out, _, err := get(c, "k")
	if err != nil || *out.TagCount != 2 || *out.ETag != *made.ETag {
		t.Errorf("%v tags, %v", out.TagCount, err)
	}
	must(c.DeleteObjectTagging(t.Context(), &s3.DeleteObjectTaggingInput{Bucket: b, Key: k}))(t)
	if got := tags(); got != "" {
		t.Errorf("deleted: %s", got)
	}
	_, err = c.PutObjectTagging(t.Context(), &s3.PutObjectTaggingInput{Bucket: b, Key: aws.String("none"), Tagging: set})
	wantOutcome(t, "missing object", err, "404 NoSuchKey")
	set.TagSet = append(set.TagSet, types.Tag{Key: aws.String(strings.Repeat("x", 129)), Value: aws.String("")})
	_, err = c.PutObjectTagging(t.Context(), &s3.PutObjectTaggingInput{Bucket: b, Key: k, Tagging: set})
	wantOutcome(t, "long key", err, "400 InvalidTag")
	srv.SetPolicy(session.AccessKeyID, s3test.Policy{DenyTagging: []string{"*"}})
	_, err = c.GetObjectTagging(t.Context(), &s3.GetObjectTaggingInput{Bucket: b, Key: k})
	wantOutcome(t, "denied", err, "403 AccessDenied")
	_, err = put(c, "k", "x", func(in *s3.PutObjectInput) { in.Tagging = aws.String("a=b") })
	wantOutcome(t, "put with tags, denied", err, "403 AccessDenied")
}
