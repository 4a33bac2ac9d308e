package awsconf_test

import (
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/testing/mototest"
)

// longest is the longest of many waits, which is near the end of their spread.
func longest(t *testing.T, r aws.Retryer, attempt int, err error) time.Duration {
	t.Helper()
	var most time.Duration
	for range 2000 {
		wait, err := r.RetryDelay(attempt, err)
		if err != nil || wait < 0 {
			t.Fatalf("a wait of %v, %v", wait, err)
		}
		most = max(most, wait)
	}
	return most
}

func TestWaitsAreSpread(t *testing.T) {
	mototest.Isolate(t)
	slowDown := &smithy.GenericAPIError{Code: "SlowDown"}
	internal := &smithy.GenericAPIError{Code: "InternalError"}
	for name, test := range map[string]struct {
		served  bool
		attempt int
		err     error
		most    time.Duration // the spread
	}{
		"told to slow down at once":        {false, 1, slowDown, 6 * time.Second},
		"told to slow down at once, twice": {false, 2, slowDown, 12 * time.Second},
		"three times":                      {false, 3, slowDown, 20 * time.Second},
		"a hundred times":                  {false, 100, slowDown, 20 * time.Second},
		"counted from 0":                   {false, 0, slowDown, 6 * time.Second},
		"told to slow down, served before": {true, 1, slowDown, time.Second},
		"twice, served before":             {true, 2, slowDown, 2 * time.Second},
		"a hundred times, served before":   {true, 100, slowDown, 20 * time.Second},
		"a fault of the server":            {false, 1, internal, 2 * time.Second}, // as the SDK has it
	} {
		t.Run(name, func(t *testing.T) {
			r := load(t, awsconf.Options{Retries: 10}).Retryer()
			release, err := r.(aws.RetryerV2).GetAttemptToken(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			outcome := error(slowDown)
			if test.served {
				outcome = nil
			}
			if err := release(outcome); err != nil {
				t.Fatal(err)
			}
			if got := longest(t, r, test.attempt, test.err); got > test.most || got < test.most*9/10 {
				t.Errorf("the longest of many waits is %v, want nearly %v", got, test.most)
			}
		})
	}
}

func TestRetriesAreAttempts(t *testing.T) {
	mototest.Isolate(t)
	r := load(t, awsconf.Options{Retries: 7}).Retryer()
	if r.MaxAttempts() != 7 {
		t.Errorf("%d attempts, want 7", r.MaxAttempts())
	}
	if !r.IsErrorRetryable(&smithy.GenericAPIError{Code: "SlowDown"}) || r.IsErrorRetryable(errors.New("other")) {
		t.Error("what is retried is not what the SDK retries")
	}
}
