package ssm

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/awserror"
)

// storageError converts an error of the SDK. It adds the operation and the parameter.
func storageError(ctx context.Context, op, name string, err error) error {
	return awserror.Storage(ctx, "ssm:"+op, name, err, map[string]error{
		"ParameterNotFound": store.ErrNotFound, "ParameterVersionNotFound": store.ErrNotFound, "InvalidResourceId": store.ErrNotFound,
		"ParameterAlreadyExists": store.ErrConflict, "ParameterMaxVersionLimitExceeded": store.ErrConflict, "HierarchyTypeMismatchException": store.ErrConflict,
		"TooManyUpdates": store.ErrUnavailable, "KMS.ThrottlingException": store.ErrUnavailable,
		"InvalidKeyId": store.ErrConfiguration, "ParameterLimitExceeded": store.ErrConfiguration,
	})
}

// absent reports whether the error means that a parameter does not exist.
func absent(err error) bool { return awserror.Is(err, store.ErrNotFound) }

// putError explains why a put was refused. Some messages of Parameter Store quote values: it
// removes those messages.
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
		return fmt.Errorf("the value has %d bytes; the limit is %d in a standard parameter, %d in an advanced one: %w", v.Len(), maxStandard, maxAdvanced, err)
	case refusal.Code == "ParameterMaxVersionLimitExceeded":
		return fmt.Errorf("it has 100 versions and the oldest has a label, which must be moved first: %w", err)
	case refusal.Code == "HierarchyTypeMismatchException":
		return fmt.Errorf("it exists as a parameter that is not encrypted, whose type cannot change: %w", err)
	}
	return err
}

// unknown is the error of a change whose outcome is unknown. done is "stored", "deleted" or
// "moved".
func unknown(done string, err error) error {
	return fmt.Errorf("%w: it may or may not be %s: %w", store.ErrUnknown, done, err)
}
