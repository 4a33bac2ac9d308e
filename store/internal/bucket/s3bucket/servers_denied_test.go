//go:build servers

package s3bucket_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/coffer-secrets/coffer/internal/testing/kmsd"
	"github.com/coffer-secrets/coffer/internal/testing/serverstest"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

func TestDenialsOnMinIO(t *testing.T) {
	m, app, _ := minio(t)
	name := m.Bucket(t)
	denials(t, m.URL, name, app, m.Session(t, allBut(name, `"s3:GetObject","s3:PutObject","s3:DeleteObject"`, "api/ops*")),
		m.Session(t, allBut("elsewhere", `"s3:*"`, "*")))
}

func TestDenialsOnVersitygw(t *testing.T) {
	v := serverstest.StartVersity(t)
	name := v.Bucket(t)
	denials(t, v.URL, name, "alias/app", v.User(t, allBut(name, `"s3:GetObject","s3:PutObject","s3:DeleteObject"`, "api/ops*")),
		v.User(t, allBut("elsewhere", `"s3:*"`, "*")))
}

// denials compares what the administrator, one who may do all but open what begins with
// api/ops, and a stranger are told.
func denials(t *testing.T, url, name, alias string, some, stranger aws.Credentials) {
	root := driver(t, url, name, "aws:kms", serverstest.Root())
	for _, object := range []string{"api/app.json", "api/ops.json"} {
		if _, err := root.Put(t.Context(), object, []byte(canary), bucket.PutOptions{KeyAlias: alias}); err != nil {
			t.Fatal(err)
		}
	}
	b := driver(t, url, name, "aws:kms", some)
	if _, err := b.Get(t.Context(), "api/app.json"); err != nil {
		t.Errorf("get of what is allowed: %v", err)
	}
	listed := 0
	for _, err := range b.List(t.Context(), "api/") {
		if err != nil {
			t.Errorf("list: %v", err)
		}
		listed++
	}
	if listed != 2 {
		t.Errorf("%d objects are listed, want both", listed)
	}
	wantDenied(t, b, "api/ops.json", alias)
	if _, err := b.Get(t.Context(), "api/missing.json"); !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("get of a missing object: error %v, want %v", err, bucket.ErrNotFound)
	}

	b = driver(t, url, name, "aws:kms", stranger)
	wantDenied(t, b, "api/app.json", alias)
	for _, err := range b.List(t.Context(), "api/") {
		wantRefusal(t, "list", err, bucket.ErrDenied, "AccessDenied")
	}
	if o, err := root.Get(t.Context(), "api/ops.json"); err != nil || string(o.Body) != canary {
		t.Errorf("after all that was denied: %d bytes, error %v", len(o.Body), err)
	}
}

func wantDenied(t *testing.T, b bucket.Bucket, object, alias string) {
	t.Helper()
	_, err := b.Get(t.Context(), object)
	wantRefusal(t, "get", err, bucket.ErrDenied, "AccessDenied")
	_, err = b.Head(t.Context(), object)
	wantRefusal(t, "head", err, bucket.ErrDenied, "")
	_, err = b.Put(t.Context(), object, []byte("{}"), bucket.PutOptions{KeyAlias: alias})
	wantRefusal(t, "put", err, bucket.ErrDenied, "AccessDenied")
	wantRefusal(t, "delete", b.Delete(t.Context(), object, bucket.If{}), bucket.ErrDenied, "AccessDenied")
}

func TestWrongCredentialsOnMinIO(t *testing.T) {
	m, app, _ := minio(t)
	name := m.Bucket(t)
	good := m.Session(t, all(name))
	with := func(change func(*aws.Credentials)) aws.Credentials {
		c := good
		change(&c)
		return c
	}
	for test, who := range map[string]aws.Credentials{
		"another's token": with(func(c *aws.Credentials) { c.SessionToken = m.Session(t, all(name)).SessionToken }),
		"garbled token":   with(func(c *aws.Credentials) { c.SessionToken = c.SessionToken[:len(c.SessionToken)-8] + "AAAAAAAA" }),
		"no token":        with(func(c *aws.Credentials) { c.SessionToken = "" }),
		"wrong secret":    with(func(c *aws.Credentials) { c.SecretAccessKey += "x" }),
		"unknown key id":  with(func(c *aws.Credentials) { c.AccessKeyID = "NOBODY" }),
	} {
		t.Run(test, func(t *testing.T) { wantNoCredentials(t, driver(t, m.URL, name, "aws:kms", who), app) })
	}
	if _, err := driver(t, m.URL, name, "aws:kms", good).Put(t.Context(), "api/a.json", []byte("{}"), bucket.PutOptions{KeyAlias: app}); err != nil {
		t.Errorf("with the right ones: %v", err)
	}
}

func TestWrongCredentialsOnVersitygw(t *testing.T) {
	v := serverstest.StartVersity(t)
	name := v.Bucket(t)
	who := v.User(t, all(name))
	who.SecretAccessKey += "x"
	wantNoCredentials(t, driver(t, v.URL, name, "aws:kms", who), "alias/app")
	who.AccessKeyID = "AKIANOBODY"
	wantNoCredentials(t, driver(t, v.URL, name, "aws:kms", who), "alias/app")
}

// wantNoCredentials is never a denial, which a reader might skip, nor "not found". A HEAD
// tells its status alone.
func wantNoCredentials(t *testing.T, b bucket.Bucket, alias string) {
	t.Helper()
	_, err := b.Get(t.Context(), "api/a.json")
	wantRefusal(t, "get", err, bucket.ErrCredentials, "")
	_, err = b.Put(t.Context(), "api/a.json", []byte(canary), bucket.PutOptions{KeyAlias: alias})
	wantRefusal(t, "put", err, bucket.ErrCredentials, "")
	wantRefusal(t, "delete", b.Delete(t.Context(), "api/a.json", bucket.If{}), bucket.ErrCredentials, "")
	for _, err := range b.List(t.Context(), "api/") {
		wantRefusal(t, "list", err, bucket.ErrCredentials, "")
	}
}

// A web identity's session ends with its token.
func TestExpiredSessionOnMinIO(t *testing.T) {
	m, app, _ := minio(t)
	name := m.Bucket(t)
	token, err := m.Issuer.Token(kmsd.Claims{Subject: "job", Audience: serverstest.Audience, Policy: "readwrite", TTL: 4 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	session, err := m.WebIdentity(t, token).Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := driver(t, m.URL, name, "aws:kms", session)
	if _, err := b.Put(t.Context(), "api/a.json", []byte(canary), bucket.PutOptions{KeyAlias: app}); err != nil {
		t.Fatalf("while it lasts: %v", err)
	}
	poll := time.NewTicker(200 * time.Millisecond)
	defer poll.Stop()
	for err == nil {
		select {
		case <-poll.C:
			_, err = b.Get(t.Context(), "api/a.json")
		case <-time.After(30 * time.Second):
			t.Fatal("the session does not expire")
		}
	}
	wantNoCredentials(t, b, app)
}

func TestEveryRequestSignsItsTokenOnMinIO(t *testing.T) {
	m, app, _ := minio(t)
	name := m.Bucket(t)
	who := m.Session(t, all(name))
	upstream, err := url.Parse(m.URL)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var seen []*http.Request
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host = upstream.Scheme, upstream.Host
		r.Out.Host = r.In.Host // it is signed
	}}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen = append(seen, r.Clone(t.Context()))
		mu.Unlock()
		forward.ServeHTTP(w, r)
	}))
	defer proxy.Close()

	b := driver(t, proxy.URL, name, "aws:kms", who)
	tag := func() bucket.Tag {
		info, err := b.Put(t.Context(), "api/a.json", []byte(canary), bucket.PutOptions{KeyAlias: app, Tags: map[string]string{"team": "a b"}})
		if err != nil {
			t.Fatal(err)
		}
		return info.Tag
	}()
	_, putErr := b.Put(t.Context(), "api/a.json", []byte(canary), bucket.PutOptions{KeyAlias: app, If: bucket.IfMatch(tag)})
	_, getErr := b.Get(t.Context(), "api/a.json")
	_, headErr := b.Head(t.Context(), "api/a.json")
	_, tagErr := b.Tags(t.Context(), "api/a.json")
	setErr := b.SetTags(t.Context(), "api/a.json", map[string]string{"team": "b"})
	for _, err := range b.Walk(t.Context(), "") {
		if err != nil {
			t.Error(err)
		}
	}
	deleteErr := b.Delete(t.Context(), "api/a.json", bucket.If{})
	if err := errors.Join(putErr, getErr, headErr, tagErr, setErr, deleteErr); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 8 {
		t.Errorf("%d requests crossed, want 8", len(seen))
	}
	for _, r := range seen {
		wantSigned(t, r, who)
	}
}

// wantSigned checks that the request has a header signature of version 4 over all that
// decides what it does.
func wantSigned(t *testing.T, r *http.Request, who aws.Credentials) {
	t.Helper()
	what := r.Method + " " + r.URL.RequestURI()
	authorization := r.Header.Get("Authorization")
	if !strings.HasPrefix(authorization, "AWS4-HMAC-SHA256 Credential="+who.AccessKeyID+"/") {
		t.Errorf("%s: not signed with version 4 by %s", what, who.AccessKeyID)
		return
	}
	_, rest, _ := strings.Cut(authorization, "SignedHeaders=")
	list, _, _ := strings.Cut(rest, ",")
	signed := map[string]bool{}
	for _, name := range strings.Split(list, ";") {
		signed[name] = true
	}
	if r.Header.Get("X-Amz-Security-Token") != who.SessionToken {
		t.Errorf("%s: another session token", what)
	}
	for name := range r.Header {
		name = strings.ToLower(name)
		if (strings.HasPrefix(name, "x-amz-") || strings.HasPrefix(name, "if-")) && !signed[name] {
			t.Errorf("%s: %s is not signed", what, name)
		}
	}
	if !signed["host"] || !signed["x-amz-security-token"] || !signed["x-amz-content-sha256"] {
		t.Errorf("%s: signed are only %s", what, list)
	}
	if r.URL.Query().Has("X-Amz-Signature") {
		t.Errorf("%s: the signature is in the address", what)
	}
}
