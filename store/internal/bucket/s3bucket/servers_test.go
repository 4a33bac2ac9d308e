//go:build servers

package s3bucket_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

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

// all is a policy that allows everything in a bucket.
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
