package cmd

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

func (f KeyFlags) chosen(key string) (bool, error) { return environ.Selected(key, f.Keys, f.Except) }

// choose returns the secrets whose keys the flags let through.
func (f KeyFlags) choose(c store.Contents) ([]store.Secret, error) {
	var chosen []store.Secret
	for _, s := range c.Secrets {
		ok, err := f.chosen(s.ID.Key)
		if err != nil {
			return nil, err
		}
		if ok {
			chosen = append(chosen, s)
		}
	}
	return chosen, nil
}

// change is a value to store on the condition that the newest version of the secret is still
// the one that was read; 0: there was none.
type change struct {
	key     string
	value   store.Value
	version int
}

// writeChanges stores changes of one service, each under its own condition, with as few
// updates of the index as there are different versions. The error is the first failure.
func writeChanges(ctx context.Context, s store.Store, service string, changes []change, o store.WriteOptions) ([]store.Result, error) {
	byVersion := map[int]map[string]store.Value{}
	for _, c := range changes {
		if byVersion[c.version] == nil {
			byVersion[c.version] = map[string]store.Value{}
		}
		byVersion[c.version][c.key] = c.value
	}
	var all []store.Result
	var first error
	for _, version := range slices.Sorted(maps.Keys(byVersion)) {
		if errors.Is(first, store.ErrCredentials) {
			first = leave(first, service, byVersion[version], &all)
			continue
		}
		o.IfVersion = &version
		results, err := s.WriteAll(ctx, service, byVersion[version], o)
		if errors.Is(err, store.ErrCredentials) {
			err = stoppedBy(err, service, len(all))
			if len(results) == 0 {
				err = leave(err, service, byVersion[version], &all)
			}
			first = err // and no failure of one secret before
		}
		all = append(all, results...)
		first = cmp.Or(first, err)
	}
	sortResults(all)
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

// leave adds changes to those that a session's end has left.
func leave(err error, service string, values map[string]store.Value, results *[]store.Result) error {
	var stopped *store.StoppedError
	if errors.As(err, &stopped) {
		stopped.Left, stopped.Of = stopped.Left+len(values), stopped.Of+len(values)
	}
	for key := range values {
		*results = append(*results, store.Result{Meta: store.Meta{ID: store.ID{Service: service, Key: key}}, Outcome: store.Left, Err: err})
	}
	return err
}

// twin finds the secret of a service that a key would be written to: the one of the same
// name, whatever its case; nil where there is none. The error says why it must not be.
func twin(id store.ID, c store.Contents) (*store.Secret, error) {
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

// reportChanges tells what was done to a service: counts, and what failed. It leaves out the
// failure that ends the command, which is told anyway.
func (a *App) reportChanges(service string, results []store.Result, ending error) error {
	if a.globals.JSON {
		return a.printResults(results)
	}
	if text := countOutcomes(results); text != "" {
		a.note("%s: %s", service, text)
	}
	for _, r := range results {
		if r.Err != nil && !errors.Is(ending, r.Err) {
			a.say("%s", sentence(r.Err))
		}
	}
	return nil
}

func countOutcomes(results []store.Result) string {
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

// printPlan prints a row for each secret, never a value.
func (a *App) printPlan(results []store.Result) error {
	sortResults(results)
	if a.globals.JSON {
		return a.printResults(results)
	}
	t := a.table("Key", "Version", "Change")
	for _, r := range results {
		change := string(r.Outcome)
		if r.Err != nil {
			change = sentence(r.Err)
		}
		t.row(r.Meta.ID.Key, orNone(r.Meta.Version), change)
	}
	return t.print()
}
