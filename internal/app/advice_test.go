package app

import (
	"net/http"
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

// s3-age has no KMS, so no hint about a request of it names KMS, whatever the operation and the answer.
func TestNoHintOfATeamNamesKMS(t *testing.T) {
	a := opened(t, "s3-age")
	if _, err := a.Settings(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, kind := range []error{store.ErrDenied, store.ErrConfiguration, store.ErrUnavailable, store.ErrUnsupported, store.ErrCorrupt, store.ErrCredentials} {
		for _, op := range []string{"get", "put", "delete", "list", "head", "list the versions of", "get a version of", "delete a version of", "get the tags of", "put the tags of", opLookAtBucket, opCreateBucket} {
			for _, object := range []string{"api/db_url.json", "__keys/alias/app.age", ""} {
				for _, code := range []string{"", "AccessDenied", "NotImplemented", "InternalError", "InvalidArgument", "NoConditionalWrites", "NotKept", store.CodeNotMember, store.CodeNoTeamKey, store.CodeLostTeamKey, store.CodeDamagedTeamKey} {
					for _, status := range []int{http.StatusForbidden, http.StatusNotFound, http.StatusInternalServerError, http.StatusNotImplemented} {
						n++
						err := &store.StorageError{Op: op, Object: object, Code: code, Status: status, Kind: kind}
						if said := a.Explain(err); strings.Contains(strings.ToLower(said), "kms") || strings.Contains(said, "that the alias exists") {
							t.Errorf("%+v: %s", *err, said)
						}
					}
				}
			}
		}
	}
	if n < 5000 {
		t.Errorf("%d errors", n)
	}
}

// With an S3 server of one's own, KMS is at AWS only because nobody has said where it is.
func TestAnErrorOfKMSAtAWSNamesTheVariableOfItsServer(t *testing.T) {
	const says = "KMS is asked at AWS, as AWS_ENDPOINT_URL_KMS isn't set"
	foreign := store.StorageError{Op: "get", Object: "api/k.json", Kind: store.ErrCredentials, Code: "UnrecognizedClientException", Reason: "kms:Decrypt with 0a1b: The security token included in the request is invalid."}
	missed := store.StorageError{Op: "get", Object: "api/k.json", Kind: store.ErrUnavailable, Reason: "no answer from kms.eu-west-1.amazonaws.com (timeout)"}
	ofS3 := store.StorageError{Op: "get", Object: "api/k.json", Kind: store.ErrCredentials, Code: "InvalidAccessKeyId"}
	for name, c := range map[string]struct {
		backend, variable string
		err               store.StorageError
		want              bool
	}{
		"credentials of the S3 server": {"s3-envelope", "AWS_ENDPOINT_URL_S3=http://127.0.0.1:1", foreign, true},
		"no answer":                    {"s3-envelope", "AWS_ENDPOINT_URL_S3=http://127.0.0.1:1", missed, true},
		"an error of S3":               {"s3-envelope", "AWS_ENDPOINT_URL_S3=http://127.0.0.1:1", ofS3, false},
		"S3 is AWS's, too":             {"s3-envelope", "X=", foreign, false},
		"S3 asks KMS":                  {"s3-kms", "AWS_ENDPOINT_URL_S3=http://127.0.0.1:1", foreign, false},
		"no KMS":                       {"s3-age", "AWS_ENDPOINT_URL_S3=http://127.0.0.1:1", foreign, false},
	} {
		t.Run(name, func(t *testing.T) {
			a := opened(t, c.backend)
			a.Globals.EndpointURL = ""
			for _, entry := range append(a.Environ, c.variable) { // the SDK reads the environment itself
				variable, value, _ := strings.Cut(entry, "=")
				t.Setenv(variable, value)
			}
			if _, err := a.Settings(); err != nil {
				t.Fatal(err)
			}
			if said := a.Explain(&c.err); strings.Contains(said, says) != c.want {
				t.Error(said)
			}
		})
	}
}
