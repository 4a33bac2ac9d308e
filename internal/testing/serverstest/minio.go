package serverstest

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/testing/kmsd"
	"github.com/coffer-secrets/coffer/internal/testing/mototest"
)

// Audience is the audience that tokens of [MinIO.Issuer] need.
const Audience = "coffer"

// MinIO is a running server with real SSE-KMS. It has users, policies, sessions and exact
// conditional PUTs. It ignores the condition of a delete.
type MinIO struct {
	URL    string       // S3 and STS
	Data   string       // the folder in which it keeps the buckets
	Keys   *kmsd.Keys   // the keys it may encrypt with, by the names in PUTs: "alias/app"; nil without KMS
	Issuer *kmsd.Issuer // the web identity issuer that it trusts

	process *process
}

// StartMinIO returns this test binary's server.
func StartMinIO(t testing.TB) *MinIO {
	t.Helper()
	m, err := runningMinIO()
	started(t, err)
	return m
}

// StartMinIOWithoutKMS returns this test binary's server without a key service, as many people run it. It
// has no issuer either.
func StartMinIOWithoutKMS(t testing.TB) *MinIO {
	t.Helper()
	m, err := runningPlainMinIO()
	started(t, err)
	return m
}

//nolint:gochecknoglobals // one server of each kind for the whole test binary
var (
	runningMinIO = sync.OnceValues(func() (*MinIO, error) {
		m := &MinIO{Keys: kmsd.NewKeys(ownKey)}
		return m, m.start(m.surroundings)
	})
	runningPlainMinIO = sync.OnceValues(func() (*MinIO, error) {
		m := &MinIO{}
		return m, m.start(func(string) ([]string, error) { return nil, nil })
	})
)

// ownKey is the key with which the server encrypts its own files.
const ownKey = "server"

func (m *MinIO) start(surroundings func(dir string) ([]string, error)) error {
	path, err := binary("minio", minioVersion)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "coffer-minio-")
	if err != nil {
		return err
	}
	env, err := surroundings(dir)
	if err != nil {
		return err
	}
	env = append(env, "MINIO_ROOT_USER="+Root().AccessKeyID, "MINIO_ROOT_PASSWORD="+Root().SecretAccessKey, "MINIO_BROWSER=off", "MINIO_UPDATE=off")
	address, err := freeAddress()
	if err != nil {
		return err
	}
	m.URL, m.Data = "http://"+address, filepath.Join(dir, "data")
	if m.process, err = start(dir, env, path, "server", "--quiet", "--address", address, m.Data); err != nil {
		return err
	}
	return m.process.ready(m.URL + "/minio/health/ready")
}

// surroundings starts the key service and the issuer, and returns the server's environment
// variables for them.
func (m *MinIO) surroundings(dir string) ([]string, error) {
	pair, err := kmsd.NewPair()
	if err != nil {
		return nil, err
	}
	certificate, key := filepath.Join(dir, "kmsd.crt"), filepath.Join(dir, "kmsd.key")
	if err := pair.Write(certificate, key); err != nil {
		return nil, err
	}
	kes, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	oidc, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	issuer := "http://" + oidc.Addr().String()
	if m.Issuer, err = kmsd.NewIssuer(issuer); err != nil {
		return nil, err
	}
	// Both run until the test binary ends.
	go func() { _ = pair.Server(m.Keys.KES()).ServeTLS(kes, "", "") }()
	go func() { _ = (&http.Server{Handler: m.Issuer.Handler(), ReadHeaderTimeout: time.Minute}).Serve(oidc) }()
	return []string{
		"MINIO_KMS_KES_ENDPOINT=https://" + kes.Addr().String(), "MINIO_KMS_KES_KEY_NAME=" + ownKey,
		"MINIO_KMS_KES_CERT_FILE=" + certificate, "MINIO_KMS_KES_KEY_FILE=" + key, "MINIO_KMS_KES_CAPATH=" + certificate,
		"MINIO_IDENTITY_OPENID_CONFIG_URL=" + issuer + "/.well-known/openid-configuration",
		"MINIO_IDENTITY_OPENID_CLIENT_ID=" + Audience,
	}, nil
}

// Bucket creates a bucket for the test and returns its name.
func (m *MinIO) Bucket(t testing.TB) string {
	t.Helper()
	return newBucket(t, m.URL)
}

// Session returns credentials from AssumeRole that are valid for fifteen minutes. They have the
// permissions of the policy, a JSON document.
func (m *MinIO) Session(t testing.TB, policy string) aws.Credentials {
	t.Helper()
	answer, err := awsconf.STS(Config(t, m.URL, Root())).AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::111122223333:role/coffer"), RoleSessionName: aws.String("test"), // MinIO has no roles
		DurationSeconds: aws.Int32(900), Policy: &policy,
	})
	if err != nil {
		t.Fatalf("AssumeRole: %v", err)
	}
	return aws.Credentials{
		AccessKeyID: *answer.Credentials.AccessKeyId, SecretAccessKey: *answer.Credentials.SecretAccessKey,
		SessionToken: *answer.Credentials.SessionToken,
	}
}

// WebIdentity returns the configuration of a process whose only credentials are a file with a token
// of the server's issuer, as in a CI job or a pod.
func (m *MinIO) WebIdentity(t testing.TB, token string) aws.Config {
	t.Helper()
	home := mototest.Isolate(t)
	file := filepath.Join(home, "token")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", file)
	t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/coffer") // the SDK needs a role; MinIO doesn't
	return load(t, m.URL)
}
