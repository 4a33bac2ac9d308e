package s3bucket

import (
	"errors"
	"net/http"
	"net/url"
	"testing"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

func FuzzClassify(f *testing.F) {
	for code := range codes {
		f.Add(uint8(0), 403, code, "message", "eu-west-1")
	}
	f.Add(uint8(1), 403, "Forbidden", "", "")
	f.Add(uint8(2), 400, "KMS.DisabledException", "is disabled", "")
	f.Add(uint8(3), 404, "AccessDenied", "", "")
	f.Add(uint8(4), 301, "PermanentRedirect", "get identity: ", "\n")
	f.Add(uint8(0), 0, "", "", "")
	f.Add(uint8(2), 200, "UnknownError", "", "")

	ops := []string{"get", "head", "put", "delete", "list"}
	sentinels := []error{
		bucket.ErrNotFound, bucket.ErrChanged, bucket.ErrBusy, bucket.ErrDenied, bucket.ErrKey, bucket.ErrNoBucket,
		bucket.ErrCredentials, bucket.ErrUnavailable, bucket.ErrUnsupported, bucket.ErrTorn, bucket.ErrRefused, bucket.ErrEndpoint,
	}
	f.Fuzz(func(t *testing.T, which uint8, status int, code, message, region string) {
		op := ops[int(which)%len(ops)]
		response := &http.Response{StatusCode: status, Header: http.Header{"X-Amz-Bucket-Region": {region}}}
		err := classify(op, "api/db.json", &smithy.OperationError{
			ServiceID: "S3", OperationName: op,
			Err: &awshttp.ResponseError{ResponseError: &smithyhttp.ResponseError{
				Response: &smithyhttp.Response{Response: response},
				Err:      &smithy.GenericAPIError{Code: code, Message: message},
			}},
		})
		n := 0
		for _, s := range sentinels {
			if errors.Is(err, s) {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s %d %q: error %v is %d sentinels, want 1", op, status, code, err, n)
		}
		if denied := code == "AccessDenied" && op != "head"; denied != errors.Is(err, bucket.ErrDenied) && op != "head" {
			t.Errorf("%s %d %q: error %v", op, status, code, err)
		}
		if code == "AccessDenied" && op != "head" && errors.Is(err, bucket.ErrNotFound) {
			t.Errorf("%s %d: a denial is not found", op, status)
		}
		if errors.Is(err, bucket.ErrNotFound) && status != http.StatusNotFound && code != "NoSuchKey" && code != "NoSuchVersion" {
			t.Errorf("%s %d %q is not found", op, status, code)
		}
		_ = err.Error()
	})
}

// FuzzDecodeName: a name that the server has encoded comes back as it was, and no name of a
// listing, encoded or not, is lost or makes two of one.
func FuzzDecodeName(f *testing.F) {
	for _, name := range []string{"api/db_url.json", "a b+c", "%zz", "%2", "ä/\n\x00", "%252F", "\xff"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if got := decodeName(url.QueryEscape(name), types.EncodingTypeUrl); got != name {
			t.Errorf("%q comes back as %q", name, got)
		}
		if got := decodeName(name, ""); got != name {
			t.Errorf("%q, which is not encoded, becomes %q", name, got)
		}
		if got := decodeName(name, types.EncodingTypeUrl); got == "" && name != "" {
			t.Errorf("%q becomes nothing", name)
		}
	})
}
