package awserror

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/pace"
)

// Change is a request that must not be obeyed twice, where the service has neither conditions
// nor idempotency tokens. Of a request whose answer is lost it looks what became of it before it
// sends another, and takes what it made for its own.
type Change[T any] struct {
	// Retryer is the client's. Send goes without it where the request may have been obeyed
	// ([awsconf.Once]).
	Retryer aws.Retryer

	// Send sends the request. Its error is the SDK's.
	Send func() (T, error)

	// Fail makes the error of Send one of the store.
	Fail func(error) error

	// Unknown words an error of Fail after which nobody knows whether the change is made.
	Unknown func(error) error

	// Look looks for what Send may have made, after it failed like lost. An error ends the change.
	Look func(lost error) (answer T, made bool, err error)
}

// Make makes the change.
func (c Change[T]) Make(ctx context.Context) (T, error) {
	release := func(error) error { return nil }
	for n := 1; ; n++ {
		answer, err := c.Send()
		_ = release(err)
		if err == nil {
			return answer, nil
		}
		failed := c.Fail(err)
		again := false
		switch {
		case ctx.Err() != nil:
			return answer, c.Unknown(failed)
		case awsconf.Unapplied(err) && n == 1:
			return answer, failed
		case awsconf.Unapplied(err): // it may be refused because the one before has arrived at last
		default:
			release, again = c.again(ctx, n, err)
		}
		answer, made, lookErr := c.Look(failed)
		switch {
		case lookErr != nil, made:
			return answer, lookErr
		case !again:
			return answer, failed
		}
	}
}

// again reports whether a request that has failed n times may be sent once more, and waits
// before it.
func (c Change[T]) again(ctx context.Context, n int, err error) (release func(error) error, again bool) {
	release = func(error) error { return nil }
	r, ok := c.Retryer.(aws.RetryerV2)
	if !ok || n >= r.MaxAttempts() || !r.IsErrorRetryable(err) {
		return release, false
	}
	token, tokenErr := r.GetRetryToken(ctx, err)
	if tokenErr != nil {
		return release, false
	}
	delay, delayErr := r.RetryDelay(n, err)
	if delayErr != nil {
		return token, false
	}
	_ = pace.Sleep(ctx, delay) // the next request fails where the context has ended
	return token, true
}
