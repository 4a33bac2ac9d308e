package awsconf_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// job is a process with a web identity on a server.
type job struct {
	*s3test.Server
	cfg    aws.Config
	s3     *s3.Client
	role   string
	trust  atomic.Bool // whether the STS still takes tokens
	tokens atomic.Pointer[[]string]
}

// newJob starts it, with a bucket "b" and an object "known" in it.
func newJob(t *testing.T, o s3test.Options, options awsconf.Options) *job {
	t.Helper()
	j := &job{}
	j.trust.Store(true)
	j.tokens.Store(&[]string{})
	o.Buckets = []string{"b"}
	o.Trust = func(token string) string {
		seen := append(slices.Clone(*j.tokens.Load()), token)
		j.tokens.Store(&seen)
		if !j.trust.Load() {
			return "InvalidIdentityToken"
		}
		return ""
	}
	j.Server = simulator(t, o)
	j.role = j.SetRole("app", s3test.Policy{})
	webIdentity(t, tokenFile(t, goodToken), j.role)
	options.EndpointURL = j.URL
	if options.Retries == 0 {
		options.Retries = 1
	}
	j.cfg = load(t, options)
	j.s3 = awsconf.S3(j.cfg)
	return j
}

func (j *job) put(ctx context.Context, name string) error {
	_, err := j.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("b"), Key: &name, Body: strings.NewReader(name)})
	return err
}

// count tells how often an operation was asked for.
func (j *job) count(op string) int {
	n := 0
	for _, name := range operations(j.Server) {
		if name == op {
			n++
		}
	}
	return n
}

const opens = "AssumeRoleWithWebIdentity"

// endSessions ends every session at the server, where no client notices.
func (j *job) endSessions() {
	for id := range j.Sessions() {
		j.SetExpiry(id, time.Now().Add(-time.Second))
	}
}

func words() map[string]s3test.Quirks {
	return map[string]s3test.Quirks{
		"AWS":       {},
		"SeaweedFS": {ExpiredInvalidKeyID: true},
		"Ceph":      {ExpiredAccessDenied: true},
	}
}

func TestEndedSessionIsRenewedOnceWhateverTheServerCallsIt(t *testing.T) {
	for name, quirks := range words() {
		t.Run(name, func(t *testing.T) {
			j := newJob(t, s3test.Options{Quirks: quirks}, awsconf.Options{})
			for n := range 3 {
				j.endSessions()
				if err := j.put(t.Context(), fmt.Sprint("after", n)); err != nil {
					t.Fatal(err)
				}
				if _, err := j.s3.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("b"), Key: aws.String(fmt.Sprint("after", n))}); err != nil {
					t.Fatal(err)
				}
			}
			if n := j.count(opens); n != 3 {
				t.Errorf("%d sessions were opened, want 3", n)
			}
		})
	}
}

func TestEndedSessionIsRenewedForKMSToo(t *testing.T) {
	j := newJob(t, s3test.Options{}, awsconf.Options{})
	keys := awsconf.NewKeys(j.cfg)
	if _, err := keys.Create(t.Context(), "alias/app"); err != nil {
		t.Fatal(err)
	}
	j.endSessions()
	if _, err := keys.Describe(t.Context(), "alias/app"); err != nil {
		t.Error(err)
	}
	if n := j.count(opens); n != 2 {
		t.Errorf("%d sessions were opened, want 2", n)
	}
}

// A HEAD that is refused has no code.
func TestEndedSessionOfAHeadIsRenewed(t *testing.T) {
	for name, quirks := range words() {
		t.Run(name, func(t *testing.T) {
			j := newJob(t, s3test.Options{Quirks: quirks}, awsconf.Options{})
			if err := j.put(t.Context(), "known"); err != nil {
				t.Fatal(err)
			}
			j.endSessions()
			if _, err := j.s3.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("b"), Key: aws.String("known")}); err != nil {
				t.Error(err)
			}
		})
	}
}

// A denial that is one must not open sessions, one for each request.
func TestGenuineDenialsRenewOnce(t *testing.T) {
	for name, quirks := range words() {
		t.Run(name, func(t *testing.T) {
			j := newJob(t, s3test.Options{Quirks: quirks}, awsconf.Options{})
			j.SetRole("app", s3test.Policy{DenyPut: []string{"secret*"}})
			if err := j.put(t.Context(), "known"); err != nil {
				t.Fatal(err)
			}
			var requests sync.WaitGroup
			for n := range 20 {
				requests.Go(func() {
					if err := j.put(t.Context(), fmt.Sprint("secret", n)); code(err) != "AccessDenied" {
						t.Errorf("error %v", err)
					}
				})
			}
			requests.Wait()
			if err := j.put(t.Context(), "known"); err != nil {
				t.Fatal(err)
			}
			for n := range 20 {
				if err := j.put(t.Context(), fmt.Sprint("secret", n)); code(err) != "AccessDenied" {
					t.Errorf("error %v", err)
				}
			}
			if n := j.count(opens); n != 2 {
				t.Errorf("%d sessions were opened, want 2", n)
			}
		})
	}
}

func TestFirstDenialIsBelieved(t *testing.T) {
	j := newJob(t, s3test.Options{Quirks: s3test.Quirks{ExpiredAccessDenied: true}}, awsconf.Options{})
	j.SetRole("app", s3test.Policy{DenyPut: []string{"secret*"}})
	if err := j.put(t.Context(), "secret"); code(err) != "AccessDenied" {
		t.Errorf("error %v", err)
	}
	if got := operations(j.Server); !slices.Equal(got, []string{opens, "PutObject"}) {
		t.Errorf("requests %v", got)
	}
}

func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

func TestSessionThatCannotBeRenewedTellsBoth(t *testing.T) {
	for name, quirks := range words() {
		if quirks.ExpiredAccessDenied {
			continue // a denial stays one until the session has ended by our clock too
		}
		t.Run(name, func(t *testing.T) {
			j := newJob(t, s3test.Options{Quirks: quirks}, awsconf.Options{})
			if err := j.put(t.Context(), "known"); err != nil {
				t.Fatal(err)
			}
			j.endSessions()
			j.trust.Store(false)
			err := j.put(t.Context(), "more")
			wantCredentialsError(t, err, "and could not be renewed: ", `the audience "coffer"`)
			if !strings.Contains(err.Error(), "the session has ended (") || !strings.Contains(err.Error(), "(InvalidIdentityToken)") {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestDenialAfterTheEndOfASessionIsItsEnd(t *testing.T) {
	now := time.Now()
	var later atomic.Int64
	clock := func() time.Time { return now.Add(time.Duration(later.Load())) }
	j := newJob(t, s3test.Options{Quirks: s3test.Quirks{ExpiredAccessDenied: true}}, awsconf.Options{Now: clock})
	if err := j.put(t.Context(), "known"); err != nil {
		t.Fatal(err)
	}
	// The request is signed with a session that ends on the way.
	j.trust.Store(false)
	j.Fault(func(r s3test.Request) *s3test.Fault {
		if r.Service == "s3" {
			later.Store(int64(2 * time.Hour))
			j.endSessions()
		}
		return nil
	})
	err := j.put(t.Context(), "more")
	wantCredentialsError(t, err, "the session has ended (AccessDenied) and could not be renewed: ", "audience")
}

// Credentials that nobody can renew: a session in the environment.
func TestSessionOfTheEnvironmentThatEndsIsToldAsSuch(t *testing.T) {
	server := simulator(t, s3test.Options{Buckets: []string{"b"}, Quirks: s3test.Quirks{ExpiredInvalidKeyID: true}})
	server.AddPrincipal(s3test.Principal{AccessKeyID: "ASIASESSION000000001", SecretKey: "session-secret", SessionToken: "token"})
	t.Setenv("AWS_ACCESS_KEY_ID", "ASIASESSION000000001")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "session-secret")
	t.Setenv("AWS_SESSION_TOKEN", "token")
	client := awsconf.S3(load(t, awsconf.Options{EndpointURL: server.URL}))
	if _, err := client.ListBuckets(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	server.SetExpiry("ASIASESSION000000001", time.Now())
	_, err := client.ListBuckets(t.Context(), nil)
	wantCredentialsError(t, err, "the session has ended", "get new credentials")
	if n := len(server.Log()); n != 2 {
		t.Errorf("%d requests, want 2: nothing else can be tried", n)
	}
}

func TestRequestsThatExpireTogetherRenewOnce(t *testing.T) {
	const together = 8
	j := newJob(t, s3test.Options{}, awsconf.Options{})
	if err := j.put(t.Context(), "known"); err != nil {
		t.Fatal(err)
	}
	var arrived sync.WaitGroup // all of them are refused before one is renewed
	arrived.Add(together)
	var refused atomic.Int32
	j.Fault(func(r s3test.Request) *s3test.Fault {
		if r.Service != "s3" || refused.Add(1) > together {
			return nil
		}
		arrived.Done()
		arrived.Wait()
		return &s3test.Fault{Kind: s3test.Answer, Status: 400, Code: "ExpiredToken"}
	})
	var requests sync.WaitGroup
	for n := range together {
		requests.Go(func() {
			if err := j.put(t.Context(), fmt.Sprint("k", n)); err != nil {
				t.Error(err)
			}
		})
	}
	requests.Wait()
	if n := j.count(opens); n != 2 {
		t.Errorf("%d sessions for %d requests, want 2", n, together)
	}
}

// What a server refuses twice is refused.
func TestRequestIsRepeatedOnce(t *testing.T) {
	j := newJob(t, s3test.Options{}, awsconf.Options{})
	j.Fault(func(r s3test.Request) *s3test.Fault {
		if r.Service == "s3" {
			return &s3test.Fault{Kind: s3test.Answer, Status: 400, Code: "ExpiredToken"}
		}
		return nil
	})
	if err := j.put(t.Context(), "k"); code(err) != "ExpiredToken" {
		t.Errorf("error %v", err)
	}
	if n := j.count("PutObject"); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}

func TestSessionIsRenewedBeforeItEnds(t *testing.T) {
	for life, ahead := range map[time.Duration]time.Duration{
		12 * time.Hour:   5 * time.Minute,
		time.Hour:        5 * time.Minute,
		15 * time.Minute: 90 * time.Second,
		6 * time.Second:  600 * time.Millisecond,
	} {
		t.Run(life.String(), func(t *testing.T) {
			now := time.Now()
			clock := func() time.Time { return now }
			j := newJob(t, s3test.Options{SessionLife: life, Clock: clock}, awsconf.Options{Now: clock})
			retrieve := func(want int) {
				t.Helper()
				if _, err := j.cfg.Credentials.Retrieve(t.Context()); err != nil {
					t.Fatal(err)
				}
				if n := j.count(opens); n != want {
					t.Errorf("%d sessions were opened, want %d", n, want)
				}
			}
			retrieve(1)
			now = now.Add(life - ahead - time.Millisecond)
			retrieve(1)
			now = now.Add(2 * time.Millisecond)
			retrieve(2)
		})
	}
}

// While the old session is good, an STS that does not answer stops nobody, and is not asked by every request.
func TestSessionStaysInUseUntilItEnds(t *testing.T) {
	now := time.Now()
	clock := func() time.Time { return now }
	j := newJob(t, s3test.Options{SessionLife: time.Hour, Clock: clock}, awsconf.Options{Now: clock})
	first, err := j.cfg.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	j.Fault(func(s3test.Request) *s3test.Fault {
		return &s3test.Fault{Kind: s3test.Answer, Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable"}
	})
	now = now.Add(58 * time.Minute)
	for range 10 {
		if c, err := j.cfg.Credentials.Retrieve(t.Context()); err != nil || c.AccessKeyID != first.AccessKeyID {
			t.Fatalf("%s, error %v", c.AccessKeyID, err)
		}
	}
	if n := j.count(opens); n != 2 {
		t.Errorf("the STS was asked %d times, want once more", n)
	}
	now = now.Add(3 * time.Minute)
	_, err = j.cfg.Credentials.Retrieve(t.Context())
	wantCredentialsError(t, err, "returned status 503", "AWS_ENDPOINT_URL_STS")
}

func TestTokenFileIsReadForEachSession(t *testing.T) {
	j := newJob(t, s3test.Options{}, awsconf.Options{})
	file := tokenFile(t, goodToken)
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", file)
	client := awsconf.S3(load(t, awsconf.Options{EndpointURL: j.URL}))
	if _, err := client.ListBuckets(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	next := jwt("coffer", time.Unix(1<<33+1, 0))
	replaceToken(t, file, next)
	j.endSessions()
	if _, err := client.ListBuckets(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if got := *j.tokens.Load(); !slices.Equal(got, []string{goodToken, next}) {
		t.Errorf("the STS has seen %d tokens, or others", len(got))
	}
}
