//go:build servers

package s3kms_test

import (
	"cmp"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/testing/kmsd"
	"github.com/coffer-secrets/coffer/internal/testing/serverstest"
	"github.com/coffer-secrets/coffer/internal/testing/wire"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/s3kms"
)

func TestAuthorOnMinIO(t *testing.T) {
	m, bucket, app, _ := minio(t)
	who := m.Session(t, all(bucket))
	r := write(t, open(t, serverstest.Config(t, m.URL, who), s3kms.Options{Bucket: bucket, KeyAlias: app}), "db_url")
	if r.Meta.CreatedBy != who.AccessKeyID {
		t.Errorf("written by %q, want the access key id: MinIO knows no GetCallerIdentity", r.Meta.CreatedBy)
	}
}

func TestAuthorOnVersitygw(t *testing.T) {
	v := serverstest.StartVersity(t)
	bucket := v.Bucket(t)
	serverstest.Config(t, v.URL, v.User(t, all(bucket))) // the environment, which what follows adds to
	t.Setenv("AWS_ENDPOINT_URL_STS", v.IAM)
	cfg, err := awsconf.Load(t.Context(), awsconf.Options{Region: "us-east-1", EndpointURL: v.URL})
	if err != nil {
		t.Fatal(err)
	}
	r := write(t, open(t, cfg, s3kms.Options{Bucket: bucket, KeyAlias: "alias/app", AllowUnencrypted: true}), "db_url")
	if !strings.HasPrefix(r.Meta.CreatedBy, "arn:aws:iam::") || !strings.Contains(r.Meta.CreatedBy, ":user/") {
		t.Errorf("written by %q, want the user's ARN", r.Meta.CreatedBy)
	}
}

// webIdentity is a session as a CI job has it, of a token that is good for so long.
func webIdentity(t *testing.T, m *serverstest.MinIO, ttl time.Duration) awsconf.Config {
	t.Helper()
	token, err := m.Issuer.Token(kmsd.Claims{Subject: "job", Audience: serverstest.Audience, Policy: "readwrite", TTL: ttl})
	if err != nil {
		t.Fatal(err)
	}
	return m.WebIdentity(t, token)
}

func TestWebIdentityOnMinIO(t *testing.T) {
	m, bucket, app, _ := minio(t)
	s := open(t, webIdentity(t, m, time.Hour), s3kms.Options{Bucket: bucket, KeyAlias: app})
	write(t, s, "db_url")
	if c, err := s.Load(t.Context(), "team"); err != nil || !slices.Equal(keys(c), []string{"db_url"}) {
		t.Errorf("load: %q, error %v", keys(c), err)
	}
	s = open(t, m.WebIdentity(t, "e30.e30.e30"), s3kms.Options{Bucket: bucket, KeyAlias: app})
	_, err := s.Load(t.Context(), "team")
	wantRefused(t, "load with a token that nobody signed", err, store.ErrConfiguration)
	_, err = s.Write(t.Context(), store.ID{Service: "team", Key: "k"}, store.NewValue(canary), store.WriteOptions{})
	wantRefused(t, "write with a token that nobody signed", err, store.ErrConfiguration)
}

func TestSessionThatExpiresOnMinIO(t *testing.T) {
	m, bucket, app, _ := minio(t)
	// Static, as in the environment of a shell: it cannot be renewed.
	session, err := webIdentity(t, m, 5*time.Second).Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, serverstest.Config(t, m.URL, session), s3kms.Options{Bucket: bucket, KeyAlias: app})
	write(t, s, "db_url")
	poll := time.NewTicker(200 * time.Millisecond)
	defer poll.Stop()
	for err == nil {
		select {
		case <-poll.C:
			_, err = s.Load(t.Context(), "team")
		case <-time.After(30 * time.Second):
			t.Fatal("the session does not expire")
		}
	}
	wantRefused(t, "load", err, store.ErrConfiguration)
	_, err = s.Read(t.Context(), store.ID{Service: "team", Key: "db_url"}, store.Latest)
	wantRefused(t, "read", err, store.ErrConfiguration)
	_, err = s.Write(t.Context(), store.ID{Service: "team", Key: "db_url"}, store.NewValue(canary), store.WriteOptions{})
	wantRefused(t, "write", err, store.ErrConfiguration)
}

// The store's own requests: S3 and STS, each signed with the session token.
func TestEveryRequestIsSignedOnMinIO(t *testing.T) {
	m, bucket, app, _ := minio(t)
	who := m.Session(t, all(bucket))
	upstream, err := url.Parse(m.URL)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	seen := map[string]int{} // signed requests by service
	forward := wire.New(upstream, 0)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen[signedService(t, r, who)]++
		mu.Unlock()
		forward.ServeHTTP(w, r)
	}))
	defer proxy.Close()

	s := open(t, serverstest.Config(t, proxy.URL, who), s3kms.Options{Bucket: bucket, KeyAlias: app})
	write(t, s, "db_url")
	write(t, s, "db_url")
	_, loadErr := s.Load(t.Context(), "team")
	_, listErr := s.Services(t.Context(), "")
	_, historyErr := s.History(t.Context(), store.ID{Service: "team", Key: "db_url"})
	tagErr := s.(store.Tagger).WriteTags(t.Context(), store.ID{Service: "team", Key: "db_url"}, map[string]string{"owner": "team"})
	_, deleteErr := s.Delete(t.Context(), "team", "db_url")
	if err := cmp.Or(loadErr, listErr, historyErr, tagErr, deleteErr); err != nil {
		t.Fatal(err)
	}
	if seen["s3"] < 15 || seen["sts"] == 0 || seen[""] != 0 {
		t.Errorf("requests by service: %v; want those of S3 and STS", seen)
	}
}

// signedService returns the service that a request is signed for, with a header signature of
// version 4 that covers the session token; "" for any other.
func signedService(t *testing.T, r *http.Request, who aws.Credentials) string {
	rest, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential="+who.AccessKeyID+"/")
	scope, headers, _ := strings.Cut(rest, ", SignedHeaders=")
	list, _, _ := strings.Cut(headers, ",")
	parts := strings.Split(scope, "/") // date, region, service, aws4_request
	signed := strings.Split(list, ";")
	if !ok || len(parts) != 4 || r.Header.Get("X-Amz-Security-Token") != who.SessionToken ||
		!slices.Contains(signed, "x-amz-security-token") || !slices.Contains(signed, "host") {
		t.Errorf("%s %s is not signed with the session token", r.Method, r.URL.Path)
		return ""
	}
	return parts[2]
}
