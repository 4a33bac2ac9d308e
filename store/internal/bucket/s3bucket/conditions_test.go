package s3bucket_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket/s3bucket"
)

func TestConditionsTellsWhatTheProbeHasFoundOut(t *testing.T) {
	const beside = "team/x.json"
	for name, test := range map[string]struct {
		quirks s3test.Quirks
		want   admin.Conditions
	}{
		"all":           {want: admin.Conditions{Known: true, Puts: true, Deletes: true, Asked: noon}},
		"not of delete": {quirks: s3test.MinIO(), want: admin.Conditions{Known: true, Puts: true, Asked: noon}},
		"none":          {quirks: s3test.Quirks{NoConditions: true}, want: admin.Conditions{Known: true, Asked: noon}},
	} {
		t.Run(name, func(t *testing.T) {
			server := simulator(t, s3test.Options{Quirks: test.quirks})
			now := noon
			o := s3bucket.ProbeOptions{CacheDir: t.TempDir(), Now: func() time.Time { return now }}
			told := func(ask bool) admin.Conditions {
				t.Helper()
				c, err := s3bucket.Conditions(t.Context(), probing(t, server, o), beside, ask)
				if err != nil {
					t.Fatal(err)
				}
				return c
			}
			if got := told(false); got != (admin.Conditions{}) || len(server.Log()) > 0 {
				t.Errorf("before anybody asked: %+v after %d requests", got, len(server.Log()))
			}
			if diff := cmp.Diff(test.want, told(true)); diff != "" {
				t.Errorf("asked: %s", diff)
			}
			server.Reset()
			if diff := cmp.Diff(test.want, told(false)); diff != "" || len(server.Log()) > 0 {
				t.Errorf("remembered, after %d requests: %s", len(server.Log()), diff)
			}
			if now = noon.AddDate(0, 0, 8); told(false).Known {
				t.Error("it is known eight days later")
			}
			if left := server.Bucket(bucketName).Objects(); len(left) > 0 {
				t.Errorf("%d objects are left", len(left))
			}
		})
	}
}

func TestConditionsOfWhoMayNotPutAreNotTold(t *testing.T) {
	server := simulator(t, s3test.Options{})
	server.SetPolicy(s3test.AdminKeyID, s3test.Policy{DenyPut: []string{"*"}})
	c, err := s3bucket.Conditions(t.Context(), probing(t, server, s3bucket.ProbeOptions{}), "team/x.json", true)
	if err != nil || c.Known {
		t.Errorf("%+v, %v", c, err)
	}
}

// A bucket that needs no probe is one of AWS.
func TestConditionsOfAWSAreNotAsked(t *testing.T) {
	server := simulator(t, s3test.Options{})
	b := s3bucket.New(client(t, server.URL), s3bucket.Options{Bucket: bucketName, Encryption: "aws:kms"})
	c, err := s3bucket.Conditions(t.Context(), b, "team/x.json", true)
	if err != nil || c != (admin.Conditions{Known: true, Puts: true, Deletes: true}) || len(server.Log()) > 0 {
		t.Errorf("%+v, %v after %d requests", c, err, len(server.Log()))
	}
}

func TestConditionsSaysThatTheServerCannotBeAsked(t *testing.T) {
	server := simulator(t, s3test.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s3bucket.Conditions(ctx, probing(t, server, s3bucket.ProbeOptions{}), "team/x.json", true); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
