package engine

import (
	"errors"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/internal/strictjson"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// wrap returns the [*store.Error] of an operation. It translates errors of the bucket with
// [StorageError], and returns nil for nil and a [*store.Error] unchanged.
func wrap(op, service, key string, err error) error {
	if err == nil {
		return nil
	}
	var done *store.Error
	if errors.As(err, &done) {
		return err
	}
	return &store.Error{Op: op, ID: store.ID{Service: service, Key: key}, Err: StorageError(err)}
}

// Fail returns the [*store.Error] of an operation that uses the bucket directly, with errors of
// the bucket translated by [StorageError]. It returns nil for nil.
func Fail(op string, id store.ID, err error) error { return wrap(op, id.Service, id.Key, err) }

// StorageError translates an error of the bucket to a [*store.StorageError] or a
// [*store.CredentialsError]. It returns any other error unchanged.
func StorageError(err error) error {
	var refused *bucket.Error
	var ended *store.CredentialsError
	switch {
	case !errors.As(err, &refused):
		return err
	case errors.As(refused.Err, &ended):
		return ended
	}
	return &store.StorageError{
		Op: refused.Op, Object: refused.Name, Bucket: refused.Bucket, Code: refused.Code, Status: refused.Status,
		Reason: refused.Reason, Kind: kind(refused),
	}
}

func kind(err *bucket.Error) error {
	switch is := func(target error) bool { return errors.Is(err.Err, target) }; {
	case is(bucket.ErrNotFound):
		return store.ErrNotFound
	case is(bucket.ErrChanged):
		return store.ErrConflict
	case is(bucket.ErrDenied):
		return store.ErrDenied
	case is(bucket.ErrKey):
		// A disabled key can be enabled again. A key that does not exist is a wrong name in the configuration.
		if err.Code == "KMS.DisabledException" || err.Code == "KMS.KMSInvalidStateException" {
			return store.ErrUnavailable
		}
		return store.ErrConfiguration
	case is(bucket.ErrCredentials):
		return store.ErrCredentials
	case is(bucket.ErrNoBucket), is(bucket.ErrEndpoint):
		return store.ErrConfiguration
	case is(bucket.ErrBusy), is(bucket.ErrUnavailable):
		return store.ErrUnavailable
	case is(bucket.ErrUnsupported), is(bucket.ErrVoid):
		return store.ErrUnsupported
	case is(bucket.ErrTorn):
		return store.ErrCorrupt
	}
	return err.Err
}

// corrupt returns the error for an object that does not parse.
func corrupt(object string, err error) error {
	var parse *strictjson.Error
	var invalid *index.ParseError
	if errors.As(err, &invalid) {
		return &store.CorruptError{Object: object, Offset: invalid.Offset, Reason: invalid.Reason}
	}
	if errors.As(err, &parse) {
		return &store.CorruptError{Object: object, Offset: parse.Offset, Reason: parse.Reason}
	}
	return &store.CorruptError{Object: object, Offset: -1, Reason: err.Error()}
}

// keyIsGone reports whether an object can't be opened because the key of its alias is no longer there.
func keyIsGone(err error) bool {
	var refused *bucket.Error
	return errors.As(err, &refused) && store.IsKeyGone(refused.Code)
}
