package s3bucket

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// fail is classify for a request of ctx. The end of ctx is its own error, unless the server
// answered before: a put that was refused is not a put whose outcome is unknown.
func fail(ctx context.Context, op, name string, err error) error {
	if ctx.Err() != nil && status(err) == 0 {
		return &bucket.Error{Op: op, Name: name, Err: ctx.Err()}
	}
	return classify(op, name, err)
}

// failPut is fail for a put. Some servers answer 500 for a key that they do not know, and name
// neither: the error does.
func failPut(ctx context.Context, name, key string, err error) error {
	failed := fail(ctx, "put", name, err)
	var e *bucket.Error
	if errors.As(failed, &e) && e.Status >= http.StatusInternalServerError && key != "" {
		e.Reason = fmt.Sprintf("under %s, at %s: %s", key, awsconf.HostOf(err), e.Reason)
	}
	return failed
}

// classify turns an error of the SDK into a [*bucket.Error] around one sentinel, or around
// [context.Canceled]: by the API error code first and the HTTP status second (protocol.md,
// section 3; facts.md, sections 2, 3, 4 and 9). What it does not know is ErrRefused: never
// "not found", never "denied".
func classify(op, name string, err error) error {
	e := &bucket.Error{Op: op, Name: name, Status: status(err), Reason: reason(err)}
	var api smithy.APIError
	if errors.As(err, &api) {
		e.Code, e.Reason = api.ErrorCode(), api.ErrorMessage()
	}
	var contact *awsconf.ContactError
	var ended *store.CredentialsError
	switch {
	case errors.As(err, &ended):
		e.Code, e.Reason, e.Err = "", "", fmt.Errorf("%w: %w", bucket.ErrCredentials, ended)
	case errors.As(err, &contact) && !identityFailed(err):
		e.Code, e.Reason, e.Err = contact.Code, contact.Error(), bucket.ErrUnavailable
		if contact.Code != "" {
			e.Err = bucket.ErrEndpoint
		}
	case identityFailed(err):
		e.Reason, e.Err = reason(err), bucket.ErrCredentials
	case e.Code == "" && e.Status < http.StatusMultipleChoices:
		e.Err = ofTransport(err)
	case op == "head":
		e.Err = ofHead(e.Status)
	default:
		e.Err = ofAnswer(op, e.Code, e.Status)
	}
	if region := bucketRegion(err); region != "" {
		e.Reason = strings.TrimSpace(e.Reason + " (the bucket is in region " + region + ")")
	}
	return e
}

// codes are the ones of AWS S3, with those of MinIO and Ceph where they differ.
var codes = map[string]error{
	"AccessDenied":  bucket.ErrDenied,
	"NoSuchKey":     bucket.ErrNotFound,
	"NoSuchVersion": bucket.ErrNotFound,
	"NoSuchBucket":  bucket.ErrNoBucket,

	"PreconditionFailed":         bucket.ErrChanged,
	"ConditionalRequestConflict": bucket.ErrBusy,
	"OperationAborted":           bucket.ErrBusy,
	"NotImplemented":             bucket.ErrUnsupported,

	"ExpiredToken":                    bucket.ErrCredentials,
	"ExpiredTokenException":           bucket.ErrCredentials,
	"TokenRefreshRequired":            bucket.ErrCredentials,
	"InvalidToken":                    bucket.ErrCredentials,
	"InvalidTokenId":                  bucket.ErrCredentials,
	"InvalidClientTokenId":            bucket.ErrCredentials,
	"InvalidAccessKeyId":              bucket.ErrCredentials, // Ceph's word for an unknown KMS key too
	"SignatureDoesNotMatch":           bucket.ErrCredentials,
	"RequestTimeTooSkewed":            bucket.ErrCredentials,
	"RequestExpired":                  bucket.ErrCredentials,
	"InvalidSecurity":                 bucket.ErrCredentials,
	"MissingSecurityHeader":           bucket.ErrCredentials,
	"MissingAuthenticationToken":      bucket.ErrCredentials,
	"UnrecognizedClientException":     bucket.ErrCredentials,
	"XMinioAdminNoSuchAccessKey":      bucket.ErrCredentials,
	"AuthorizationHeaderMalformed":    bucket.ErrRefused, // a bucket in another region
	"PermanentRedirect":               bucket.ErrRefused, // the same
	"AllAccessDisabled":               bucket.ErrRefused,
	"InvalidPayer":                    bucket.ErrRefused,
	"AccountProblem":                  bucket.ErrRefused,
	"SlowDown":                        bucket.ErrUnavailable,
	"SlowDownRead":                    bucket.ErrUnavailable,
	"SlowDownWrite":                   bucket.ErrUnavailable,
	"ServiceUnavailable":              bucket.ErrUnavailable,
	"InternalError":                   bucket.ErrUnavailable,
	"RequestTimeout":                  bucket.ErrUnavailable,
	"RequestTimeoutException":         bucket.ErrUnavailable,
	"RequestThrottled":                bucket.ErrUnavailable,
	"RequestLimitExceeded":            bucket.ErrUnavailable,
	"BandwidthLimitExceeded":          bucket.ErrUnavailable,
	"Throttling":                      bucket.ErrUnavailable,
	"ThrottlingException":             bucket.ErrUnavailable,
	"ThrottledException":              bucket.ErrUnavailable,
	"TooManyRequestsException":        bucket.ErrUnavailable,
	"IncompleteBody":                  bucket.ErrUnavailable, // a put cut on its way
	"BadDigest":                       bucket.ErrUnavailable, // a put changed on its way
	"XAmzContentSHA256Mismatch":       bucket.ErrUnavailable,
	"XAmzContentChecksumMismatch":     bucket.ErrUnavailable,
	"KMS.ThrottlingException":         bucket.ErrUnavailable,
	"KMS.KMSInternalException":        bucket.ErrUnavailable,
	"KMS.InternalException":           bucket.ErrUnavailable,
	"KMS.DependencyTimeoutException":  bucket.ErrUnavailable,
	"KMS.ServiceUnavailableException": bucket.ErrUnavailable,
}

// ofAnswer looks at the code first. A denial has one code: every other 403 is a fault of the
// credentials, the key or the account, which nobody may skip.
func ofAnswer(op, code string, status int) error {
	sentinel, known := codes[code]
	switch {
	case known && sentinel == bucket.ErrNotFound && op == "list":
		return bucket.ErrNoBucket
	case known:
		return sentinel
	case strings.HasPrefix(code, "KMS."):
		return bucket.ErrKey
	case strings.HasPrefix(code, "kms:"):
		// MinIO: KeyNotFound, and NotAuthorized for a key that is denied to the server, or
		// disabled: it cannot be told which, so it is the one that is never skipped.
		return bucket.ErrKey
	}
	return ofStatus(op, code, status)
}

func ofStatus(op, code string, status int) error {
	switch status {
	case http.StatusUnauthorized:
		return bucket.ErrCredentials
	case http.StatusNotFound:
		return missing(op, code)
	case http.StatusConflict:
		return bucket.ErrBusy
	case http.StatusPreconditionFailed:
		return bucket.ErrChanged
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return bucket.ErrUnavailable
	case http.StatusNotImplemented:
		return bucket.ErrUnsupported
	}
	if status >= 500 {
		return bucket.ErrUnavailable
	}
	return bucket.ErrRefused
}

// missing is for a 404 that is not NoSuchKey: the SDK calls one without a code NotFound, and
// one with a text alone UnknownError. Any other code says that something else is missing.
func missing(op, code string) error {
	switch {
	case op == "list":
		return bucket.ErrNoBucket
	case code == "", code == "NotFound", code == "UnknownError":
		return bucket.ErrNotFound
	}
	return bucket.ErrRefused
}

// ofHead has the status alone: the answer to a HEAD has no body, and so no code.
func ofHead(status int) error {
	if status == http.StatusForbidden {
		return bucket.ErrDenied
	}
	return ofStatus("head", "", status)
}

// ofTransport is for errors without a refusal of the server: it did not answer, or its
// answer makes no sense, or the SDK never asked it.
func ofTransport(err error) error {
	var (
		body        *bodyError
		decoding    *smithy.DeserializationError
		certificate *tls.CertificateVerificationError
		sending     *smithyhttp.RequestSendError
		network     net.Error
		operation   *net.OpError
	)
	switch {
	case errors.As(err, &network) && network.Timeout():
		return bucket.ErrUnavailable
	case errors.As(err, &body) && errors.As(err, &operation):
		return errCut
	case errors.As(err, &body), errors.As(err, &decoding):
		return bucket.ErrTorn
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.As(err, &certificate):
		return bucket.ErrRefused
	case errors.As(err, &sending), errors.As(err, &network), errors.Is(err, context.DeadlineExceeded):
		return bucket.ErrUnavailable
	}
	return bucket.ErrRefused
}

// identityFailed tells an error of fetching credentials, which may itself be an answer of
// another service ("AccessDenied" from STS), from an answer of S3. The SDK has no type for
// it; what a server says does not come at the beginning of the text.
func identityFailed(err error) bool {
	var operation *smithy.OperationError
	return errors.As(err, &operation) && operation.Err != nil &&
		strings.HasPrefix(operation.Err.Error(), "get identity: ")
}

// status is 0 without an answer: the SDK has a ResponseError for that too.
func status(err error) int {
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}

// reason is the error without the SDK's words around it.
func reason(err error) string {
	if text := awsconf.Unanswered(err); text != "" {
		return text
	}
	var operation *smithy.OperationError
	if errors.As(err, &operation) && operation.Err != nil {
		return operation.Err.Error()
	}
	return err.Error()
}

// bucketRegion is where the bucket is, when an answer of another region tells.
func bucketRegion(err error) string {
	var response *smithyhttp.ResponseError
	if !errors.As(err, &response) || response.Response == nil || response.Response.Response == nil {
		return ""
	}
	switch response.HTTPStatusCode() {
	case http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusBadRequest:
		if region := response.Response.Header.Get("X-Amz-Bucket-Region"); isRegion(region) {
			return region
		}
	}
	return ""
}

// versionOfAnswer is the version id that a refusal names: that of the mark where there is no
// object any more. Nil where there is none.
func versionOfAnswer(err error) *string {
	var response *smithyhttp.ResponseError
	if !errors.As(err, &response) || response.Response == nil || response.Response.Response == nil {
		return nil
	}
	if id := response.Response.Header.Get("X-Amz-Version-Id"); id != "" {
		return &id
	}
	return nil
}

// isRegion keeps what else a server may send out of a message.
func isRegion(name string) bool {
	return len(name) <= 40 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
