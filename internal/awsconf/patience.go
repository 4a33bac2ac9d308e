package awsconf

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"github.com/coffer-secrets/coffer/internal/pace"
)

const (
	longestWait = 20 * time.Second // between two attempts of one request
	shortSpread = time.Second      // of the first waits of a client that the server has served
	longSpread  = 6 * time.Second  // of the first waits of a client that was always throttled
)

// patience is a retryer of the SDK with other waits after throttling and when no server is reached.
// A client that the server has already served met a burst, and waits at most one second. A client
// that was always throttled may belong to a fleet that restarts, and waits up to six seconds. The
// spread doubles with each attempt.
//
// With a fleet of a thousand clients and a server for 500 requests a second, few requests are then
// refused twice. That requests beyond the first second's are refused once can't be avoided
// (docs/benchmarks.md).
type patience struct {
	aws.RetryerV2
	served atomic.Bool
}

// retryer returns a retryer that reads r at the first request.
func (r *retries) retryer() aws.Retryer {
	return late(sync.OnceValue(func() aws.RetryerV2 { return newPatience(r.mode, r.attempts) }))
}

// repeatsCut is a retryer that also repeats a request whose response ended too early. The SDK takes
// that for a response that it can't parse, and gives up (service/kms 1.43).
type repeatsCut struct{ aws.RetryerV2 }

// IsErrorRetryable implements [aws.Retryer].
func (r repeatsCut) IsErrorRetryable(err error) bool {
	return errors.Is(err, io.ErrUnexpectedEOF) || r.RetryerV2.IsErrorRetryable(err)
}

// late is a retryer that is made when it is used first.
type late func() aws.RetryerV2

// IsErrorRetryable implements [aws.Retryer].
func (l late) IsErrorRetryable(err error) bool { return l().IsErrorRetryable(err) }

// MaxAttempts implements [aws.Retryer].
func (l late) MaxAttempts() int { return l().MaxAttempts() }

// RetryDelay implements [aws.Retryer].
func (l late) RetryDelay(attempt int, err error) (time.Duration, error) {
	return l().RetryDelay(attempt, err)
}

// GetRetryToken implements [aws.Retryer].
func (l late) GetRetryToken(ctx context.Context, err error) (func(error) error, error) {
	return l().GetRetryToken(ctx, err)
}

// GetInitialToken implements [aws.Retryer].
func (l late) GetInitialToken() func(error) error {
	return l().GetInitialToken() //nolint:staticcheck // the interface still has it
}

// GetAttemptToken implements [aws.RetryerV2].
func (l late) GetAttemptToken(ctx context.Context) (func(error) error, error) {
	return l().GetAttemptToken(ctx)
}

func newPatience(mode aws.RetryMode, attempts int) aws.RetryerV2 {
	p := &patience{}
	backoff := retry.NewExponentialJitterBackoff(longestWait)
	throttles := retry.IsErrorThrottles(retry.DefaultThrottles)
	options := func(o *retry.StandardOptions) {
		o.MaxAttempts = attempts
		o.MaxBackoff = longestWait
		o.Backoff = retry.BackoffDelayerFunc(func(attempt int, err error) (time.Duration, error) {
			var contact *ContactError
			switch {
			case errors.As(err, &contact) && contact.soon:
				return time.Duration(max(1, attempt)) * time.Second, nil
			case throttles.IsErrorThrottle(err) == aws.TrueTernary && mode == aws.RetryModeStandard:
				return p.wait(attempt)
			}
			return backoff.BackoffDelay(attempt, err)
		})
	}
	if mode == aws.RetryModeAdaptive {
		p.RetryerV2 = retry.NewAdaptiveMode(func(o *retry.AdaptiveModeOptions) {
			o.StandardOptions = append(o.StandardOptions, options)
		})
	} else {
		p.RetryerV2 = retry.NewStandard(options)
	}
	return p
}

// wait returns a random part of the spread after the given number of attempts.
func (p *patience) wait(attempts int) (time.Duration, error) {
	spread := longSpread
	if p.served.Load() {
		spread = shortSpread
	}
	// From the sixth attempt on the spread is longestWait anyway. With AWS_NEW_RETRIES_2026 the
	// SDK counts from 0.
	spread = min(spread<<max(0, min(attempts-1, 5)), longestWait)
	return pace.Jitter(spread), nil
}

// GetAttemptToken implements [aws.RetryerV2]. The returned function is called with the result of
// the attempt.
func (p *patience) GetAttemptToken(ctx context.Context) (func(error) error, error) {
	release, err := p.RetryerV2.GetAttemptToken(ctx)
	if err != nil {
		return nil, err
	}
	return func(err error) error {
		if err == nil {
			p.served.Store(true)
		}
		return release(err)
	}, nil
}
