package s3test_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

type putCase struct {
	what   string
	exists bool
	edit   []func(*s3.PutObjectInput)
	want   string
}

const tag, unquoted, other = `"5d41402abc4b2a76b9719d911017c592"`, `5d41402abc4b2a76b9719d911017c592`, `"00000000000000000000000000000000"`

func edits(e ...func(*s3.PutObjectInput)) []func(*s3.PutObjectInput) { return e }

func runPuts(t *testing.T, q s3test.Quirks, cases []putCase) {
	t.Helper()
	for _, tc := range cases {
		srv, c := start(t, s3test.Options{Quirks: q})
		if tc.exists {
			srv.Bucket("b").Plant("k", []byte("hello"), "", "")
		}
		_, err := put(c, "k", "new", tc.edit...)
		wantOutcome(t, tc.what, err, tc.want)
		stored, ok := srv.Bucket("b").Object("k")
		if applied := string(stored.Body) == "new"; applied != (tc.want == "ok") || ok != (tc.exists || applied) {
			t.Errorf("%s: %s, and the object is %q (%v)", tc.what, tc.want, stored.Body, ok)
		}
	}
}

func TestConditionalPutAnswersAsAWS(t *testing.T) {
	runPuts(t, s3test.Quirks{}, []putCase{
		{"absent, is absent", false, edits(ifNoneMatch("*")), "ok"},
		{"absent, exists", true, edits(ifNoneMatch("*")), "412 PreconditionFailed"},
		{"none of a tag", true, edits(ifNoneMatch(other)), "501 NotImplemented"},
		{"match", true, edits(ifMatch(tag)), "ok"},
		{"match, unquoted", true, edits(ifMatch(unquoted)), "ok"},
		{"match, weak", true, edits(ifMatch("W/" + tag)), "ok"},
		{"match, stale", true, edits(ifMatch(other)), "412 PreconditionFailed"},
		{"match, missing", false, edits(ifMatch(tag)), "404 NoSuchKey"},
		{"match any", true, edits(ifMatch("*")), "501 NotImplemented"},
		{"both", true, edits(ifMatch(tag), ifNoneMatch("*")), "501 NotImplemented"},
		{"always", true, nil, "ok"},
	})
}

func TestConditionalPutAnswersAsOtherServers(t *testing.T) {
	runPuts(t, s3test.Ceph(), []putCase{
		{"ceph: quoted", true, edits(ifMatch(tag)), "412 PreconditionFailed"},
		{"ceph: unquoted", true, edits(ifMatch(unquoted)), "ok"},
		{"ceph: missing", false, edits(ifMatch(unquoted)), "412 PreconditionFailed"},
	})
	runPuts(t, s3test.Quirks{NoConditions: true}, []putCase{
		{"ignored: stale", true, edits(ifMatch(other)), "ok"},
		{"ignored: exists", true, edits(ifNoneMatch("*")), "ok"},
	})
	runPuts(t, s3test.Quirks{ConditionsUnsupported: true}, []putCase{
		{"unsupported: match", true, edits(ifMatch(tag)), "501 NotImplemented"},
		{"unsupported: absent", false, edits(ifNoneMatch("*")), "501 NotImplemented"},
		{"unsupported: always", true, nil, "ok"},
	})
	runPuts(t, s3test.Quirks{ConditionsConflict: true}, []putCase{
		{"conflict: match", true, edits(ifMatch(tag)), "409 ConditionalRequestConflict"},
		{"conflict: absent", false, edits(ifNoneMatch("*")), "409 ConditionalRequestConflict"},
	})
}

func TestConditionalDelete(t *testing.T) {
	for _, tc := range []struct {
		what   string
		quirks s3test.Quirks
		exists bool
		tag    string
		want   string
		gone   bool
	}{
		{"match", s3test.Quirks{}, true, tag, "ok", true},
		{"unquoted", s3test.Quirks{}, true, unquoted, "ok", true},
		{"any", s3test.Quirks{}, true, "*", "ok", true},
		{"stale", s3test.Quirks{}, true, other, "412 PreconditionFailed", false},
		{"missing", s3test.Quirks{}, false, tag, "404 NoSuchKey", true},
		{"minio: stale", s3test.MinIO(), true, other, "ok", true},
		{"ceph: stale", s3test.Ceph(), true, other, "ok", true},
		{"seaweedfs: missing", s3test.SeaweedFS(), false, tag, "412 PreconditionFailed", true},
		{"unsupported", s3test.Quirks{ConditionsUnsupported: true}, true, tag, "501 NotImplemented", false},
	} {
		srv, c := start(t, s3test.Options{Quirks: tc.quirks})
		if tc.exists {
			srv.Bucket("b").Plant("k", []byte("hello"), "", "")
		}
		wantOutcome(t, tc.what, remove(c, "k", aws.String(tc.tag)), tc.want)
		if _, ok := srv.Bucket("b").Object("k"); ok == tc.gone {
			t.Errorf("%s: exists is %v", tc.what, ok)
		}
	}
}

func TestConditionalGet(t *testing.T) {
	srv, c := start(t, s3test.Options{})
	srv.Bucket("b").Plant("k", []byte("hello"), "", "")
	_, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("k"), IfNoneMatch: aws.String(tag)})
	wantOutcome(t, "unchanged", err, "304 NotModified")
	_, err = c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("k"), IfMatch: aws.String(other)})
	wantOutcome(t, "changed", err, "412 PreconditionFailed")
}

// Eight writers count to 20 each, with nothing but conditions between them.
func TestRacingConditionalPutsLoseNothing(t *testing.T) {
	srv, _ := start(t, s3test.Options{})
	srv.KMS.CreateKey("alias/app")
	srv.Bucket("b").Plant("n", []byte("0"), s3test.AWSKMS, "alias/app")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			c := client(srv, session)
			for done := 0; done < 20; {
				out, body, err := get(c, "n")
				if err != nil {
					t.Error(err)
					return
				}
				n, _ := strconv.Atoi(body)
				_, err = put(c, "n", strconv.Itoa(n+1), underKey("alias/app"), ifMatch(*out.ETag))
				switch outcome(err) {
				case "ok":
					done++
				case "412 PreconditionFailed":
				default:
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if o, _ := srv.Bucket("b").Object("n"); string(o.Body) != "160" {
		t.Errorf("160 increments were acknowledged, %s are there", o.Body)
	}
}

func TestOneOfManyCreatesWins(t *testing.T) {
	srv, _ := start(t, s3test.Options{})
	var all sync.WaitGroup
	var mu sync.Mutex
	got := map[string]int{}
	for i := range 32 {
		all.Go(func() {
			_, err := put(client(srv, session), "k", fmt.Sprint(i), ifNoneMatch("*"))
			mu.Lock()
			defer mu.Unlock()
			got[outcome(err)]++
		})
	}
	all.Wait()
	if got["ok"] != 1 || got["412 PreconditionFailed"] != 31 {
		t.Errorf("outcomes: %v", got)
	}
}

func TestConditionalPutsOnlyPolicy(t *testing.T) {
	srv, c := start(t, s3test.Options{})
	srv.Bucket("b").ConditionalPutsOnly(true)
	srv.Bucket("b").Plant("old", []byte("hello"), "", "")
	_, err := put(c, "k", "x")
	wantOutcome(t, "put", err, "403 AccessDenied")
	_, err = put(c, "k", "x", ifNoneMatch("*"))
	wantOutcome(t, "create", err, "ok")
	_, err = put(c, "old", "x", ifMatch(tag))
	wantOutcome(t, "update", err, "ok")
	in := &s3.CopyObjectInput{Bucket: aws.String("b"), Key: aws.String("new"), CopySource: aws.String("b/old")}
	_, err = c.CopyObject(t.Context(), in)
	wantOutcome(t, "copy", err, "403 AccessDenied")
	in.IfNoneMatch = aws.String("*")
	_, err = c.CopyObject(t.Context(), in)
	wantOutcome(t, "copy with a condition", err, "501 NotImplemented")
}

func TestCopy(t *testing.T) {
	srv, c := start(t, s3test.Options{})
	app, ops := srv.KMS.CreateKey("alias/app"), srv.KMS.CreateKey("alias/ops")
	srv.Bucket("b").Plant("a b", []byte("hello"), s3test.AWSKMS, "alias/app")
	in := func(key string) *s3.CopyObjectInput {
		return &s3.CopyObjectInput{Bucket: aws.String("b"), Key: aws.String(key), CopySource: aws.String("b/a%20b")}
	}
	to := in("moved")
	to.ServerSideEncryption, to.SSEKMSKeyId, to.IfNoneMatch = "aws:kms", aws.String("alias/ops"), aws.String("*")
	out := must(c.CopyObject(t.Context(), to))(t)
	if *out.SSEKMSKeyId != ops {
		t.Errorf("copied under %s, want %s", *out.SSEKMSKeyId, ops)
	}
	_, err := c.CopyObject(t.Context(), to)
	wantOutcome(t, "copy onto another", err, "412 PreconditionFailed")

	if o, _ := srv.Bucket("b").Object("a b"); o.KeyARN != app {
		t.Errorf("the source is under %s", o.KeyARN)
	}
	must(c.CopyObject(t.Context(), in("a b")))(t) // in place without headers: decrypted to the bucket's default, as on AWS
	if o, _ := srv.Bucket("b").Object("a b"); o.SSE != s3test.AES256 || !strings.HasPrefix(string(o.Body), "hello") {
		t.Errorf("in place: %s", o.SSE)
	}
	_, err = c.CopyObject(t.Context(), in("a b"))
	wantOutcome(t, "in place with nothing changed", err, "400 InvalidRequest")

	srv.SetPolicy(session.AccessKeyID, s3test.Policy{DenyDecrypt: []string{ops}})
	_, err = c.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: aws.String("b"), Key: aws.String("x"), CopySource: aws.String("b/moved")})
	wantOutcome(t, "copy of what cannot be read", err, "403 AccessDenied")
}
