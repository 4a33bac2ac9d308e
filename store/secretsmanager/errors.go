package secretsmanager

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
func storageError(ctx context.Context, op, service string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	refusal := &store.StorageError{Op: "secretsmanager:" + op, Object: service, Kind: kindWithoutCode(err)}
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
	if refusal.Code == "InvalidRequestException" && strings.Contains(refusal.Reason, "delet") {
		return fmt.Errorf("the secret is scheduled for deletion and must be restored first: %w", refusal)
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
	case "ResourceNotFoundException":
		return store.ErrNotFound
	case "AccessDeniedException", "AccessDenied", "UnauthorizedOperation":
		return store.ErrDenied
	case "ResourceExistsException", "InvalidRequestException", "LimitExceededException", "PreconditionNotMetException":
		return store.ErrConflict
	case "ThrottlingException", "Throttling", "RequestLimitExceeded", "TooManyRequestsException", "InternalServiceError",
		"InternalServiceErrorException", "InternalFailure", "InvalidNextTokenException", "RequestTimeout", "RequestTimeoutException", "ServiceUnavailable":
		return store.ErrUnavailable
	case "DecryptionFailure", "DecryptionFailureException", "EncryptionFailure", "EncryptionFailureException", // the key is disabled, gone, or of another kind
		"ExpiredTokenException", "ExpiredToken", "UnrecognizedClientException", "InvalidSignatureException", "InvalidClientTokenId",
		"IncompleteSignature", "MissingAuthenticationToken", "OptInRequired", "NotAuthorized":
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

// refused reports whether Secrets Manager answered with this kind of refusal.
func refused(err, kind error) bool {
	var refusal *store.StorageError
	return errors.As(err, &refusal) && refusal.Kind == kind
}

// applied reports whether a change that failed like this may have been made after all.
func applied(err error) bool {
	var refusal *store.StorageError
	if !errors.As(err, &refusal) {
		return true // the context ended on the way
	}
	throttled := strings.Contains(refusal.Code, "Throttling") || refusal.Code == "RequestLimitExceeded"
	return refusal.Kind == store.ErrUnavailable && !throttled
}

func unknown(err error) error {
	return fmt.Errorf("%w: the change may or may not be stored: %w", store.ErrUnknown, err)
}

// putError words what a put was refused for. A validation may quote its input, in part or
// escaped: its message is not passed on.
func putError(err error) error {
	var refusal *store.StorageError
	if !errors.As(err, &refusal) {
		return err
	}
	if refusal.Kind == store.ErrInvalid {
		refusal.Reason = ""
	}
	if refusal.Code == "LimitExceededException" {
		return fmt.Errorf("the secret has as many versions or labels as AWS allows, which removes old versions after a day: %w", err)
	}
	return err
}
