// Package awserror converts the errors of the AWS SDK to those of the store, for the backends on
// AWS's JSON services. The errors of S3 are different, so its driver has its own classifier.
package awserror

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/store"
)

// Wrap returns err as the error of a method of [store.Store].
func Wrap(op string, id store.ID, err error) error {
	var done *store.Error
	if err == nil || errors.As(err, &done) {
		return err
	}
	return &store.Error{Op: op, ID: id, Err: err}
}

// Storage returns the [*store.StorageError] of a failed operation, such as "ssm:GetParameter". The
// service's own codes determine its kind first, then the codes that all services share, then the
// status. If ctx has ended, it returns the error of ctx.
func Storage(ctx context.Context, op, object string, err error, own map[string]error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var ended *store.CredentialsError
	if errors.As(err, &ended) {
		return ended
	}
	refusal := &store.StorageError{Op: op, Object: object, Kind: kindWithoutCode(err)}
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) {
		refusal.Status = response.HTTPStatusCode()
	}
	var api smithy.APIError
	var contact *awsconf.ContactError
	switch {
	case errors.As(err, &contact) && !errors.Is(refusal.Kind, store.ErrCredentials):
		refusal.Code, refusal.Reason = contact.Code, contact.Error()
	case errors.Is(refusal.Kind, store.ErrConfiguration):
		refusal.Reason = awsconf.Said(err)
	case errors.As(err, &api):
		refusal.Code, refusal.Reason = api.ErrorCode(), api.ErrorMessage()
		refusal.Kind = kind(refusal.Code, refusal.Status, own)
	default:
		refusal.Reason = awsconf.Said(err)
		if refusal.Status != 0 && !awsconf.CutOff(err) && (refusal.Status < http.StatusInternalServerError || refusal.Status == http.StatusNotImplemented) {
			refusal.Kind = store.ErrConfiguration // another server than the service's
		}
	}
	return refusal
}

// kindWithoutCode distinguishes a request that could not be made from one that got no answer.
func kindWithoutCode(err error) error {
	var operation *smithy.OperationError
	if errors.As(err, &operation) {
		text := operation.Err.Error()
		switch {
		case strings.HasPrefix(text, "get identity: "):
			return store.ErrCredentials
		case strings.Contains(text, "resolve endpoint"):
			return store.ErrConfiguration
		}
	}
	var contact *awsconf.ContactError
	if errors.As(err, &contact) && contact.Code != "" {
		return store.ErrConfiguration
	}
	return store.ErrUnavailable
}

func kind(code string, status int, own map[string]error) error {
	if kind, ok := own[code]; ok {
		return kind
	}
	switch code {
	case "AccessDeniedException", "AccessDenied", "UnauthorizedOperation":
		return store.ErrDenied
	case "ThrottlingException", "Throttling", "RequestLimitExceeded", "TooManyRequestsException",
		"InternalServerError", "InternalFailure", "RequestTimeout", "RequestTimeoutException", "ServiceUnavailable":
		return store.ErrUnavailable
	case "ExpiredTokenException", "ExpiredToken", "UnrecognizedClientException", "InvalidSignatureException",
		"InvalidClientTokenId", "IncompleteSignature", "MissingAuthenticationToken":
		return store.ErrCredentials
	case "OptInRequired", "NotAuthorized":
		return store.ErrConfiguration
	case "UnknownOperationException", "InvalidAction":
		return store.ErrUnsupported
	}
	switch {
	case status >= 500 || status == http.StatusTooManyRequests:
		return store.ErrUnavailable
	case strings.HasPrefix(code, "KMS"), status == http.StatusForbidden, status == http.StatusUnauthorized:
		return store.ErrConfiguration
	}
	return store.ErrInvalid
}

// Is reports whether the answer of a service was a refusal of this kind.
func Is(err, kind error) bool {
	var refusal *store.StorageError
	return errors.As(err, &refusal) && refusal.Kind == kind
}

// Applied reports whether a change may have been made although it failed with err.
func Applied(err error) bool {
	if errors.Is(err, store.ErrCredentials) {
		return false
	}
	var refusal *store.StorageError
	if !errors.As(err, &refusal) {
		return true // the context ended during the request
	}
	throttled := strings.Contains(refusal.Code, "Throttling") || refusal.Code == "RequestLimitExceeded" || refusal.Code == "TooManyUpdates"
	return refusal.Kind == store.ErrUnavailable && !throttled
}
