package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/environ"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/store"
)

// KeyFlags select secrets of a service by key.
type KeyFlags struct {
	Keys   []string `placeholder:"GLOB" help:"Only keys that match, such as 'db_*'."`
	Except []string `placeholder:"GLOB" help:"Leave out keys that match."`
}

// Choose returns which keys of a service the flags select, hidden and damaged ones too, and which of their
// patterns fit no key of it. Its errors are those of [environ.Choose].
func (f KeyFlags) Choose(c Contents) (environ.Choice, error) {
	return environ.Choose(c.Service, c.Keys(), f.Keys, f.Except)
}

// ChosenOf returns the secrets that a choice selects.
func ChosenOf(c Contents, choice environ.Choice) []store.Secret {
	var chosen []store.Secret
	for _, s := range c.Secrets {
		if choice.Keys[s.ID.Key] {
			chosen = append(chosen, s)
		}
	}
	return chosen
}

// RefuseMissed returns an error if a pattern of --keys matches no key of any of the services: it is probably a
// typing error. It prints a note for a pattern of --except.
func (a *App) RefuseMissed(missed environ.Choice, services string) error {
	for _, pattern := range missed.Except {
		a.Note("--except %s matches no key of %s", pattern, services)
	}
	if len(missed.Only) > 0 {
		return fmt.Errorf("%w: no key of %s matches --keys %s", store.ErrNotFound, services, strings.Join(missed.Only, " or "))
	}
	return nil
}

// Change is a value to write if Version is still the newest version of the secret. 0 means that the
// secret doesn't exist.
type Change struct {
	Key     string
	Value   store.Value
	Version int
}

// WriteChanges writes changes of one service, each if its version is still the newest. It updates
// the index once per distinct version. The error is the first failure.
func WriteChanges(ctx context.Context, s store.Store, service string, changes []Change, o store.WriteOptions) ([]store.Result, error) {
	byVersion := map[int]map[string]store.Value{}
	for _, c := range changes {
		if byVersion[c.Version] == nil {
			byVersion[c.Version] = map[string]store.Value{}
		}
		byVersion[c.Version][c.Key] = c.Value
	}
	var all []store.Result
	var first error
	for _, version := range slices.Sorted(maps.Keys(byVersion)) {
		if errors.Is(first, store.ErrCredentials) {
			first = markLeft(first, service, byVersion[version], &all)
			continue
		}
		o.IfVersion = &version
		results, err := s.WriteAll(ctx, service, byVersion[version], o)
		if errors.Is(err, store.ErrCredentials) {
			err = stoppedBy(err, service, len(all))
			if len(results) == 0 {
				err = markLeft(err, service, byVersion[version], &all)
			}
			first = err // replaces the failure of a single secret
		}
		all = append(all, results...)
		first = cmp.Or(first, err)
	}
	SortResults(all)
	return all, first
}

// stoppedBy returns the error of a batch that stopped because the session ended, after the given
// number of changes.
func stoppedBy(err error, service string, before int) error {
	var stopped *store.StoppedError
	if errors.As(err, &stopped) {
		stopped.Of += before
		return err
	}
	return &store.Error{Op: "write", ID: store.ID{Service: service}, Err: &store.StoppedError{Of: before, Err: cause(err)}}
}

// markLeft adds a result for each value that was not written because the session ended, and counts
// them in the error.
func markLeft(err error, service string, values map[string]store.Value, results *[]store.Result) error {
	var stopped *store.StoppedError
	if errors.As(err, &stopped) {
		stopped.Left, stopped.Of = stopped.Left+len(values), stopped.Of+len(values)
	}
	for key := range values {
		*results = append(*results, store.Result{Meta: store.Meta{ID: store.ID{Service: service, Key: key}}, Outcome: store.Left, Err: err})
	}
	return err
}

// ReportChanges prints the results for a service: how many of each outcome, and the failures. It
// leaves out the failure ending, which the caller returns.
func (a *App) ReportChanges(service string, results []store.Result, ending error) error {
	if a.Globals.JSON {
		return a.PrintResults(results)
	}
	if text := CountOutcomes(results); text != "" {
		a.note(worstMark(results), "%s: %s", service, text)
	}
	a.ReportFailures(results, ending)
	return nil
}

// worstMark returns the mark of a change of several secrets.
func worstMark(results []store.Result) render.Mark {
	worst := render.Done
	for _, r := range results {
		if m := markOf(r.Outcome); m == render.Failed || worst == render.Done {
			worst = m
		}
	}
	return worst
}

// ReportFailures prints the failures, except ending, which the caller returns, and changes that were
// not tried because of an interrupt or the end of a session. Many with the same reason are one line.
func (a *App) ReportFailures(results []store.Result, ending error) {
	var failed []error
	for _, r := range results {
		if r.Err != nil && r.Outcome != store.Left && !errors.Is(ending, r.Err) && !errors.Is(r.Err, context.Canceled) {
			failed = append(failed, r.Err)
		}
	}
	for _, same := range byReason(failed) {
		if len(same) > namedFailures {
			a.SayFailed("%s", Sentence(&manyError{errs: same}))
			continue
		}
		for _, err := range same {
			a.SayFailed("%s", Sentence(err))
		}
	}
}

// CountOutcomes returns how many results there are of each outcome: "2 created, 1 failed"; "" for none.
func CountOutcomes(results []store.Result) string {
	counts := map[store.Outcome]int{}
	for _, r := range results {
		counts[r.Outcome]++
	}
	var parts []string
	for _, o := range []store.Outcome{store.Created, store.Updated, store.Unchanged, store.Deleted, store.Failed, store.Left} {
		if counts[o] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[o], o))
		}
	}
	return strings.Join(parts, ", ")
}

// namedFailures is how many of the secrets that failed for the same reason are named.
const namedFailures = 3

// manyError is the failures of several secrets for the same reason.
type manyError struct {
	errs []error
	then string // what to do about them; "" for nothing
}

func (e *manyError) Error() string { return e.errs[0].Error() + e.rest() }

func (e *manyError) Unwrap() []error { return e.errs }

// rest names some of the secrets after the first one, and says how many there are.
func (e *manyError) rest() string {
	var names []string
	for _, err := range e.errs[1:namedFailures] {
		var op *store.Error
		if errors.As(err, &op) {
			names = append(names, op.ID.Key)
		}
	}
	text := fmt.Sprintf("; the same for %s and %d more", strings.Join(names, ", "), len(e.errs)-namedFailures)
	if e.then != "" {
		text += "; " + e.then
	}
	return text
}

// Together returns the failure that ends a command, together with the others that have the same reason if there are
// many. then says what to do about them.
func Together(results []store.Result, ending error, then string) error {
	if ending == nil || errors.Is(ending, context.Canceled) {
		return ending
	}
	all, reason := []error{ending}, sharedReason(ending)
	for _, r := range results {
		if r.Outcome == store.Failed && !errors.Is(ending, r.Err) && sharedReason(r.Err) == reason {
			all = append(all, r.Err)
		}
	}
	if len(all) <= namedFailures {
		return ending
	}
	return &manyError{all, then}
}

// sharedReason returns what an error says, but for the secret that it is about.
func sharedReason(err error) string {
	text := Sentence(err)
	var refused *store.StorageError
	if errors.As(err, &refused) && refused.Object != "" {
		text = strings.ReplaceAll(text, refused.Object, "")
	}
	var op *store.Error
	if errors.As(err, &op) {
		text = strings.ReplaceAll(text, subject(op.ID), "")
	}
	return text
}

// byReason groups errors that have the same reason, in their order.
func byReason(all []error) (groups [][]error) {
	place := map[string]int{}
	for _, err := range all {
		reason := sharedReason(err)
		i, known := place[reason]
		if !known {
			i = len(groups)
			place[reason] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], err)
	}
	return groups
}

// ErrOtherValue is the error of a secret that exists with another value and must not be overwritten.
var ErrOtherValue = fmt.Errorf("%w: it has another value there", store.ErrConflict)
