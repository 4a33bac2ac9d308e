package s3test_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

func TestEachServiceRefusesBadCredentialsInItsWords(t *testing.T) {
	srv, _ := start(t, s3test.Options{})
	ended := session
	ended.AccessKeyID, ended.SessionToken, ended.Expires = "ASIAENDED", "ended-token", time.Now().Add(-time.Second)
	srv.AddPrincipal(ended)
	edit := func(f func(*s3test.Principal)) s3test.Principal {
		p := session
		f(&p)
		return p
	}
	for _, tc := range []struct {
		what         string
		who          s3test.Principal
		s3, sts, kms string
	}{
		{"good", session, "ok", "ok", "ok"},
		{"unknown key", edit(func(p *s3test.Principal) { p.AccessKeyID = "AKIANOBODY" }), "403 InvalidAccessKeyId", "403 InvalidClientTokenId", "400 UnrecognizedClientException"},
		{"wrong secret", edit(func(p *s3test.Principal) { p.SecretKey = "guess" }), "403 SignatureDoesNotMatch", "403 SignatureDoesNotMatch", "400 InvalidSignatureException"},
		{"wrong token", edit(func(p *s3test.Principal) { p.SessionToken = "guess" }), "400 InvalidToken", "403 InvalidClientTokenId", "400 UnrecognizedClientException"},
		{"no token", edit(func(p *s3test.Principal) { p.SessionToken = "" }), "403 InvalidAccessKeyId", "403 InvalidClientTokenId", "400 UnrecognizedClientException"},
		{"expired", ended, "400 ExpiredToken", "403 ExpiredToken", "400 ExpiredTokenException"},
	} {
		_, err := put(client(srv, tc.who), "k", "x")
		wantOutcome(t, tc.what+", s3", err, tc.s3)
		_, err = stsClient(srv, tc.who).GetCallerIdentity(t.Context(), nil)
		wantOutcome(t, tc.what+", sts", err, tc.sts)
		_, err = kmsClient(srv, tc.who).ListAliases(t.Context(), nil)
		wantOutcome(t, tc.what+", kms", err, tc.kms)
	}
	for _, e := range srv.Log() {
		if e.Status == 200 && (!e.SignedToken || e.AccessKeyID != session.AccessKeyID) {
			t.Errorf("%s %s: token signed %v, by %s", e.Service, e.Op, e.SignedToken, e.AccessKeyID)
		}
		if e.Header.Get("X-Amz-Security-Token") != "" {
			t.Error("the log holds a session token")
		}
	}
}

func TestSessionEndsWhenItsTimeHasCome(t *testing.T) {
	for want, q := range map[string]s3test.Quirks{
		"400 ExpiredToken": {}, "403 AccessDenied": s3test.Ceph(), "403 InvalidAccessKeyId": s3test.MinIO(),
	} {
		srv, c := start(t, s3test.Options{Quirks: q})
		_, err := put(c, "k", "x")
		wantOutcome(t, "before", err, "ok")
		srv.SetExpiry(session.AccessKeyID, time.Now().Add(-time.Second))
		_, _, err = get(c, "k")
		wantOutcome(t, "after", err, want)
		srv.SetExpiry(session.AccessKeyID, time.Time{})
		_, _, err = get(c, "k")
		wantOutcome(t, "renewed", err, "ok")
		srv.RemovePrincipal(session.AccessKeyID)
		_, _, err = get(c, "k")
		wantOutcome(t, "removed", err, "403 InvalidAccessKeyId")
	}
}

func TestClockTooFarOffIsRefused(t *testing.T) {
	for _, off := range []time.Duration{-16 * time.Minute, 16 * time.Minute} {
		_, c := start(t, s3test.Options{Clock: func() time.Time { return time.Now().Add(off) }})
		_, err := put(c, "k", "x")
		wantOutcome(t, off.String(), err, "403 RequestTimeTooSkewed")
	}
	_, c := start(t, s3test.Options{Clock: func() time.Time { return time.Now().Add(14 * time.Minute) }})
	_, err := put(c, "k", "x")
	wantOutcome(t, "14 minutes", err, "ok")
}

func TestWrongRegionIsNamed(t *testing.T) {
	_, c := start(t, s3test.Options{Region: "eu-central-1"})
	_, err := put(c, "k", "x")
	wantOutcome(t, "us-east-1", err, "400 AuthorizationHeaderMalformed")
	if err == nil || !strings.Contains(err.Error(), "expecting 'eu-central-1'") {
		t.Error(err)
	}
}

// tamper changes a request after it was signed.
type tamper struct {
	next http.RoundTripper
	edit func(*http.Request)
}

func (t tamper) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	t.edit(r)
	return t.next.RoundTrip(r)
}

func TestTamperedRequestIsRefused(t *testing.T) {
	srv, _ := start(t, s3test.Options{})
	srv.Bucket("b").Plant("k", []byte("hello"), "", "")
	for _, tc := range []struct {
		what, want string
		edit       func(*http.Request)
	}{
		{"untouched", "ok", func(*http.Request) {}},
		{"other object", "403 SignatureDoesNotMatch", func(r *http.Request) { r.URL.Path = "/b/other" }},
		{"other method", "403 SignatureDoesNotMatch", func(r *http.Request) { r.Method = http.MethodGet; r.Body = nil; r.ContentLength = 0 }},
		{"other query", "403 SignatureDoesNotMatch", func(r *http.Request) { r.URL.RawQuery += "&x-id=Other" }},
		{"other encryption", "403 SignatureDoesNotMatch", func(r *http.Request) { r.Header.Set("X-Amz-Server-Side-Encryption", "AES256") }},
		{"header added", "403 AccessDenied", func(r *http.Request) { r.Header.Set("X-Amz-Tagging", "a=b") }},
		{"other body", "400 XAmzContentSHA256Mismatch", func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("HELLO")) }},
		{"token not signed", "403 AccessDenied", func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), ";x-amz-security-token", "", 1))
		}},
		{"no signature", "403 AccessDenied", func(r *http.Request) { r.Header.Del("Authorization") }},
	} {
		c := client(srv, session, func(o *s3.Options) {
			o.HTTPClient = &http.Client{Transport: tamper{http.DefaultTransport, tc.edit}}
		})
		_, err := put(c, "k", "hello", underKey(""))
		wantOutcome(t, tc.what, err, tc.want)
	}
}

func TestPresignedURL(t *testing.T) {
	now := time.Now()
	srv, c := start(t, s3test.Options{Clock: func() time.Time { return now }})
	srv.Bucket("b").Plant("k", []byte("hello"), "", "")
	made := must(s3.NewPresignClient(c).PresignGetObject(t.Context(),
		&s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("k")}, s3.WithPresignExpires(time.Minute)))(t)
	fetch := func(url string) (int, string) {
		r := must(http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil))(t)
		for name, values := range made.SignedHeader {
			r.Header[name] = values
		}
		resp := must(srv.Client().Do(r))(t)
		defer func() { _ = resp.Body.Close() }()
		body := must(io.ReadAll(resp.Body))(t)
		return resp.StatusCode, string(body)
	}
	if status, body := fetch(made.URL); status != 200 || body != "hello" {
		t.Errorf("%d %s", status, body)
	}
	if status, body := fetch(strings.Replace(made.URL, "/b/k?", "/b/j?", 1)); status != 403 || !strings.Contains(body, "SignatureDoesNotMatch") {
		t.Errorf("another object: %d %s", status, body)
	}
	now = now.Add(2 * time.Minute)
	if status, body := fetch(made.URL); status != 403 || !strings.Contains(body, "Request has expired") {
		t.Errorf("two minutes later: %d %s", status, body)
	}
}

func TestAssumedRoleHasItsOwnPolicyAndEnd(t *testing.T) {
	now := time.Now()
	srv, _ := start(t, s3test.Options{Clock: func() time.Time { return now }})
	role := srv.SetRole("reader", s3test.Policy{DenyPut: []string{"*"}})
	c := stsClient(srv, session)
	_, err := c.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String(role + "2"), RoleSessionName: aws.String("ci")})
	wantOutcome(t, "unknown role", err, "403 AccessDenied")
	out := must(c.AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String(role), RoleSessionName: aws.String("ci"), DurationSeconds: aws.Int32(900),
	}))(t)
	who := s3test.Principal{AccessKeyID: *out.Credentials.AccessKeyId, SecretKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken}

	me := must(stsClient(srv, who).GetCallerIdentity(t.Context(), nil))(t)
	if *me.Arn != "arn:aws:sts::111122223333:assumed-role/reader/ci" || *me.Account != "111122223333" {
		t.Errorf("identity: %s of %s", *me.Arn, *me.Account)
	}
	_, err = put(client(srv, who), "k", "x")
	wantOutcome(t, "put as reader", err, "403 AccessDenied")
	srv.SetRole("reader", s3test.Policy{})
	_, err = put(client(srv, who), "k", "x")
	wantOutcome(t, "put as writer", err, "ok")
	if got := srv.Sessions()[who.AccessKeyID]; !got.Equal(now.Add(900 * time.Second)) {
		t.Errorf("the session ends at %v", got)
	}
	srv.SetExpiry(who.AccessKeyID, now)
	_, err = put(client(srv, who), "k", "x")
	wantOutcome(t, "put after the end", err, "400 ExpiredToken")
}

func TestServerWithoutSTS(t *testing.T) {
	srv, _ := start(t, s3test.Options{Quirks: s3test.MinIO()})
	_, err := stsClient(srv, session).GetCallerIdentity(t.Context(), nil)
	wantOutcome(t, "identity", err, "400 InvalidParameterValue")
}
