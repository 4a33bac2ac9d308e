// Package clienttest provides tests with the same clients as the program: what awsconf loads with
// the program's defaults, with all attempts, timeouts and connections. A test with other settings
// wouldn't see their effects, such as the retry of a request whose response was lost. Only the
// waits between attempts are omitted.
package clienttest

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/coffer-secrets/coffer/internal/awsconf"
)

// Config returns what the program loads for a server. It uses the test's environment: call
// mototest.Isolate first, or set the same variables.
func Config(t testing.TB, endpoint string) aws.Config {
	t.Helper()
	cfg := load(t, endpoint, awsconf.DefaultRetryMode)
	retryer := cfg.Retryer
	cfg.Retryer = func() aws.Retryer { return impatient(retryer()) }
	return cfg
}

func load(t testing.TB, endpoint, mode string) aws.Config {
	t.Helper()
	cfg, err := awsconf.Load(t.Context(), awsconf.Options{EndpointURL: endpoint, DefaultRetryMode: mode})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// S3 returns a client with its own state, as in each run of the program.
func S3(t testing.TB, endpoint string) *s3.Client {
	t.Helper()
	return awsconf.S3(Config(t, endpoint))
}

// KMS is like [S3].
func KMS(t testing.TB, endpoint string) *kms.Client {
	t.Helper()
	return awsconf.KMS(Config(t, endpoint))
}

// SecretsManager is like [S3].
func SecretsManager(t testing.TB, endpoint string) *secretsmanager.Client {
	t.Helper()
	return awsconf.SecretsManager(Config(t, endpoint))
}

// SSM is like [S3], in the adaptive mode.
func SSM(t testing.TB, endpoint string) *ssm.Client {
	t.Helper()
	o := awsconf.SSM(load(t, endpoint, awsconf.PatientRetryMode)).Options()
	o.Retryer = impatient(o.Retryer)
	return ssm.New(o)
}

// impatient returns a retryer with as many attempts as r, without waits between them.
func impatient(r aws.Retryer) aws.Retryer { return unwaiting{r.(aws.RetryerV2)} }

type unwaiting struct{ aws.RetryerV2 }

// RetryDelay implements [aws.Retryer].
func (unwaiting) RetryDelay(int, error) (time.Duration, error) { return 0, nil }
