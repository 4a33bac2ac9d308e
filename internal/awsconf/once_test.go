package awsconf_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/testing/clienttest"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store"
)

// TestWhatInitMakesIsMadeOnce has each request fail once that makes a key, an alias or a bucket,
// before it is obeyed and after it was, under the client that the program has.
func TestWhatInitMakesIsMadeOnce(t *testing.T) {
	for name, c := range map[string]struct {
		operation string
		fault     s3test.Fault
		want      error
		tries     int // of this operation
		keys      int // there are then
	}{
		"key, dropped":         {"CreateKey", s3test.Fault{Kind: s3test.Drop}, store.ErrUnknown, 1, 0},
		"key, made and lost":   {"CreateKey", s3test.Fault{Kind: s3test.Drop, After: true}, store.ErrUnknown, 1, 1},
		"key, made and 500":    {"CreateKey", s3test.Fault{Kind: s3test.Answer, After: true, Status: 500, Code: "KMSInternalException"}, store.ErrUnknown, 1, 1},
		"key, throttled":       {"CreateKey", s3test.Fault{Kind: s3test.Answer, Status: 400, Code: "ThrottlingException"}, nil, 2, 1},
		"alias, dropped":       {"CreateAlias", s3test.Fault{Kind: s3test.Drop}, nil, 2, 1},
		"alias, made, lost":    {"CreateAlias", s3test.Fault{Kind: s3test.Drop, After: true}, nil, 2, 1},
		"bucket, dropped":      {"CreateBucket", s3test.Fault{Kind: s3test.Drop}, nil, 2, 1},
		"bucket, made, lost":   {"CreateBucket", s3test.Fault{Kind: s3test.Drop, After: true}, nil, 2, 1},
		"bucket, made and 503": {"CreateBucket", s3test.Fault{Kind: s3test.Answer, After: true, Status: 503, Code: "SlowDown"}, nil, 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			server := simulator(t, s3test.Options{})
			struck := false
			server.Fault(func(r s3test.Request) *s3test.Fault {
				if r.Op != c.operation || struck {
					return nil
				}
				struck = true
				return &c.fault
			})
			cfg := clienttest.Config(t, server.URL)
			key, err := awsconf.NewKeys(cfg).Create(t.Context(), "alias/made")
			if err == nil {
				err = awsconf.NewBuckets(cfg, "").Create(t.Context(), "made")
			}
			if !errors.Is(err, c.want) || c.want == nil && (err != nil || key.ARN != server.KMS.ARN("alias/made")) {
				t.Errorf("key %s, error %v; want error %v", key.ARN, err, c.want)
			}
			if c.want != nil && !strings.Contains(err.Error(), `with the description "Coffer: alias/made"`) {
				t.Errorf("error %v; want by what the key is found", err)
			}
			tries, keys := 0, 0
			for _, e := range server.Log() {
				if e.Op == c.operation {
					tries++
				}
				if e.Op == "CreateKey" && (e.Status == 200 || c.fault.After && c.operation == "CreateKey") {
					keys++
				}
			}
			if tries != c.tries || keys != c.keys {
				t.Errorf("%d requests of %s and %d keys; want %d and %d", tries, c.operation, keys, c.tries, c.keys)
			}
		})
	}
}
