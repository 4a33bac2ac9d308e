package engine

import (
	"errors"

	"github.com/coffer-secrets/coffer/internal/strictjson"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// wrap makes the error of an operation: what the bucket said becomes what the store says.
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

// Fail is the error of an operation that works on the bucket beside the engine: what the
// bucket said in the words of the store. Nil stays nil.
func Fail(op string, id store.ID, err error) error { return wrap(op, id.Service, id.Key, err) }

// StorageError translates an error of the bucket; any other passes.
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
		Op: refused.Op, Object: refused.Name, Code: refused.Code, Status: refused.Status,
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
		// A disabled key may be enabled again; a key that does not exist is a mistake of names.
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

// corrupt names the object that did not parse.
func corrupt(object string, err error) error {
	var parse *strictjson.Error
	if errors.As(err, &parse) {
		return &store.CorruptError{Object: object, Offset: parse.Offset, Reason: parse.Reason}
	}
	return &store.CorruptError{Object: object, Offset: -1, Reason: err.Error()}
}
