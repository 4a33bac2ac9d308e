package ssm

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsssm "github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/awserror"
)

// send puts a parameter and returns its number. When the answer is lost it looks before it puts
// again: a put that is repeated blindly makes a version more, and a create refuses itself. The
// error wraps errMeanwhile where another writer has changed it and nothing of ours is there.
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
		// The put that was not there yet may have arrived after all, before this one.
		if first, made, err := w.lookUpPut(ctx, in, c); err == nil && made {
			return first, nil
		}
	}
	return number, err
}

// putOnce returns the number of the parameter that it puts. Its error is the SDK's.
func (s *Store) putOnce(ctx context.Context, in *awsssm.PutParameterInput) (int64, error) {
	out, err := s.api.PutParameter(ctx, in, once)
	if err != nil {
		return 0, err
	}
	return out.Version, nil
}

// look finds out what became of a put whose answer was lost. Ours is known by its number, value,
// description and key: whoever has put the same has done what we were to do.
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
		return 0, false, unknown("stored", lost) // deleted since, with or without ours
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

// lookUpPut finds the first of our puts in the history.
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
