package secretsmanager

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/awserror"
)

// storageError names an operation of Secrets Manager and the service.
func storageError(ctx context.Context, op, service string, err error) error {
	err = awserror.Storage(ctx, "secretsmanager:"+op, service, err, map[string]error{
		"ResourceNotFoundException": store.ErrNotFound,
		"ResourceExistsException":   store.ErrConflict, "InvalidRequestException": store.ErrConflict,
		"LimitExceededException": store.ErrConflict, "PreconditionNotMetException": store.ErrConflict,
		"InternalServiceError": store.ErrUnavailable, "InternalServiceErrorException": store.ErrUnavailable, "InvalidNextTokenException": store.ErrUnavailable,
		// The key is disabled, gone, or of another kind.
		"DecryptionFailure": store.ErrConfiguration, "DecryptionFailureException": store.ErrConfiguration,
		"EncryptionFailure": store.ErrConfiguration, "EncryptionFailureException": store.ErrConfiguration,
	})
	var refusal *store.StorageError
	if errors.As(err, &refusal) && refusal.Code == "InvalidRequestException" && strings.Contains(refusal.Reason, "delet") {
		return fmt.Errorf("the secret is scheduled for deletion and must be restored first: %w", refusal)
	}
	return err
}

// unknown ends the change, whatever it failed for: it must not begin again, which could make it
// twice.
func unknown(err error) error {
	if errors.Is(err, errMoved) {
		return fmt.Errorf("%w: the change may or may not be stored: %v", store.ErrUnknown, err) //nolint:errorlint // see above
	}
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
