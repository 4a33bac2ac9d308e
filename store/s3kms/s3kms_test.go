package s3kms_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/s3kms"
	"github.com/coffer-secrets/coffer/store/storetest"
)

// config is that of a caller with a session on the server at url.
func config(t *testing.T, url string, p s3test.Principal) awsconf.Config {
	t.Helper()
	mototest.Isolate(t)
	t.Setenv("AWS_ACCESS_KEY_ID", p.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", p.SecretKey)
	t.Setenv("AWS_SESSION_TOKEN", p.SessionToken)
	cfg, err := awsconf.Load(t.Context(), awsconf.Options{Region: "us-east-1", EndpointURL: url, Retries: 3})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func open(t *testing.T, cfg awsconf.Config, o s3kms.Options) store.Store {
	t.Helper()
	s, err := s3kms.New(t.Context(), cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var dev = s3test.Principal{Name: "dev", AccessKeyID: "ASIADEV", SecretKey: "dev-secret", SessionToken: "dev-token"}

func newServer(t *testing.T, o s3test.Options) (*s3test.Server, awsconf.Config) {
	t.Helper()
	o.Buckets, o.Principals = []string{"b"}, []s3test.Principal{dev}
	server := s3test.New(o)
	t.Cleanup(server.Close)
	server.KMS.CreateKey("alias/app")
	return server, config(t, server.URL, dev)
}

func TestConformance(t *testing.T) {
	for name, c := range map[string]struct {
		server    s3test.Options
		skips     map[string]string
		unsealing bool
	}{
		"as AWS":       {},
		"pages of two": {server: s3test.Options{PageSize: 2}},
		"as MinIO":     {server: s3test.Options{Quirks: s3test.MinIO()}, skips: storetest.Tombstones()},
		"as Ceph":      {server: s3test.Options{Quirks: s3test.Ceph()}, skips: storetest.Tombstones()},
		"as SeaweedFS": {server: s3test.Options{Quirks: s3test.SeaweedFS()}},
		"as versitygw": {server: s3test.Options{Quirks: s3test.Versitygw()}, skips: storetest.Tombstones(), unsealing: true},
	} {
		t.Run(name, func(t *testing.T) {
			_, cfg := newServer(t, c.server)
			o := s3kms.Options{Bucket: "b", KeyAlias: "alias/app", AllowUnencrypted: c.unsealing}
			storetest.Run(t, func(t *testing.T) store.Store { return open(t, cfg, o) }, storetest.Capabilities{Skips: c.skips})
		})
	}
}

func TestConformanceOnMoto(t *testing.T) {
	url := mototest.Start(t)
	cfg := config(t, url, s3test.Principal{AccessKeyID: "AKID", SecretKey: "secret", SessionToken: "token"})
	bucket := "s3kms-conformance"
	if _, err := awsconf.S3(cfg).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	const unlocked = "moto checks a condition and then puts, without a lock in between"
	storetest.Run(t, func(t *testing.T) store.Store {
		return open(t, cfg, s3kms.Options{Bucket: bucket, KeyAlias: "alias/app"})
	}, storetest.Capabilities{Skips: map[string]string{
		"a race of creates has one winner":                          unlocked,
		"a race of updates has one winner for each version":         unlocked,
		"writers of different keys lose none":                       unlocked,
		"writers of one key all succeed, each with its own version": unlocked,
	}})
}

func TestKeysAreResolvedToTheirAlias(t *testing.T) {
	server, cfg := newServer(t, s3test.Options{})
	s := open(t, cfg, s3kms.Options{Bucket: "b", KeyAlias: server.KMS.ARN("alias/app")})
	r, err := s.Write(t.Context(), store.ID{Service: "api", Key: "k"}, store.NewValue("v"), store.WriteOptions{})
	if err != nil || r.Meta.KeyAlias != "alias/app" {
		t.Errorf("written under %q, %v; want alias/app", r.Meta.KeyAlias, err)
	}
	unnamed := server.KMS.CreateKey()
	if _, err := s3kms.New(t.Context(), cfg, s3kms.Options{Bucket: "b", KeyAlias: unnamed}); !errors.Is(err, store.ErrConfiguration) {
		t.Errorf("a key without an alias: %v; want a refusal", err)
	}
}

func TestOnlyPinnedKeysAreBelieved(t *testing.T) {
	server, cfg := newServer(t, s3test.Options{})
	id := store.ID{Service: "api", Key: "k"}
	o := s3kms.Options{Bucket: "b", KeyAlias: "alias/app", KeyARNs: []string{server.KMS.ARN("alias/app")}}
	if _, err := open(t, cfg, o).Write(t.Context(), id, store.NewValue("v"), store.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	// Somebody who may write to the bucket, and not use the key, puts a secret of their own there.
	foreign := server.KMS.CreateKey("alias/foreign")
	stored, _ := server.Bucket("b").Object("api/k.json")
	forged := strings.ReplaceAll(string(stored.Body), `"v"`, `"forged"`)
	server.Bucket("b").Plant("api/k.json", []byte(forged), "aws:kms", foreign)
	if _, err := open(t, cfg, o).Read(t.Context(), id, store.Latest); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("read: %v; want a refusal", err)
	}
	if _, err := open(t, cfg, o).Load(t.Context(), "api"); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("load: %v; want a refusal", err)
	}
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	_, cfg := newServer(t, s3test.Options{})
	for name, o := range map[string]s3kms.Options{
		"no bucket":   {KeyAlias: "alias/app"},
		"a bad alias": {Bucket: "b", KeyAlias: "a b"},
	} {
		if _, err := s3kms.New(t.Context(), cfg, o); !errors.Is(err, store.ErrConfiguration) && !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v; want a refusal", name, err)
		}
	}
}
