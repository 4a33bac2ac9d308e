package s3test_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// patient gives a request time enough to be answered, and a hanging one little.
func patient(t *testing.T, f s3test.Fault) context.Context {
	t.Helper()
	limit := 10 * time.Second
	if f.Kind == s3test.Hang {
		limit = 50 * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

func TestPutIsAppliedOnlyWhenTheFaultComesAfter(t *testing.T) {
	for _, f := range s3test.Faults() {
		for _, after := range []bool{false, true} {
			f.After = after
			t.Run(f.String(), func(t *testing.T) {
				srv, c := start(t, s3test.Options{})
				srv.FaultAt(1, f)
				_, err := c.PutObject(patient(t, f), &s3.PutObjectInput{Bucket: aws.String("b"), Key: aws.String("k"), Body: http.NoBody})
				spoiled := f.Kind == s3test.CutBody || f.Kind == s3test.FlipBody || f.Kind == s3test.WrongLength
				want := "no answer"
				switch {
				case f.Kind == s3test.Delay, f.Kind == s3test.Garbage, spoiled: // a put has no body to spoil
					want = "ok"
				case f.Kind == s3test.Answer:
					want = f.String()[:3] + " " + f.Code
				}
				wantOutcome(t, "put", err, want)
				srv.Fault(nil)
				_, applied := srv.Bucket("b").Object("k")
				if want := after || spoiled || f.Kind == s3test.Delay; applied != want {
					t.Errorf("applied is %v, want %v", applied, want)
				}
				if log := srv.Log(); len(log) == 0 || log[0].Fault == nil || log[0].Op != "PutObject" {
					t.Errorf("log: %+v", log)
				}
			})
		}
	}
}

func TestSpoiledBodies(t *testing.T) {
	srv, _ := start(t, s3test.Options{})
	srv.Bucket("b").Plant("k", []byte("hello!"), "", "")
	c := client(srv, session, func(o *s3.Options) { o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired })
	for kind, want := range map[s3test.Kind]struct {
		body   string
		length int64
		fails  bool
	}{
		s3test.CutBody:     {"hel", 6, true},
		s3test.FlipBody:    {"helmo!", 6, false},
		s3test.WrongLength: {"hel", 3, false},
	} {
		srv.FaultAt(1, s3test.Fault{Kind: kind})
		out := must(c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("k")}))(t)
		body, err := io.ReadAll(out.Body)
		_ = out.Body.Close()
		if string(body) != want.body || *out.ContentLength != want.length || (err != nil) != want.fails {
			t.Errorf("%s: %q of %d, %v", s3test.Fault{Kind: kind}, body, *out.ContentLength, err)
		}
	}
	if o, _ := srv.Bucket("b").Object("k"); string(o.Body) != "hello!" {
		t.Errorf("the stored body became %q", o.Body)
	}
}

func TestFlippedBodyFailsItsChecksum(t *testing.T) {
	srv, c := start(t, s3test.Options{})
	must(put(c, "k", "hello!"))(t)
	srv.FaultAt(1, s3test.Fault{Kind: s3test.FlipBody})
	if _, body, err := get(c, "k"); err == nil {
		t.Errorf("read %q", body)
	}
}

func TestFaultSeesTheRequest(t *testing.T) {
	srv, c := start(t, s3test.Options{})
	seen := make(chan s3test.Request, 9)
	srv.Fault(func(r s3test.Request) *s3test.Fault { seen <- r; return nil })
	must(put(c, "api/k", "x"))(t)
	_, err := c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("b"), Prefix: aws.String("api/")})
	wantOutcome(t, "list", err, "ok")
	must(stsClient(srv, session).GetCallerIdentity(t.Context(), nil))(t)
	must(kmsClient(srv, session).ListAliases(t.Context(), nil))(t)
	for _, want := range []s3test.Request{
		{N: 1, Service: "s3", Op: "PutObject", Bucket: "b", Key: "api/k"},
		{N: 2, Service: "s3", Op: "ListObjectsV2", Bucket: "b", Prefix: "api/"},
		{N: 3, Service: "sts", Op: "GetCallerIdentity"},
		{N: 4, Service: "kms", Op: "ListAliases"},
	} {
		if got := <-seen; got != want {
			t.Errorf("saw %+v, want %+v", got, want)
		}
	}
}

func TestBlockedFaultHoldsItsRequestBack(t *testing.T) {
	srv, c := start(t, s3test.Options{})
	arrived, release := make(chan struct{}), make(chan struct{})
	srv.Fault(func(r s3test.Request) *s3test.Fault {
		if r.Key == "late" {
			close(arrived)
			<-release
		}
		return nil
	})
	done := make(chan error)
	go func() { _, err := put(c, "late", "x"); done <- err }()
	<-arrived
	_, err := put(c, "early", "x")
	wantOutcome(t, "early", err, "ok")
	if _, ok := srv.Bucket("b").Object("late"); ok {
		t.Error("the late put came first")
	}
	close(release)
	wantOutcome(t, "late", <-done, "ok")
}

func TestLogKeepsWhatWasAsked(t *testing.T) {
	srv, c := start(t, s3test.Options{})
	srv.KMS.CreateKey("alias/app")
	must(put(c, "before", "x"))(t)
	srv.Reset()
	must(put(c, "k", "x", underKey("alias/app"), ifNoneMatch("*")))(t)
	_, err := put(c, "k", "x", ifNoneMatch("*"))
	wantOutcome(t, "again", err, "412 PreconditionFailed")
	log := srv.Log()
	if len(log) != 2 || log[0].N != 1 || log[1].N != 2 {
		t.Fatalf("log: %+v", log)
	}
	e := log[0]
	if e.Header.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id") != "alias/app" || e.Header.Get("If-None-Match") != "*" || e.Status != 200 {
		t.Errorf("first: %+v", e)
	}
	if log[1].Status != 412 || log[1].Code != "PreconditionFailed" {
		t.Errorf("second: %+v", log[1])
	}
}

func TestRateIsLimited(t *testing.T) {
	now := time.Now()
	srv, c := start(t, s3test.Options{Rate: 2, Clock: func() time.Time { return now }})
	srv.Bucket("b").Plant("k", []byte("x"), "", "")
	for _, want := range []string{"ok", "ok", "503 SlowDown"} {
		_, _, err := get(c, "k")
		wantOutcome(t, "get", err, want)
	}
	now = now.Add(500 * time.Millisecond)
	for _, want := range []string{"ok", "503 SlowDown"} {
		_, _, err := get(c, "k")
		wantOutcome(t, "half a second later", err, want)
	}
}

func TestCloseEndsHangingRequests(t *testing.T) {
	srv := s3test.New(s3test.Options{Buckets: []string{"b"}})
	arrived := make(chan struct{})
	srv.Fault(func(s3test.Request) *s3test.Fault { close(arrived); return &s3test.Fault{Kind: s3test.Hang} })
	done := make(chan error)
	go func() {
		_, err := put(client(srv, s3test.Principal{AccessKeyID: s3test.AdminKeyID, SecretKey: s3test.AdminSecret}), "k", "x")
		done <- err
	}()
	<-arrived
	srv.Close()
	wantOutcome(t, "put", <-done, "no answer")
}
