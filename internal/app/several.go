package app

import (
	"context"
	"errors"
	"slices"

	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store"
)

// EndsAll reports whether an error ends a command that handles several secrets or services: an
// interrupt, an outage, or credentials that are not accepted. Each of the rest would fail in the same way.
func EndsAll(err error) bool {
	if err == nil {
		return false
	}
	code := exitCode(err)
	return code == ExitInterrupted || code == exitUnavailable || errors.Is(err, store.ErrCredentials)
}

// Each calls do for 0 to n-1, at most limit calls at once. A failure does not stop the others, unless
// it is one that [EndsAll]: that is the error then. failed has the other failures, in order.
func Each(ctx context.Context, limit, n int, do func(ctx context.Context, i int) error) (failed []error, err error) {
	failed = make([]error, n)
	err = pace.Each(ctx, limit, n, func(ctx context.Context, i int) error {
		err := do(ctx, i)
		if EndsAll(err) {
			return err
		}
		failed[i] = err
		return nil
	})
	return slices.DeleteFunc(failed, func(err error) bool { return err == nil }), err
}

// worse compares two errors by what is the worse end of a command (docs/design/cli.md, "One bad thing
// among many"): what ends everything, then the higher exit code.
func worse(one, other error) int {
	rank := func(err error) int {
		code := exitCode(err)
		if EndsAll(err) {
			code += 1000
		}
		return code
	}
	return rank(one) - rank(other)
}

// Worst returns the worst of several errors, the first of equal ones; nil if there is none.
func Worst(errs ...error) error {
	var worst error
	for _, err := range errs {
		if err != nil && (worst == nil || worse(err, worst) > 0) {
			worst = err
		}
	}
	return worst
}

// Told returns an error with the exit code of err, which has been printed; nil for nil.
func Told(err error) error {
	if err == nil {
		return nil
	}
	return &ExitError{Code: exitCode(err)}
}

// Report prints every error but the worst, the last of equal ones, and returns that one for the caller to
// return; nil if there are none.
func (a *App) Report(errs ...error) error {
	errs = slices.DeleteFunc(slices.Clone(errs), func(err error) bool { return err == nil })
	if len(errs) == 0 {
		return nil
	}
	last := 0
	for i, err := range errs {
		if worse(err, errs[last]) >= 0 {
			last = i
		}
	}
	for i, err := range errs {
		if i != last {
			a.SayFailed("%s", Sentence(err))
		}
	}
	return errs[last]
}
