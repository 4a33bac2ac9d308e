package awserror

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/pace"
)

// Change is a request that must not be executed twice, for a service with neither conditions nor
// idempotency tokens. If the answer is lost, it checks whether the request was executed before it
// sends another, and returns the result of the first one if it was.
type Change[T any] struct {
	// Retryer is the client's. Send does not use it if the request may have been executed
	// ([awsconf.Once]).
	Retryer aws.Retryer

	// Send sends the request. Its error is the SDK's.
	Send func() (T, error)

	// Fail converts the error of Send to one of the store.
	Fail func(error) error

	// Unknown returns an error of Fail as that of a change whose outcome is unknown.
	Unknown func(error) error

	// Look checks whether Send made the change, after it failed with lost. An error ends the
	// change.
	Look func(lost error) (answer T, made bool, err error)
}

// Make makes the change. It repeats Send as often as Retryer allows.
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
		case awsconf.Unapplied(err): // it may be refused because the request before was executed with a delay
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

// again reports whether a request that has failed n times can be sent once more, and waits before
// it.
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
	_ = pace.Sleep(ctx, delay) // if the context has ended, the next request fails
	return token, true
}
