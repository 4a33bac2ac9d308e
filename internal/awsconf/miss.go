package awsconf

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
)

// lastMiss has the failure of the newest attempt of a request, if that reached no server. The SDK's error
// doesn't tell it when the time of the request is over while it waits for the next attempt.
type lastMiss struct{ atomic.Pointer[ContactError] }

type lastMissKey struct{}

// recordMiss returns a context whose requests record their failures in the [lastMiss].
func recordMiss(ctx context.Context) (context.Context, *lastMiss) {
	m := &lastMiss{}
	return context.WithValue(ctx, lastMissKey{}, m), m
}

// newestMiss returns the record of a context. Without one, it is one that nobody reads.
func newestMiss(ctx context.Context) *lastMiss {
	if m, ok := ctx.Value(lastMissKey{}).(*lastMiss); ok {
		return m
	}
	return &lastMiss{}
}

// explain returns the recorded failure if the time of a request ended, and err otherwise.
func (m *lastMiss) explain(ctx context.Context, err error) error {
	if miss := m.Load(); miss != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return miss
	}
	return err
}

// NotReached says that a service wasn't reached, and why. It returns "" for the error of one that was.
func NotReached(service string, err error) string {
	var contact *ContactError
	switch {
	case !errors.As(err, &contact), IdentityFailed(err): // that was another service
		return ""
	case contact.Code == "":
		return fmt.Sprintf("%s can't be reached at %s (%s)", service, contact.Host, reason(contact.Err))
	}
	return fmt.Sprintf("%s can't be reached: %s", service, contact)
}
