// Package serverstest runs the real servers that `make test-servers` builds: MinIO with its own key
// service, and versitygw with its IAM service. A test binary starts each at most once, on loopback,
// and both stop with it. If a program is missing a test is skipped, or fails if the variable CI is
// set.
//
// The programs are in the directory COFFER_TEST_TOOLS, or by default where make puts them. The
// default depends on HOME: start a server before the test changes it.
package serverstest

import (
	"crypto/rand"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/testing/mototest"
)

const region = "us-east-1"

// Root returns the credentials of each server's administrator.
func Root() aws.Credentials {
	return aws.Credentials{AccessKeyID: "coffer-root", SecretAccessKey: "coffer-root-secret"} //nolint:gosec // of servers on loopback
}

// Config returns the configuration of a caller with these credentials on the server at url. The
// process has no other AWS settings: see [mototest.Isolate].
func Config(t testing.TB, url string, who aws.Credentials) aws.Config {
	t.Helper()
	mototest.Isolate(t)
	t.Setenv("AWS_ACCESS_KEY_ID", who.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", who.SecretAccessKey)
	t.Setenv("AWS_SESSION_TOKEN", who.SessionToken)
	return load(t, url)
}

func load(t testing.TB, url string) aws.Config {
	t.Helper()
	cfg, err := awsconf.Load(t.Context(), awsconf.Options{Region: region, EndpointURL: url, Retries: 3})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// newBucket creates a bucket with a unique name.
func newBucket(t testing.TB, url string) string {
	t.Helper()
	name := "coffer-" + strings.ToLower(rand.Text()[:12])
	_, err := awsconf.S3(Config(t, url, Root())).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name})
	if err != nil {
		t.Fatalf("creating a bucket: %v", err)
	}
	return name
}

func rand4() string { return strings.ToLower(rand.Text()[:4]) }
