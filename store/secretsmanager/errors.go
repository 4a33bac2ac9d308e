package secretsmanager

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/awserror"
)

// storageError converts an error of the SDK. It adds the operation and the service.
func storageError(ctx context.Context, op, service string, err error) error {
	err = awserror.Storage(ctx, "secretsmanager:"+op, service, err, map[string]error{
		"ResourceNotFoundException": store.ErrNotFound,
		"ResourceExistsException":   store.ErrConflict, "InvalidRequestException": store.ErrConflict,
		"LimitExceededException": store.ErrConflict, "PreconditionNotMetException": store.ErrConflict,
		"InternalServiceError": store.ErrUnavailable, "InternalServiceErrorException": store.ErrUnavailable, "InvalidNextTokenException": store.ErrUnavailable,
		// The key is disabled or deleted, or has the wrong type.
		"DecryptionFailure": store.ErrConfiguration, "DecryptionFailureException": store.ErrConfiguration,
		"EncryptionFailure": store.ErrConfiguration, "EncryptionFailureException": store.ErrConfiguration,
	})
	var refusal *store.StorageError
	if errors.As(err, &refusal) && refusal.Code == "InvalidRequestException" && strings.Contains(refusal.Reason, "delet") {
		return fmt.Errorf("the secret is scheduled for deletion and must be restored first: %w", refusal)
	}
	return err
}

// unknown is the error of a change whose outcome is unknown. It hides errMoved: the change must not
// start again, which could make it twice.
func unknown(err error) error {
	if errors.Is(err, errMoved) {
		return fmt.Errorf("%w: the change may or may not have been stored: %v", store.ErrUnknown, err) //nolint:errorlint // see above
	}
	return fmt.Errorf("%w: the change may or may not have been stored: %w", store.ErrUnknown, err)
}

// putError explains why a put was refused. A validation error may quote its input, in part or
// escaped: putError removes that message.
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
