package s3test

import (
	"sync"
	"time"
)

// limiter allows rate requests a second, with bursts of at most one second's worth.
type limiter struct {
	rate  float64 // 0: no limit
	clock func() time.Time

	mu   sync.Mutex
	left float64
	last time.Time
}

func newLimiter(rate int, clock func() time.Time) *limiter {
	return &limiter{rate: float64(rate), clock: clock, left: float64(rate), last: clock()}
}

func (l *limiter) allow() bool {
	if l.rate <= 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock()
	l.left = min(l.rate, l.left+now.Sub(l.last).Seconds()*l.rate)
	l.last = now
	if l.left < 1 {
		return false
	}
	l.left--
	return true
}
