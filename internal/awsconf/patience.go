package awsconf

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"github.com/coffer-secrets/coffer/internal/pace"
)

const (
	longestWait = 20 * time.Second // before another attempt of one request
	shortSpread = time.Second      // of the first waits of a client that the server has served
	longSpread  = 6 * time.Second  // of one that it has only ever told to slow down
)

// patience is a retryer of the SDK but for how long it waits when told to slow down, or when
// it finds no server. A client whom the server has served met a burst, and waits a second at
// most. One that has only ever been refused may be one of a fleet that restarts: it spreads over
// six. The spread doubles with each attempt.
//
// Of a fleet of a thousand, a server for 500 requests a second then refuses few twice; that it
// refuses those beyond its first second once is in nobody's hands (docs/benchmarks.md).
type patience struct {
	aws.RetryerV2
	served atomic.Bool
}

func newPatience(mode aws.RetryMode, attempts int) aws.Retryer {
	p := &patience{}
	backoff := retry.NewExponentialJitterBackoff(longestWait)
	throttles := retry.IsErrorThrottles(retry.DefaultThrottles)
	options := func(o *retry.StandardOptions) {
		o.MaxAttempts = attempts
		o.MaxBackoff = longestWait
		o.Backoff = retry.BackoffDelayerFunc(func(attempt int, err error) (time.Duration, error) {
			var contact *ContactError
			switch {
			case errors.As(err, &contact) && contact.first:
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

// wait is a random part of the spread after so many attempts.
func (p *patience) wait(attempts int) (time.Duration, error) {
	spread := longSpread
	if p.served.Load() {
		spread = shortSpread
	}
	// From the sixth on it is the longest anyway. With AWS_NEW_RETRIES_2026 the SDK counts from 0.
	spread = min(spread<<max(0, min(attempts-1, 5)), longestWait)
	return pace.Jitter(spread), nil
}

// GetAttemptToken implements [aws.RetryerV2]. What it returns is told how the attempt ended.
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
