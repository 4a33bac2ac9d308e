package app

import (
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/store"
)

// A refusal that is not about the caller is told without advice about credentials.
func TestAdviceOfInit(t *testing.T) {
	for name, test := range map[string]struct {
		refused store.StorageError
		hint    string
	}{
		"too many buckets":      {store.StorageError{Op: "create the bucket", Status: 400, Code: "TooManyBuckets", Kind: store.ErrConfiguration}, ""},
		"somebody else's name":  {store.StorageError{Op: "create the bucket", Status: 409, Code: "BucketAlreadyExists", Kind: store.ErrConflict}, "--bucket (or COFFER_S3_BUCKET), such as acme-secrets"},
		"another region":        {store.StorageError{Op: "get the bucket", Status: 400, Code: "BadRequest", Kind: store.ErrConfiguration}, "check the region"},
		"no credentials at all": {store.StorageError{Op: "get the bucket", Kind: store.ErrCredentials}, "no usable credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := hint(&test.refused); !strings.Contains(got, test.hint) || test.hint == "" && got != "" {
				t.Errorf("%q; want %q", got, test.hint)
			}
		})
	}
}
