package ssm

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsssm "github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/awserror"
)

// send puts a parameter and returns its number. If the answer is lost, it checks the parameter
// before it puts again: a blind repetition makes one more version, and a repeated create is
// refused. The error wraps errMeanwhile if another writer has changed the parameter and our put was
// not made.
func (w *writing) send(ctx context.Context, in *awsssm.PutParameterInput, c *change) (int64, error) {
	uncertain := false
	number, err := awserror.Change[int64]{
		Retryer: w.retryer,
		Send:    func() (int64, error) { return w.putOnce(ctx, in) },
		Fail: func(err error) error {
			return putError(storageError(ctx, "PutParameter", *in.Name, err), c.value)
		},
		Unknown: func(err error) error { return unknown("stored", err) },
		Look: func(lost error) (int64, bool, error) {
			uncertain = true
			return w.look(ctx, in, c, lost)
		},
	}.Make(ctx)
	var refusal *store.StorageError
	switch {
	case errors.As(err, &refusal) && refusal.Code == "ParameterAlreadyExists":
		return 0, errMeanwhile
	case err == nil && uncertain && number > c.newest.number+1:
		// The first put was not visible, but may have been made after all, before the repeated one.
		if first, made, err := w.lookUpPut(ctx, in, c); err == nil && made {
			return first, nil
		}
	}
	return number, err
}

// putOnce puts a parameter and returns its number. Its error is the SDK's.
func (s *Store) putOnce(ctx context.Context, in *awsssm.PutParameterInput) (int64, error) {
	out, err := s.api.PutParameter(ctx, in, once)
	if err != nil {
		return 0, err
	}
	return out.Version, nil
}

// look checks whether a put whose answer was lost was made. It recognizes the put by its number,
// value, description and key. If another writer put the same, the result is the same.
func (w *writing) look(ctx context.Context, in *awsssm.PutParameterInput, c *change, lost error) (number int64, made bool, err error) {
	id, _ := secretID(in.Name)
	found, err := w.fetch(ctx, id.Service, []string{id.Key}, true)
	if err != nil {
		return 0, false, unknown("stored", lost)
	}
	stands, exists := found[id.Key]
	switch {
	case stands.number == c.newest.number:
		return 0, false, nil
	case !exists:
		return 0, false, unknown("stored", lost) // deleted meanwhile, whether or not our put was made
	case stands.number == c.newest.number+1 && stands.Value == c.value &&
		(stands.undescribed != nil || stands.Version == c.newest.Version+1 && stands.keyID == *in.KeyId):
		return stands.number, true, nil
	}
	number, made, err = w.lookUpPut(ctx, in, c)
	switch {
	case err != nil:
		return 0, false, unknown("stored", lost)
	case !made:
		return 0, false, errMeanwhile
	}
	return number, true, nil
}

// lookUpPut searches the history for the first of our puts.
func (w *writing) lookUpPut(ctx context.Context, in *awsssm.PutParameterInput, c *change) (number int64, made bool, err error) {
	id, _ := secretID(in.Name)
	versions, err := w.recorded(ctx, id, true)
	for _, h := range versions {
		if h.number > c.newest.number && h.Value == c.value && h.description == aws.ToString(in.Description) && h.keyID == *in.KeyId {
			return h.number, true, nil
		}
	}
	return 0, false, err
}
