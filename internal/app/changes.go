package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/internal/environ"
	"github.com/coffer-secrets/coffer/store"
)

// KeyFlags choose secrets of a service.
type KeyFlags struct {
	Keys   []string `placeholder:"GLOB" help:"Only keys that match."`
	Except []string `placeholder:"GLOB" help:"No key that matches."`
}

// Chosen reports whether the flags let a key through. [store.ErrInvalid] for a pattern that is none.
func (f KeyFlags) Chosen(key string) (bool, error) { return environ.Selected(key, f.Keys, f.Except) }

// Choose returns the secrets whose keys the flags let through.
func (f KeyFlags) Choose(c store.Contents) ([]store.Secret, error) {
	var chosen []store.Secret
	for _, s := range c.Secrets {
		ok, err := f.Chosen(s.ID.Key)
		if err != nil {
			return nil, err
		}
		if ok {
			chosen = append(chosen, s)
		}
	}
	return chosen, nil
}

// Change is a value to store on the condition that the newest version of the secret is still
// the one that was read; 0: there was none.
type Change struct {
	Key     string
	Value   store.Value
	Version int
}

// WriteChanges stores changes of one service, each under its own condition, with as few
// updates of the index as there are different versions. The error is the first failure.
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
			first = err // and no failure of one secret before
		}
		all = append(all, results...)
		first = cmp.Or(first, err)
	}
	SortResults(all)
	return all, first
}

// stoppedBy is the error of changes that end with a session, of which so many came before.
func stoppedBy(err error, service string, before int) error {
	var stopped *store.StoppedError
	if errors.As(err, &stopped) {
		stopped.Of += before
		return err
	}
	return &store.Error{Op: "write", ID: store.ID{Service: service}, Err: &store.StoppedError{Of: before, Err: cause(err)}}
}

// markLeft adds changes to those that a session's end has left.
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

// Existing finds the secret of a service that a key would be written to: the one of the same
// name, whatever its case; nil where there is none. The error says why it must not be.
func Existing(id store.ID, c store.Contents) (*store.Secret, error) {
	key, err := store.Lookup(id.Key, c.Keys())
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, &store.Error{Op: "write", ID: id, Err: err}
	}
	for i := range c.Secrets {
		if c.Secrets[i].ID.Key == key {
			return &c.Secrets[i], nil
		}
	}
	return nil, &store.Error{Op: "write", ID: id, Err: fmt.Errorf("%w: it exists, and is hidden from you", store.ErrDenied)}
}

// ReportChanges tells what was done to a service: counts, and what failed. It leaves out the
// failure that ends the command, which is told anyway.
func (a *App) ReportChanges(service string, results []store.Result, ending error) error {
	if a.Globals.JSON {
		return a.PrintResults(results)
	}
	if text := CountOutcomes(results); text != "" {
		a.Note("%s: %s", service, text)
	}
	a.ReportFailures(results, ending)
	return nil
}

// ReportFailures tells what failed, but for the failure that ends the command, and what an
// interrupt or the end of a session has left.
func (a *App) ReportFailures(results []store.Result, ending error) {
	for _, r := range results {
		if r.Err != nil && r.Outcome != store.Left && !errors.Is(ending, r.Err) && !errors.Is(r.Err, context.Canceled) {
			a.Say("%s", Sentence(r.Err))
		}
	}
}

// CountOutcomes writes how many results there are of each outcome: "2 created, 1 failed"; "" of none.
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

// ErrOtherValue is a secret that would be overwritten by another value.
var ErrOtherValue = fmt.Errorf("%w: it has another value there", store.ErrConflict)
