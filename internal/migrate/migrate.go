// Package migrate copies services from one store to another, with their history.
package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/internal/progress"
	"github.com/coffer-secrets/coffer/store"
)

// Options say what is migrated, and how.
type Options struct {
	app.KeyFlags
	History   bool // older versions too, of secrets that the destination does not have
	Overwrite bool // a new version of secrets that have another value at the destination
	DryRun    bool // the plan alone
	Adopt     bool // take over secrets whose key alias cannot be told
}

// Migration is one run of the command.
type Migration struct {
	Options
	app      *app.App
	from, to app.Place
	moves    []*move // of all services
}

// New returns a run from one place to another.
func New(a *app.App, from, to app.Place, o Options) *Migration {
	return &Migration{Options: o, app: a, from: from, to: to}
}

// move is one secret on its way to the destination.
type move struct {
	source  store.Secret
	key     string        // at the destination
	rest    []store.Value // what the destination lacks, oldest first; the last is the newest
	written []int         // the versions that they became there
	version int           // the newest there; 0: none
	outcome store.Outcome
	note    string
	err     error
}

// Service migrates one service and verifies it.
func (m *Migration) Service(ctx context.Context, service string) error {
	there, here, err := app.LoadBoth(ctx, m.from, service, m.to, service)
	if err != nil {
		return err
	}
	if err := app.RefuseUnlisted(there, here); err != nil {
		return err
	}
	if err := m.app.RefuseUnreadable([]store.Contents{there}); err != nil {
		return err
	}
	if there.Listed == 0 {
		return app.NoSecrets("migrate", service)
	}
	moves, err := m.plan(ctx, service, there, here)
	if err != nil {
		return err
	}
	m.moves = append(m.moves, moves...)
	if !m.DryRun {
		if err := m.write(ctx, service, moves); err != nil {
			return err
		}
		if err := m.verify(ctx, service, moves); err != nil {
			return err
		}
		m.app.Note("%s: %s", service, summary(moves))
	}
	return m.failure(there, moves)
}

// failure returns the first reason why a service is not wholly at the destination.
func (m *Migration) failure(there store.Contents, moves []*move) error {
	var first error
	for _, v := range moves {
		switch {
		case v.err == nil:
		case first == nil:
			first = v.err
		case !m.DryRun: // whose table tells them
			m.app.Say("%s", app.Sentence(v.err))
		}
	}
	if errors.Is(first, app.ErrOtherValue) {
		first = app.WithHint(first, "--overwrite writes the source's value as a new version")
	}
	if first == nil && len(there.Hidden) > 0 {
		first = fmt.Errorf("%w: %s of service %q hidden from you were not migrated", store.ErrDenied, app.Count(len(there.Hidden), "secret"), there.Service)
	}
	return first
}

// plan finds out what the destination lacks of each secret.
func (m *Migration) plan(ctx context.Context, service string, there, here store.Contents) ([]*move, error) {
	wanted, err := m.Select(there)
	if err != nil {
		return nil, err
	}
	moves := make([]*move, len(wanted))
	taken := map[string]bool{}
	var compares []func(context.Context) error
	for i, s := range wanted {
		v := &move{source: s, key: s.ID.Key, outcome: store.Unchanged}
		moves[i] = v
		stands, err := app.Existing(store.ID{Service: service, Key: s.ID.Key}, here)
		if stands != nil {
			v.key, v.version = stands.ID.Key, stands.Version
			if taken[v.key] {
				err = &store.Error{Op: "migrate", ID: s.ID, Err: &store.AmbiguousNameError{Keys: []string{v.key}}}
			}
			taken[v.key] = true
		}
		if err != nil {
			v.outcome, v.err = store.Failed, err
			continue
		}
		compares = append(compares, func(ctx context.Context) error { return m.compare(ctx, v, stands) })
	}
	return moves, eightAtOnce(ctx, compares)
}

func eightAtOnce(ctx context.Context, do []func(context.Context) error) error {
	return pace.Each(ctx, 8, len(do), func(ctx context.Context, i int) error { return do[i](ctx) })
}

// compare finds out what the destination lacks of one secret; stands is what it has.
func (m *Migration) compare(ctx context.Context, v *move, stands *store.Secret) error {
	if stands != nil && stands.Value == v.source.Value && (!m.History || stands.Version >= v.source.Version) {
		return nil
	}
	source, destination := []store.Value{v.source.Value}, []store.Value{}
	var err error
	if m.History {
		if source, err = versions(ctx, m.from, v.source); err != nil {
			return app.WithHint(err, "--no-history migrates the newest values alone")
		}
	}
	if stands != nil {
		if destination, err = versions(ctx, m.to, *stands); err != nil {
			return err
		}
	}
	rest, relation := remainder(source, destination)
	switch {
	case relation == ahead:
		v.note = "newer at the destination"
	case relation == other && !m.Overwrite:
		v.outcome, v.err = store.Failed, &store.Error{Op: "migrate", ID: store.ID{Service: v.source.ID.Service, Key: v.key}, Err: app.ErrOtherValue}
	case len(rest) > 0 && stands == nil:
		v.rest, v.outcome = rest, store.Created
	case len(rest) > 0:
		v.rest, v.outcome = rest, store.Updated
	}
	return nil
}

// write writes what is lacking, the oldest version of every secret first: so the index of the
// destination changes as often as the longest history is long, not with each version.
func (m *Migration) write(ctx context.Context, service string, moves []*move) error {
	line := m.app.Progress(lackingVersions(moves), service+": migrated version")
	defer line.Done()
	for {
		var changes []app.Change
		for _, v := range moves {
			if v.err == nil && len(v.written) < len(v.rest) {
				changes = append(changes, app.Change{Key: v.key, Value: v.rest[len(v.written)], Version: v.version})
			}
		}
		if len(changes) == 0 {
			return nil
		}
		if err := m.round(ctx, service, changes, moves, line); err != nil {
			return err
		}
	}
}

// round writes one version of each secret. What fails of one does not end the others; an error
// is of all.
func (m *Migration) round(ctx context.Context, service string, changes []app.Change, moves []*move, line *progress.Line) error {
	results, err := app.WriteChanges(ctx, m.to, service, changes, store.WriteOptions{
		PreserveCase: true, Adopt: m.Adopt, Progress: func(store.Result) { line.Add() },
	})
	if len(results) == 0 && errors.Is(err, store.ErrInvalid) {
		return app.WithHint(err, "--except leaves it out")
	}
	failed := false
	for _, r := range results {
		i := slices.IndexFunc(moves, func(v *move) bool { return v.err == nil && v.key == r.Meta.ID.Key && len(v.written) < len(v.rest) })
		if i < 0 {
			continue
		}
		v := moves[i]
		if r.Err != nil {
			v.outcome, v.err, failed = r.Outcome, r.Err, true
			continue
		}
		v.written, v.version = append(v.written, r.Meta.Version), r.Meta.Version
	}
	if err != nil && (!failed || errors.Is(err, store.ErrCredentials) || errors.Is(err, store.ErrIndexBehind)) {
		return err
	}
	return ctx.Err()
}

// verify reads what was written and compares it with the source's.
func (m *Migration) verify(ctx context.Context, service string, moves []*move) error {
	if lackingVersions(moves) == 0 {
		return nil // it was compared when it was planned
	}
	here, err := m.to.Load(ctx, service)
	if err != nil {
		return err
	}
	newest := map[string]store.Value{}
	for _, s := range here.Secrets {
		newest[s.ID.Key] = s.Value
	}
	var checks []func(context.Context) error
	for _, v := range moves {
		if v.err != nil || len(v.rest) == 0 {
			continue
		}
		id := store.ID{Service: service, Key: v.key}
		if value, ok := newest[v.key]; !ok || value != v.source.Value {
			v.outcome, v.err = store.Failed, &store.Error{Op: "migrate", ID: id, Err: errNotThere}
			continue
		}
		checks = append(checks, func(ctx context.Context) error { return m.verifyOlder(ctx, v, id) })
	}
	return eightAtOnce(ctx, checks)
}

var errNotThere = fmt.Errorf("%w: the destination does not hold what was written there; somebody else writes it: run the migration again", store.ErrConflict)

func (m *Migration) verifyOlder(ctx context.Context, v *move, id store.ID) error {
	for i, version := range v.written[:len(v.written)-1] {
		s, err := m.to.Read(ctx, id, version)
		switch {
		case errors.Is(err, store.ErrNotFound):
			v.note = "the destination does not keep all older versions"
		case err != nil:
			return err
		case s.Value != v.rest[i]:
			v.outcome, v.err = store.Failed, &store.Error{Op: "migrate", ID: id, Err: errNotThere}
			return nil
		}
	}
	return nil
}

func lackingVersions(moves []*move) int {
	n := 0
	for _, v := range moves {
		n += len(v.rest)
	}
	return n
}
