//go:build servers

package s3bucket_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/testing/kmsd"
	"github.com/coffer-secrets/coffer/internal/testing/serverstest"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/buckettest"
	"github.com/coffer-secrets/coffer/store/internal/bucket/s3bucket"
)

// all is the policy of who may do everything in a bucket.
func all(name string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"s3:*","Resource":["arn:aws:s3:::%[1]s","arn:aws:s3:::%[1]s/*"]}]}`, name)
}

// allBut takes actions on some of the bucket's objects away.
func allBut(name, actions, objects string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"s3:*","Resource":["arn:aws:s3:::%[1]s","arn:aws:s3:::%[1]s/*"]},
		{"Effect":"Deny","Action":[%[2]s],"Resource":["arn:aws:s3:::%[1]s/%[3]s"]}]}`, name, actions, objects)
}

// minio returns the server with keys for two aliases of the test's own.
func minio(t *testing.T) (m *serverstest.MinIO, app, ops string) {
	t.Helper()
	m = serverstest.StartMinIO(t)
	app, ops = "alias/app-"+strings.ToLower(t.Name()), "alias/ops-"+strings.ToLower(t.Name())
	for _, alias := range []string{app, ops} {
		if err := m.Keys.Create(alias); err != nil && !errors.Is(err, kmsd.ErrExists) {
			t.Fatal(err)
		}
	}
	return m, app, ops
}

// driver is the bucket as the one with these credentials sees it.
func driver(t *testing.T, url, name, encryption string, who aws.Credentials) *s3bucket.Bucket {
	t.Helper()
	return s3bucket.New(awsconf.S3(serverstest.Config(t, url, who)), s3bucket.Options{Bucket: name, Encryption: encryption})
}

func versioned(t *testing.T, url, name string) {
	t.Helper()
	_, err := awsconf.S3(serverstest.Config(t, url, serverstest.Root())).PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
		Bucket: &name, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestConformanceOnMinIO(t *testing.T) {
	m, app, ops := minio(t)
	sealed := buckettest.Capabilities{Aliases: []string{app, ops}, Method: "aws:kms", NoConditionalDelete: true}
	t.Run("KMS", func(t *testing.T) {
		b := driver(t, m.URL, m.Bucket(t), "aws:kms", serverstest.Root())
		buckettest.Run(t, func(*testing.T) bucket.Bucket { return b }, sealed)
	})
	t.Run("KMSInVersionedBucketWithSession", func(t *testing.T) {
		name := m.Bucket(t)
		versioned(t, m.URL, name)
		b := driver(t, m.URL, name, "aws:kms", m.Session(t, all(name)))
		buckettest.Run(t, func(*testing.T) bucket.Bucket { return b }, sealed)
		buckettest.RunVersions(t, func(*testing.T) bucket.Bucket { return b }, sealed)
	})
	t.Run("SSES3", func(t *testing.T) {
		b := driver(t, m.URL, m.Bucket(t), "AES256", serverstest.Root())
		buckettest.Run(t, func(*testing.T) bucket.Bucket { return b }, buckettest.Capabilities{Method: "AES256", NoConditionalDelete: true})
	})
}

// Its conditional deletes are not exact (facts.md, section 9), so that none is made: see
// TestTheProbeOnVersitygw.
func TestConformanceOnVersitygw(t *testing.T) {
	v := serverstest.StartVersity(t)
	name := v.Bucket(t)
	b := driver(t, v.URL, name, "aws:kms", v.User(t, all(name)))
	buckettest.Run(t, func(*testing.T) bucket.Bucket { return b }, buckettest.Capabilities{NoConditionalDelete: true, Skips: map[string]string{
		"ReadersSeeWholeObjectsWithTheirTags": "it reads the ETag before it opens the file: a put in between gives the old tag to the new body, with which no change succeeds",
	}})
}

func TestConformanceOfVersionsOnVersitygw(t *testing.T) {
	v := serverstest.StartVersity(t)
	name := v.Bucket(t)
	versioned(t, v.URL, name)
	b := driver(t, v.URL, name, "aws:kms", v.User(t, all(name)))
	buckettest.RunVersions(t, func(*testing.T) bucket.Bucket { return b }, buckettest.Capabilities{Skips: map[string]string{
		"ANewObjectIsPutOnAMark": "it takes a mark for the object: nothing is put under a condition where one is",
	}})
}

func TestTheProbeOnMinIO(t *testing.T) {
	m, app, _ := minio(t)
	noConditionalDelete(t, m.URL, m.Bucket(t), app)
}

func TestTheProbeOnVersitygw(t *testing.T) {
	v := serverstest.StartVersity(t)
	name := v.Bucket(t)
	noConditionalDelete(t, v.URL, name, "")
	versioned(t, v.URL, name)
	noConditionalDelete(t, v.URL, name, "")
}

// noConditionalDelete checks that the probe takes puts under conditions for kept, deletes for
// not, and leaves nothing behind.
func noConditionalDelete(t *testing.T, url, name, alias string) {
	t.Helper()
	b := s3bucket.Probed(driver(t, url, name, "aws:kms", serverstest.Root()), s3bucket.ProbeOptions{KeyAlias: alias})
	info, err := b.Put(t.Context(), "api/a.json", []byte("{}"), bucket.PutOptions{If: bucket.IfAbsent(), KeyAlias: alias})
	if err != nil {
		t.Fatalf("put: %v", err)
	}
	if err := b.Delete(t.Context(), "api/a.json", bucket.IfMatch(info.Tag)); !errors.Is(err, bucket.ErrUnsupported) {
		t.Errorf("delete: error %v, want %v", err, bucket.ErrUnsupported)
	}
	if err := b.Delete(t.Context(), "api/a.json", bucket.If{}); err != nil {
		t.Errorf("delete without a condition: %v", err)
	}
	for info, err := range b.Walk(t.Context(), "") {
		t.Errorf("%s is left behind, error %v", info.Name, err)
	}
}

// The store is what notices it: the driver tells what the server said, which is nothing.
func TestIgnoredEncryptionIsToldOnVersitygw(t *testing.T) {
	v := serverstest.StartVersity(t)
	b := driver(t, v.URL, v.Bucket(t), "aws:kms", serverstest.Root())
	info, err := b.Put(t.Context(), "api/a.json", []byte("{}"), bucket.PutOptions{KeyAlias: "alias/app"})
	if err != nil || info.Seal != (bucket.Seal{}) {
		t.Errorf("put: seal %+v, error %v, want no seal", info.Seal, err)
	}
	o, err := b.Get(t.Context(), "api/a.json")
	if err != nil || o.Seal != (bucket.Seal{}) {
		t.Errorf("get: seal %+v, error %v, want no seal", o.Seal, err)
	}
}

func TestKeyRefusedWhileInUseOnMinIO(t *testing.T) {
	m, app, ops := minio(t)
	b := driver(t, m.URL, m.Bucket(t), "aws:kms", serverstest.Root())
	name := "api/a.json"
	stored, err := b.Put(t.Context(), name, []byte(canary), bucket.PutOptions{KeyAlias: app})
	if err != nil {
		t.Fatal(err)
	}
	for state, code := range map[kmsd.State]string{
		kmsd.Disabled: "kms:NotAuthorized", kmsd.Denied: "kms:NotAuthorized", kmsd.Deleted: "kms:KeyNotFound",
	} {
		t.Run(string(state), func(t *testing.T) {
			setState(t, m, app, state)
			_, err := b.Get(t.Context(), name)
			wantRefusal(t, "get", err, bucket.ErrKey, code)
			_, err = b.Put(t.Context(), name, []byte(canary), bucket.PutOptions{KeyAlias: app, If: bucket.IfMatch(stored.Tag)})
			wantRefusal(t, "put", err, bucket.ErrKey, code)
			_, err = b.Put(t.Context(), "api/new.json", []byte(canary), bucket.PutOptions{KeyAlias: app, If: bucket.IfAbsent()})
			wantRefusal(t, "put of a new object", err, bucket.ErrKey, code)

			if _, err := b.Put(t.Context(), "api/other.json", []byte(canary), bucket.PutOptions{KeyAlias: ops}); err != nil {
				t.Errorf("put under another key: %v", err)
			}
			listed := 0
			for info, err := range b.List(t.Context(), "api/") {
				if err != nil {
					t.Errorf("list: %v", err)
				}
				if info.Name == name && info.Tag != stored.Tag {
					t.Errorf("listed with tag %q, want %q", info.Tag, stored.Tag)
				}
				listed++
			}
			if listed != 2 {
				t.Errorf("%d objects are listed, want 2", listed)
			}
			setState(t, m, app, kmsd.Enabled)
			if o, err := b.Get(t.Context(), name); err != nil || string(o.Body) != canary || o.Tag != stored.Tag {
				t.Errorf("enabled again: %d bytes, error %v", len(o.Body), err)
			}
		})
	}
}

// setState changes a key, and back after the test.
func setState(t *testing.T, m *serverstest.MinIO, alias string, state kmsd.State) {
	t.Helper()
	if err := m.Keys.SetState(alias, state); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Keys.SetState(alias, kmsd.Enabled) })
}

func wantRefusal(t *testing.T, op string, err, sentinel error, code string) {
	t.Helper()
	var e *bucket.Error
	switch {
	case !errors.As(err, &e) || !errors.Is(err, sentinel):
		t.Errorf("%s: error %v, want %v", op, err, sentinel)
	case code != "" && e.Code != code:
		t.Errorf("%s: code %q, want %q", op, e.Code, code)
	case strings.Contains(err.Error(), canary):
		t.Errorf("%s: the error tells the body", op)
	}
}

func TestUnknownKeyIsNoMissingObjectOnMinIO(t *testing.T) {
	m, _, _ := minio(t)
	b := driver(t, m.URL, m.Bucket(t), "aws:kms", serverstest.Root())
	_, err := b.Put(t.Context(), "api/a.json", []byte(canary), bucket.PutOptions{KeyAlias: "alias/none"})
	wantRefusal(t, "put", err, bucket.ErrKey, "kms:KeyNotFound")
	if _, err := b.Get(t.Context(), "api/a.json"); !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("error %v, want %v: nothing was stored", err, bucket.ErrNotFound)
	}
}

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

// increments is what a process of TestProcessesLoseNoIncrement gets as its input.
type increments struct {
	URL, Bucket, Alias string
	Who                aws.Credentials
}

func TestProcessesLoseNoIncrementOnMinIO(t *testing.T) {
	if isIncrementing(t) {
		return
	}
	m, app, _ := minio(t)
	name := m.Bucket(t)
	countTogether(t, increments{m.URL, name, app, m.Session(t, all(name))})
}

func TestProcessesLoseNoIncrementOnVersitygw(t *testing.T) {
	if isIncrementing(t) {
		return
	}
	v := serverstest.StartVersity(t)
	name := v.Bucket(t)
	countTogether(t, increments{v.URL, name, "alias/app", v.User(t, all(name))})
}

const (
	incrementVariable = "S3BUCKET_TEST_INCREMENT"
	counters          = 20
	incrementsEach    = 5
)

// isIncrementing does the work of another process if this is one. It begins when the
// standard input ends, so that all begin together.
func isIncrementing(t *testing.T) bool {
	t.Helper()
	if os.Getenv(incrementVariable) == "" {
		return false
	}
	var in increments
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &in); err != nil {
		t.Fatal(err)
	}
	b := driver(t, in.URL, in.Bucket, "aws:kms", in.Who)
	for range incrementsEach {
		if err := buckettest.Increment(t.Context(), b, "api/count.json", in.Alias); err != nil {
			t.Fatal(err)
		}
	}
	return true
}

func countTogether(t *testing.T, in increments) {
	t.Helper()
	b := driver(t, in.URL, in.Bucket, "aws:kms", in.Who)
	if _, err := b.Put(t.Context(), "api/count.json", []byte("0"), bucket.PutOptions{KeyAlias: in.Alias}); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var processes [counters]*exec.Cmd
	var inputs [counters]io.WriteCloser
	var outputs [counters]bytes.Buffer
	for i := range processes {
		p := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$")
		p.Env = append(os.Environ(), incrementVariable+"=1")
		p.Stdout, p.Stderr = &outputs[i], &outputs[i]
		if inputs[i], err = p.StdinPipe(); err != nil {
			t.Fatal(err)
		}
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		processes[i] = p
	}
	for _, input := range inputs {
		if _, err := input.Write(text); err != nil {
			t.Error(err)
		}
		if err := input.Close(); err != nil {
			t.Error(err)
		}
	}
	for i, p := range processes {
		if err := p.Wait(); err != nil {
			t.Errorf("process %d: %v\n%s", i, err, &outputs[i])
		}
	}
	want := fmt.Sprint(counters * incrementsEach)
	if o, err := b.Get(t.Context(), "api/count.json"); err != nil || string(o.Body) != want {
		t.Errorf("counted %s, error %v, want %s", o.Body, err, want)
	}
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
