package s3bucket

import (
	"context"
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

// fail is classify for a request with ctx. If ctx has ended, the error is that of ctx, unless the
// server answered before: then the outcome of a put is known.
func (b *Bucket) fail(ctx context.Context, op, name string, err error) error {
	if ctx.Err() != nil && status(err) == 0 {
		return &bucket.Error{Op: op, Name: name, Err: ctx.Err()}
	}
	failed := classify(op, name, err)
	var e *bucket.Error
	if errors.As(failed, &e) && errors.Is(e.Err, bucket.ErrNoBucket) {
		e.Bucket = b.o.Bucket
	}
	return failed
}

// failPut is fail for a put. Some servers answer 500 for an unknown key without naming it, so the
// error names the key and the server.
func (b *Bucket) failPut(ctx context.Context, name, key string, err error) error {
	failed := b.fail(ctx, "put", name, err)
	var e *bucket.Error
	if errors.As(failed, &e) && e.Status >= http.StatusInternalServerError && key != "" {
		e.Reason = fmt.Sprintf("under %s, at %s: %s", key, awsconf.HostOf(err), e.Reason)
	}
	return failed
}

// classify converts an error of the SDK to a [*bucket.Error] around one sentinel, or around
// [context.Canceled]. The API error code decides first, then the HTTP status (protocol.md, section
// 3; facts.md, sections 2, 3, 4 and 9). An unknown error is ErrRefused: never "not found", never
// "denied".
func classify(op, name string, err error) error {
	e := &bucket.Error{Op: op, Name: name, Status: status(err), Reason: awsconf.Said(err)}
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
		e.Reason, e.Err = awsconf.Said(err), bucket.ErrCredentials
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

// codes are those of AWS S3, and those of MinIO and Ceph that differ.
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
	"InvalidAccessKeyId":              bucket.ErrCredentials, // Ceph also sends it for an unknown KMS key
	"SignatureDoesNotMatch":           bucket.ErrCredentials,
	"RequestTimeTooSkewed":            bucket.ErrCredentials,
	"RequestExpired":                  bucket.ErrCredentials,
	"InvalidSecurity":                 bucket.ErrCredentials,
	"MissingSecurityHeader":           bucket.ErrCredentials,
	"MissingAuthenticationToken":      bucket.ErrCredentials,
	"UnrecognizedClientException":     bucket.ErrCredentials,
	"XMinioAdminNoSuchAccessKey":      bucket.ErrCredentials,
	"AuthorizationHeaderMalformed":    bucket.ErrEndpoint, // a bucket in another region
	"PermanentRedirect":               bucket.ErrEndpoint, // the same
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
	"IncompleteBody":                  bucket.ErrUnavailable, // a put that was cut off
	"BadDigest":                       bucket.ErrUnavailable, // a put that was modified in transit
	"XAmzContentSHA256Mismatch":       bucket.ErrUnavailable,
	"XAmzContentChecksumMismatch":     bucket.ErrUnavailable,
	"KMS.ThrottlingException":         bucket.ErrUnavailable,
	"KMS.KMSInternalException":        bucket.ErrUnavailable,
	"KMS.InternalException":           bucket.ErrUnavailable,
	"KMS.DependencyTimeoutException":  bucket.ErrUnavailable,
	"KMS.ServiceUnavailableException": bucket.ErrUnavailable,
}

// ofAnswer classifies an answer by its code, or else by its status. There is one code for a denial.
// Every other 403 is a fault of the credentials, the key or the account, and must not be skipped.
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
		// MinIO: KeyNotFound, or NotAuthorized for a key that is denied to the server or disabled.
		// The answer does not show which, so it is ErrKey, which is never skipped.
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

// missing classifies a 404 that is not NoSuchKey. The SDK calls one without a code NotFound, and
// one with only a text UnknownError. Any other code means that something else is missing.
func missing(op, code string) error {
	switch {
	case op == "list":
		return bucket.ErrNoBucket
	case code == "", code == "NotFound", code == "UnknownError":
		return bucket.ErrNotFound
	}
	return bucket.ErrRefused
}

// ofHead classifies by the status alone: the answer to a HEAD has no body, so it has no code.
func ofHead(status int) error {
	if status == http.StatusForbidden {
		return bucket.ErrDenied
	}
	return ofStatus("head", "", status)
}

// ofTransport classifies errors other than a refusal of the server: there was no answer, the answer
// is invalid, or the SDK made no request.
func ofTransport(err error) error {
	var (
		body      *bodyError
		decoding  *smithy.DeserializationError
		sending   *smithyhttp.RequestSendError
		network   net.Error
		operation *net.OpError
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
	case errors.As(err, &sending), errors.As(err, &network), errors.Is(err, context.DeadlineExceeded):
		return bucket.ErrUnavailable
	}
	return bucket.ErrRefused
}

// identityFailed reports whether fetching credentials failed. That error may be an answer of
// another service ("AccessDenied" from STS), and must not be mistaken for an answer of S3. The SDK
// has no type for it. A server's text is never at the beginning of the error, so the prefix is
// reliable.
func identityFailed(err error) bool {
	var operation *smithy.OperationError
	return errors.As(err, &operation) && operation.Err != nil &&
		strings.HasPrefix(operation.Err.Error(), "get identity: ")
}

// status returns the HTTP status, or 0 without an answer: the SDK makes a ResponseError for that
// too.
func status(err error) int {
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}

// bucketRegion returns the region of the bucket, if an answer from another region names it.
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

// versionOfAnswer returns the version id in an error answer: that of the delete marker if the
// object was deleted. It returns nil if there is none.
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

// isRegion reports whether name can be a region, so that no other text of a server gets into a
// message.
func isRegion(name string) bool {
	return len(name) <= 40 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
