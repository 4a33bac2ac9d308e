package serverstest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Versity is a running versitygw with its IAM service. It silently ignores requests for encryption,
// enforces permissions as AWS does, supports the conditions of PUTs and deletes, and uses MD5 for
// ETags.
type Versity struct {
	URL  string // S3
	IAM  string // IAM, and GetCallerIdentity of STS
	Data string // the folder in which it keeps the buckets

	service, gateway *process
}

// StartVersity returns this test binary's server.
func StartVersity(t testing.TB) *Versity {
	t.Helper()
	v, err := runningVersity()
	started(t, err)
	return v
}

var runningVersity = sync.OnceValues(startVersity) //nolint:gochecknoglobals // one server for the whole test binary

func startVersity() (*Versity, error) {
	path, err := binary("versitygw", versityVersion)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "coffer-versitygw-")
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"iam", "data", "versions"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			return nil, err
		}
	}
	iam, err := freeAddress()
	if err != nil {
		return nil, err
	}
	gateway, err := freeAddress()
	if err != nil {
		return nil, err
	}
	v := &Versity{URL: "http://" + gateway, IAM: "http://" + iam, Data: filepath.Join(dir, "data")}
	env := []string{"ROOT_ACCESS_KEY_ID=" + Root().AccessKeyID, "ROOT_SECRET_ACCESS_KEY=" + Root().SecretAccessKey}
	socket := filepath.Join(dir, "iam.sock")
	if v.service, err = start(dir, env, path, "--port", iam, "--health", "/healthz", "--quiet",
		"iam", "--dir", filepath.Join(dir, "iam"), "--private-ports", socket); err != nil {
		return nil, err
	}
	if err := v.service.ready(v.IAM + "/healthz"); err != nil {
		return nil, err
	}
	if v.gateway, err = start(dir, env, path, "--port", gateway, "--health", "/healthz", "--quiet",
		"--iam-standalone-endpoint", socket, "--iam-cache-disable",
		"posix", "--versioning-dir", filepath.Join(dir, "versions"), filepath.Join(dir, "data")); err != nil {
		return nil, err
	}
	return v, v.gateway.ready(v.URL + "/healthz")
}

// Bucket creates a bucket for the test and returns its name.
func (v *Versity) Bucket(t testing.TB) string {
	t.Helper()
	return newBucket(t, v.URL)
}

// User creates a user with the permissions of the policy, a JSON document.
func (v *Versity) User(t testing.TB, policy string) aws.Credentials {
	t.Helper()
	name := "user-" + rand4()
	v.call(t, url.Values{"Action": {"CreateUser"}, "UserName": {name}})
	v.call(t, url.Values{
		"Action": {"PutUserPolicy"}, "UserName": {name}, "PolicyName": {"test"}, "PolicyDocument": {policy},
	})
	var made struct {
		ID     string `xml:"CreateAccessKeyResult>AccessKey>AccessKeyId"`
		Secret string `xml:"CreateAccessKeyResult>AccessKey>SecretAccessKey"`
	}
	body := v.call(t, url.Values{"Action": {"CreateAccessKey"}, "UserName": {name}})
	if err := xml.Unmarshal(body, &made); err != nil || made.ID == "" || made.Secret == "" {
		t.Fatalf("CreateAccessKey: no key in the answer, error %v", err)
	}
	return aws.Credentials{AccessKeyID: made.ID, SecretAccessKey: made.Secret}
}

// call makes a request to the IAM service as its administrator. It must succeed.
func (v *Versity) call(t testing.TB, form url.Values) []byte {
	t.Helper()
	form.Set("Version", "2010-05-08")
	text := form.Encode()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, v.IAM+"/", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	digest := sha256.Sum256([]byte(text))
	if err := v4.NewSigner().SignHTTP(t.Context(), Root(), request, hex.EncodeToString(digest[:]), "iam", region, time.Now()); err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s: %s", form.Get("Action"), response.Status, bytes.TrimSpace(body))
	}
	return body
}
