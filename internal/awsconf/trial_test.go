package awsconf_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

func trialOn(t *testing.T, quirks s3test.Quirks, pauses ...time.Duration) (*s3test.Server, *awsconf.Buckets, *awsconf.Trial) {
	t.Helper()
	server := s3test.New(s3test.Options{Buckets: []string{"b"}, Quirks: quirks})
	t.Cleanup(server.Close)
	buckets := awsconf.NewBuckets(aws.Config{
		Region: "us-east-1", BaseEndpoint: &server.URL, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(s3test.AdminKeyID, s3test.AdminSecret, ""),
	}, "")
	return server, buckets, buckets.NewTrial("b", awsconf.TrialOptions{Prefix: "trial/", Method: "AES256", Pauses: pauses})
}

func TestATrialSaysWhatAServerDoesNotDo(t *testing.T) {
	for name, test := range map[string]struct {
		quirks     s3test.Quirks
		conditions bool
		wrong      string
	}{
		"AWS":           {s3test.Quirks{}, true, ""},
		"no conditions": {s3test.Quirks{NoConditions: true}, false, ""},
		"refused ones":  {s3test.Quirks{ConditionsUnsupported: true}, false, "refuses a new object (501 NotImplemented)"},
	} {
		_, _, trial := trialOn(t, test.quirks)
		got, err := trial.Run(t.Context())
		if err != nil || got.KeepsConditions() != test.conditions || got.Wrong() != test.wrong {
			t.Errorf("%s: conditions %v, %q, %v", name, got.KeepsConditions(), got.Wrong(), err)
		}
	}
}

// A setting needs a while on AWS: a trial that goes wrong only in the beginning is not worse.
func TestATrialIsRepeatedBeforeItIsBelieved(t *testing.T) {
	for _, test := range []struct {
		times int // that a read finds nothing
		worse string
	}{{0, ""}, {2, ""}, {3, "doesn't return the object that was put (404 NoSuchKey)"}} {
		server, _, trial := trialOn(t, s3test.Quirks{}, time.Nanosecond, time.Nanosecond)
		before, err := trial.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		failed := 0
		seen := map[string]bool{}
		server.Fault(func(r s3test.Request) *s3test.Fault {
			if r.Op != "GetObject" || strings.HasSuffix(r.Key, "standing") || seen[r.Key] || failed == test.times {
				return nil
			}
			seen[r.Key] = true // the first read of each run's object
			failed++
			return &s3test.Fault{Kind: s3test.Answer, Status: 404, Code: "NoSuchKey"}
		})
		if _, worse, err := trial.After(t.Context(), before); err != nil || worse != test.worse {
			t.Errorf("%d times: %q, %v", test.times, worse, err)
		}
	}
}

func TestATrialLeavesNothing(t *testing.T) {
	for _, on := range []bool{false, true} {
		server, buckets, trial := trialOn(t, s3test.Quirks{})
		b := server.Bucket("b")
		b.Plant("others", []byte("x"), "", "")
		before, err := trial.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if on {
			b.KeepVersions(true)
		}
		if now, worse, err := trial.After(t.Context(), before); err != nil || worse != "" || now.Versions != on {
			t.Errorf("versions %v: %v, %q, %v", on, now.Versions, worse, err)
		}
		if err := trial.Clean(t.Context()); err != nil {
			t.Error(err)
		}
		if all := b.AllVersions(); len(all) != 1 || len(all["others"]) != 1 {
			t.Errorf("versions %v: %v is left", on, all)
		}
		if err := buckets.Remove(t.Context(), "b", "trial/"); err == nil {
			t.Error("a bucket with an object of others was deleted")
		}
	}
}
