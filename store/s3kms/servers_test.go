//go:build servers

package s3kms_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/testing/kmsd"
	"github.com/coffer-secrets/coffer/internal/testing/serverstest"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/s3kms"
	"github.com/coffer-secrets/coffer/store/storetest"
)

const canary = "canary-5d1e77"

// minio returns the server with the keys of two aliases of the test's own, and a bucket.
func minio(t *testing.T) (m *serverstest.MinIO, bucket, app, ops string) {
	t.Helper()
	m = serverstest.StartMinIO(t)
	suffix := strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-"))
	app, ops = "alias/app-"+suffix, "alias/ops-"+suffix
	for _, alias := range []string{app, ops} {
		if err := m.Keys.Create(alias); err != nil && !errors.Is(err, kmsd.ErrExists) {
			t.Fatal(err)
		}
	}
	return m, m.Bucket(t), app, ops
}

// all is a policy that allows everything in a bucket.
func all(bucket string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"s3:*","Resource":["arn:aws:s3:::%[1]s","arn:aws:s3:::%[1]s/*"]}]}`, bucket)
}

// unreadable takes the right to read objects away.
func unreadable(bucket string, objects ...string) string {
	var resources []string
	for _, object := range objects {
		resources = append(resources, fmt.Sprintf("%q", "arn:aws:s3:::"+bucket+"/"+object))
	}
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"s3:*","Resource":["arn:aws:s3:::%[1]s","arn:aws:s3:::%[1]s/*"]},
		{"Effect":"Deny","Action":["s3:GetObject"],"Resource":[%[2]s]}]}`, bucket, strings.Join(resources, ","))
}

func versioned(t *testing.T, url, bucket string) {
	t.Helper()
	_, err := awsconf.S3(serverstest.Config(t, url, serverstest.Root())).PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
		Bucket: &bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, s store.Store, key string) store.Result {
	t.Helper()
	r, err := s.Write(t.Context(), store.ID{Service: "team", Key: key}, store.NewValue(canary+" of "+key), store.WriteOptions{})
	if err != nil {
		t.Fatalf("write %s: %v", key, err)
	}
	return r
}

// wantRefused checks an error that a reader must never take for "nothing there".
func wantRefused(t *testing.T, what string, err, want error) {
	t.Helper()
	switch {
	case !errors.Is(err, want):
		t.Errorf("%s: error %v, want %v", what, err, want)
	case want != store.ErrNotFound && errors.Is(err, store.ErrNotFound):
		t.Errorf("%s: %v is a not found", what, err)
	case strings.Contains(err.Error(), canary):
		t.Errorf("%s: the error tells a value", what)
	}
}

func keys(c store.Contents) (found []string) {
	for _, s := range c.Secrets {
		found = append(found, s.ID.Key)
	}
	return found
}

func TestConformanceOnMinIO(t *testing.T) {
	m, bucket, app, _ := minio(t)
	versioned(t, m.URL, bucket)
	cfg := serverstest.Config(t, m.URL, m.Session(t, all(bucket)))
	storetest.Run(t, func(t *testing.T) store.Store {
		return open(t, cfg, s3kms.Options{Bucket: bucket, KeyAlias: app})
	}, storetest.Capabilities{Skips: storetest.Tombstones()})
}

func TestConformanceOnVersitygw(t *testing.T) {
	v := serverstest.StartVersity(t)
	for _, name := range []string{"plain", "versioned"} {
		t.Run(name, func(t *testing.T) {
			bucket := v.Bucket(t)
			if name == "versioned" {
				versioned(t, v.URL, bucket)
			}
			cfg := serverstest.Config(t, v.URL, v.User(t, all(bucket)))
			storetest.Run(t, func(t *testing.T) store.Store {
				return open(t, cfg, s3kms.Options{Bucket: bucket, KeyAlias: "alias/app", AllowUnencrypted: true})
			}, storetest.Capabilities{Skips: storetest.Tombstones()})
		})
	}
}

func TestStoreThatDoesNotEncryptIsRefusedOnVersitygw(t *testing.T) {
	v := serverstest.StartVersity(t)
	bucket := v.Bucket(t)
	cfg := serverstest.Config(t, v.URL, v.User(t, all(bucket)))
	strict := open(t, cfg, s3kms.Options{Bucket: bucket, KeyAlias: "alias/app"})
	id := store.ID{Service: "team", Key: "db_url"}
	wantUnsealed := func(what string, err error) {
		t.Helper()
		wantRefused(t, what, err, store.ErrCorrupt)
		var e *store.SealError
		if !errors.As(err, &e) || e.Method != "" || e.Object == "" {
			t.Errorf("%s: error %v, want a SealError that names the object", what, err)
		}
	}
	_, err := strict.Write(t.Context(), id, store.NewValue(canary), store.WriteOptions{})
	wantUnsealed("write", err)
	_, err = strict.WriteAll(t.Context(), "team", map[string]store.Value{"a": store.NewValue(canary), "b": store.NewValue(canary)}, store.WriteOptions{})
	wantUnsealed("write of several", err)
	wantNothingIn(t, awsconf.S3(cfg), bucket)

	// Somebody allowed it once: what is there is not believed either, and not touched.
	lax := open(t, cfg, s3kms.Options{Bucket: bucket, KeyAlias: "alias/app", AllowUnencrypted: true})
	write(t, lax, "db_url")
	_, err = strict.Read(t.Context(), id, store.Latest)
	wantUnsealed("read", err)
	_, err = strict.Load(t.Context(), "team")
	wantUnsealed("load", err)
	_, err = strict.Write(t.Context(), id, store.NewValue(canary), store.WriteOptions{})
	wantUnsealed("update", err)
	if got, err := lax.Read(t.Context(), id, store.Latest); err != nil || got.Version != 1 {
		t.Errorf("after the refusals: version %d, error %v, want 1", got.Version, err)
	}
}

func wantNothingIn(t *testing.T, c *s3.Client, bucket string) {
	t.Helper()
	listing, err := c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range listing.Contents {
		t.Errorf("%s was left behind", *o.Key)
	}
}

func TestDeniedIndexOnMinIO(t *testing.T) {
	m, bucket, app, ops := minio(t)
	deniedIndex(t, m.URL, bucket, s3kms.Options{Bucket: bucket}, app, ops, func(policy string) aws.Credentials { return m.Session(t, policy) })
}

func TestDeniedIndexOnVersitygw(t *testing.T) {
	v := serverstest.StartVersity(t)
	bucket := v.Bucket(t)
	deniedIndex(t, v.URL, bucket, s3kms.Options{Bucket: bucket, AllowUnencrypted: true}, "alias/app", "alias/ops",
		func(policy string) aws.Credentials { return v.User(t, policy) })
}

// deniedIndex looks at a service of two aliases with the eyes of principals whom the server
// denies more and more of it.
func deniedIndex(t *testing.T, url, bucket string, o s3kms.Options, app, ops string, principal func(policy string) aws.Credentials) {
	root := serverstest.Config(t, url, serverstest.Root())
	o.KeyAlias = ops
	write(t, open(t, root, o), "pager")
	o.KeyAlias = app
	write(t, open(t, root, o), "db_url")
	index := func(alias string) string {
		return "team/__kms_" + strings.ReplaceAll(alias, "/", "_") + "__latest.json"
	}

	for _, test := range []struct {
		name           string
		denied         []string // objects
		read, hidden   []string // keys
		indexes        []string // that are denied
		readOfOpsFails bool
	}{
		{"nothing", []string{"elsewhere"}, []string{"db_url", "pager"}, nil, nil, false},
		// The other index knows that the secret is under the alias of the one that is denied.
		{"an index", []string{index(ops)}, []string{"db_url"}, []string{"pager"}, []string{index(ops)}, false},
		{"an index and its secret", []string{index(ops), "team/pager.json"}, []string{"db_url"}, []string{"pager"}, []string{index(ops)}, true},
		{"everything", []string{"team/*"}, nil, []string{"db_url", "pager"}, []string{index(app), index(ops)}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t, serverstest.Config(t, url, principal(unreadable(bucket, test.denied...))), o)
			c, err := s.Load(t.Context(), "team")
			if err != nil {
				t.Fatal(err)
			}
			if got := keys(c); !slices.Equal(got, test.read) {
				t.Errorf("%q were read, want %q", got, test.read)
			}
			if !slices.Equal(c.Hidden, test.hidden) {
				t.Errorf("%q are hidden, want %q", c.Hidden, test.hidden)
			}
			var denied []string
			for _, d := range c.Denied {
				denied = append(denied, d.Object)
				if d.Reason == "" {
					t.Errorf("%s is denied without a reason", d.Object)
				}
			}
			if !slices.Equal(denied, test.indexes) {
				t.Errorf("indexes %q are denied, want %q", denied, test.indexes)
			}
			if c.Listed != 2 || c.Unlisted {
				t.Errorf("%d secrets are listed (unlisted %t), want 2", c.Listed, c.Unlisted)
			}
			_, err = s.Read(t.Context(), store.ID{Service: "team", Key: "pager"}, store.Latest)
			if test.readOfOpsFails {
				wantRefused(t, "read", err, store.ErrDenied)
			} else if err != nil {
				t.Errorf("read: %v", err)
			}
		})
	}
}

// An index that may not be read is never overwritten, and what is written beside it stays whole.
func TestWriteWithADeniedIndexOnMinIO(t *testing.T) {
	m, bucket, app, _ := minio(t)
	root := open(t, serverstest.Config(t, m.URL, serverstest.Root()), s3kms.Options{Bucket: bucket, KeyAlias: app})
	write(t, root, "db_url")
	index := "team/__kms_" + strings.ReplaceAll(app, "/", "_") + "__latest.json"
	s := open(t, serverstest.Config(t, m.URL, m.Session(t, unreadable(bucket, index))), s3kms.Options{Bucket: bucket, KeyAlias: app})
	_, err := s.Write(t.Context(), store.ID{Service: "team", Key: "other"}, store.NewValue(canary), store.WriteOptions{})
	wantRefused(t, "write", err, store.ErrDenied)
	c, err := root.Load(t.Context(), "team")
	if err != nil || !slices.Contains(keys(c), "db_url") {
		t.Errorf("afterwards there are %q, error %v, want db_url still", keys(c), err)
	}
}

func TestKeyRefusedWhileTheProgramRunsOnMinIO(t *testing.T) {
	m, bucket, app, ops := minio(t)
	cfg := serverstest.Config(t, m.URL, m.Session(t, all(bucket)))
	s := open(t, cfg, s3kms.Options{Bucket: bucket, KeyAlias: app})
	opsStore := open(t, cfg, s3kms.Options{Bucket: bucket, KeyAlias: ops})
	write(t, s, "db_url")
	write(t, opsStore, "pager")
	pager := store.ID{Service: "team", Key: "pager"}

	for _, state := range []kmsd.State{kmsd.Disabled, kmsd.Denied, kmsd.Deleted} {
		t.Run(string(state), func(t *testing.T) {
			if err := m.Keys.SetState(ops, state); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = m.Keys.SetState(ops, kmsd.Enabled) }()
			// The server cannot say whether the key is denied or broken: never skipped.
			_, err := s.Load(t.Context(), "team")
			wantRefused(t, "load", err, store.ErrConfiguration)
			_, err = s.Read(t.Context(), pager, store.Latest)
			wantRefused(t, "read", err, store.ErrConfiguration)
			_, err = s.History(t.Context(), pager)
			wantRefused(t, "history", err, store.ErrConfiguration)
			_, err = opsStore.Write(t.Context(), pager, store.NewValue(canary), store.WriteOptions{})
			wantRefused(t, "update", err, store.ErrConfiguration)
			_, err = opsStore.Write(t.Context(), store.ID{Service: "fresh", Key: "new"}, store.NewValue(canary), store.WriteOptions{})
			wantRefused(t, "write", err, store.ErrConfiguration)
			if got, err := s.Read(t.Context(), store.ID{Service: "team", Key: "db_url"}, store.Latest); err != nil || got.Version != 1 {
				t.Errorf("a secret under another key: version %d, error %v", got.Version, err)
			}
		})
	}

	c, err := s.Load(t.Context(), "team")
	if err != nil || !slices.Equal(keys(c), []string{"db_url", "pager"}) {
		t.Errorf("enabled again: %q, error %v", keys(c), err)
	}
	if versions, err := s.History(t.Context(), pager); err != nil || len(versions) != 1 {
		t.Errorf("the refused updates left %d versions, error %v, want 1", len(versions), err)
	}
	if c, err := s.Load(t.Context(), "fresh"); err != nil || c.Listed != 0 {
		t.Errorf("the refused writes left %d secrets, error %v", c.Listed, err)
	}
}

func TestUnknownAliasOnMinIO(t *testing.T) {
	m, bucket, _, _ := minio(t)
	cfg := serverstest.Config(t, m.URL, m.Session(t, all(bucket)))
	s := open(t, cfg, s3kms.Options{Bucket: bucket, KeyAlias: "alias/nobody"})
	_, err := s.Write(t.Context(), store.ID{Service: "team", Key: "k"}, store.NewValue(canary), store.WriteOptions{})
	wantRefused(t, "write", err, store.ErrConfiguration)
	wantNothingIn(t, awsconf.S3(cfg), bucket)
}

func TestOnlyPinnedKeysAreBelievedOnMinIO(t *testing.T) {
	m, bucket, app, ops := minio(t)
	cfg := serverstest.Config(t, m.URL, m.Session(t, all(bucket)))
	pinned := s3kms.Options{Bucket: bucket, KeyAlias: app, KeyARNs: []string{"arn:aws:kms:" + app}} // as MinIO tells keys
	s := open(t, cfg, pinned)
	write(t, s, "db_url")
	write(t, open(t, cfg, s3kms.Options{Bucket: bucket, KeyAlias: ops}), "pager")
	_, err := s.Read(t.Context(), store.ID{Service: "team", Key: "pager"}, store.Latest)
	wantRefused(t, "read", err, store.ErrCorrupt)
	if _, err := s.Read(t.Context(), store.ID{Service: "team", Key: "db_url"}, store.Latest); err != nil {
		t.Errorf("read under the pinned key: %v", err)
	}
}
