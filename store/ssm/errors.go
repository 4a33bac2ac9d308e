package ssm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/coffer-secrets/coffer/store"
)

// wrap makes the error of a method of [store.Store].
func wrap(op string, id store.ID, err error) error {
	var done *store.Error
	if err == nil || errors.As(err, &done) {
		return err
	}
	return &store.Error{Op: op, ID: id, Err: err}
}

// storageError is the one place that reads errors of the SDK. A context that has ended is
// told as such.
func storageError(ctx context.Context, op, name string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	refusal := &store.StorageError{Op: "ssm:" + op, Object: name, Kind: kindWithoutCode(err)}
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) {
		refusal.Status = response.HTTPStatusCode()
	}
	var api smithy.APIError
	switch {
	case refusal.Kind == store.ErrConfiguration:
		refusal.Reason = err.Error()
	case errors.As(err, &api):
		refusal.Code, refusal.Reason = api.ErrorCode(), api.ErrorMessage()
		refusal.Kind = kind(refusal.Code, refusal.Status)
	default:
		refusal.Reason = err.Error()
	}
	return refusal
}

// kindWithoutCode tells a request that could not be made from one that did not arrive.
func kindWithoutCode(err error) error {
	var operation *smithy.OperationError
	if errors.As(err, &operation) {
		text := operation.Err.Error()
		if strings.HasPrefix(text, "get identity: ") || strings.Contains(text, "resolve endpoint") {
			return store.ErrConfiguration
		}
	}
	return store.ErrUnavailable
}

func kind(code string, status int) error {
	switch code {
	case "ParameterNotFound", "ParameterVersionNotFound", "InvalidResourceId":
		return store.ErrNotFound
	case "AccessDeniedException", "AccessDenied", "UnauthorizedOperation":
		return store.ErrDenied
	case "ParameterAlreadyExists", "ParameterMaxVersionLimitExceeded", "HierarchyTypeMismatchException":
		return store.ErrConflict
	case "ThrottlingException", "Throttling", "RequestLimitExceeded", "TooManyUpdates", "TooManyRequestsException",
		"InternalServerError", "RequestTimeout", "RequestTimeoutException", "ServiceUnavailable", "KMS.ThrottlingException":
		return store.ErrUnavailable
	case "InvalidKeyId", "ParameterLimitExceeded", "ExpiredTokenException", "ExpiredToken", "UnrecognizedClientException",
		"InvalidSignatureException", "InvalidClientTokenId", "IncompleteSignature", "MissingAuthenticationToken",
		"OptInRequired", "NotAuthorized":
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

// absent reports whether Parameter Store said that a parameter does not exist.
func absent(err error) bool {
	var refusal *store.StorageError
	return errors.As(err, &refusal) && refusal.Kind == store.ErrNotFound
}

// applied reports whether a change that failed like this may have been made after all.
func applied(err error) bool {
	var refusal *store.StorageError
	if !errors.As(err, &refusal) {
		return true // the context ended on the way
	}
	throttled := strings.Contains(refusal.Code, "Throttling") || refusal.Code == "RequestLimitExceeded" || refusal.Code == "TooManyUpdates"
	return refusal.Kind == store.ErrUnavailable && !throttled
}

// putError words what a put was refused for. Parameter Store quotes values in some of its
// messages: those are not passed on.
func putError(err error, v store.Value) error {
	var refusal *store.StorageError
	if !errors.As(err, &refusal) {
		return err
	}
	tooLarge := refusal.Kind == store.ErrInvalid && strings.Contains(refusal.Reason, "4096")
	if refusal.Kind == store.ErrInvalid || strings.Contains(refusal.Reason, v.Reveal()) {
		refusal.Reason = ""
	}
	switch {
	case tooLarge:
		return fmt.Errorf("the value has %d bytes; a standard parameter keeps %d, an advanced one %d: %w", v.Len(), maxStandard, maxAdvanced, err)
	case refusal.Code == "ParameterMaxVersionLimitExceeded":
		return fmt.Errorf("it has 100 versions and the oldest carries a label, which must be moved first: %w", err)
	case refusal.Code == "HierarchyTypeMismatchException":
		return fmt.Errorf("it exists as a parameter that is not encrypted, whose type cannot change: %w", err)
	}
	return err
}
