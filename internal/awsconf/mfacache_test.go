package awsconf

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
)

// The name was made by botocore 1.43.11's rule, in Python.
func TestCachedSessionsAreNamedAsTheAWSCLINamesThem(t *testing.T) {
	hours := 2 * time.Hour
	got := cacheKey(config.SharedConfig{
		RoleARN: "arn:aws:iam::1:role/app", MFASerial: "arn:aws:iam::1:mfa/anné", ExternalID: "a\"b\\c", RoleSessionName: "ann@x", RoleDurationSeconds: &hours,
	})
	if want := "14e19f99e149cac5ec94c97a9974a6a2f44c79b9"; got != want {
		t.Errorf("%s; want %s", got, want)
	}
}
