package s3_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store"
	coffers3 "github.com/coffer-secrets/coffer/store/s3"
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

func open(t *testing.T, cfg awsconf.Config, o coffers3.Options) store.Store {
	t.Helper()
	s, err := coffers3.New(cfg, o)
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
	return server, config(t, server.URL, dev)
}

func TestConformance(t *testing.T) {
	for name, c := range map[string]struct {
		server s3test.Options
		skips  map[string]string
	}{
		"as AWS":       {},
		"pages of two": {server: s3test.Options{PageSize: 2}},
		"as MinIO":     {server: s3test.Options{Quirks: s3test.MinIO()}, skips: storetest.Tombstones()},
	} {
		t.Run(name, func(t *testing.T) {
			_, cfg := newServer(t, c.server)
			o := coffers3.Options{Bucket: "b"}
			storetest.Run(t, func(t *testing.T) store.Store { return open(t, cfg, o) }, storetest.Capabilities{Skips: c.skips})
		})
	}
}

func TestConformanceOnMoto(t *testing.T) {
	url := mototest.Start(t)
	cfg := config(t, url, s3test.Principal{AccessKeyID: "AKID", SecretKey: "secret", SessionToken: "token"})
	bucket := "s3-conformance"
	if _, err := awsconf.S3(cfg).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	const unlocked = "moto checks a condition and then puts, without a lock in between"
	storetest.Run(t, func(t *testing.T) store.Store {
		return open(t, cfg, coffers3.Options{Bucket: bucket})
	}, storetest.Capabilities{Skips: map[string]string{
		"a race of creates has one winner":                          unlocked,
		"a race of updates has one winner for each version":         unlocked,
		"writers of different keys lose none":                       unlocked,
		"writers of one key all succeed, each with its own version": unlocked,
	}})
}
