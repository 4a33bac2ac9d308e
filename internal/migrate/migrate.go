// Package migrate copies services from one store to another, with their history.
package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/environ"
	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/internal/progress"
	"github.com/coffer-secrets/coffer/store"
)

// Options are the options of a migration.
type Options struct {
	app.KeyFlags
	History   bool // migrate older versions, too, of secrets that the destination doesn't have
	Overwrite bool // write a new version of secrets that have another value at the destination
	DryRun    bool // only make the plan
	Adopt     bool // take over secrets whose key alias cannot be told
}

// Migration copies services from one place to another.
type Migration struct {
	Options
	app      *app.App
	from, to app.Place
	moves    []*move        // of all services so far
	planned  int            // how many services
	missed   environ.Choice // the patterns of the flags that fit no key of any of them
	there    []string       // the services of the destination; nil before they are listed
}

// New returns a migration.
func New(a *app.App, from, to app.Place, o Options) *Migration {
	return &Migration{Options: o, app: a, from: from, to: to}
}

// move is the migration of one secret.
type move struct {
	source  store.Secret
	key     string        // at the destination
	missing []store.Value // values that the destination doesn't have, the oldest first
	written []int         // the version numbers that missing values got at the destination
	version int           // the newest version at the destination; 0: none
	tags    int           // how many the source's secret has, if it is to be written; -1 if that is unknown
	outcome store.Outcome
	note    string
	err     error
}

// Service migrates the service that a name means, and verifies it. At the destination it has exactly
// the name that it has at the source.
func (m *Migration) Service(ctx context.Context, typed string) error {
	src, dst, err := m.load(ctx, typed)
	if err != nil {
		return err
	}
	service := src.Service
	if err := m.app.Report(append(m.app.Unreadable(true, src), app.RefuseUnlisted(dst.Contents))...); err != nil {
		return err
	}
	moves, err := m.plan(ctx, service, src, dst)
	if err != nil {
		return err
	}
	m.moves = append(m.moves, moves...)
	m.noteAliases(service, dst, moves)
	if err := m.countTags(ctx, moves); err != nil {
		return err
	}
	if !m.DryRun {
		if err := m.write(ctx, service, moves); err != nil {
			return err
		}
		if err := m.verify(ctx, service, moves); err != nil {
			return err
		}
		m.app.Note("%s: %s", service, summary(moves))
	}
	return m.failure(src, moves)
}

// RefuseMissed returns an error if a pattern of --keys matches no key of any service.
func (m *Migration) RefuseMissed() error {
	if m.planned == 0 {
		return nil
	}
	return m.app.RefuseMissed(m.missed, "the migrated services")
}

// load reads the service at the source, and at the destination the one of exactly the same name.
func (m *Migration) load(ctx context.Context, typed string) (src, dst app.Contents, err error) {
	if src, err = app.LoadService(ctx, m.from.Store, typed); err != nil {
		return src, dst, err
	}
	if dst, err = app.LoadExactly(ctx, m.to.Store, src.Service); !app.IsMissingService(err) {
		return src, dst, err
	}
	if m.there == nil {
		all, err := m.to.Services(ctx, "")
		if err != nil && !errors.Is(err, store.ErrDenied) {
			return src, dst, err
		}
		m.there = append([]string{}, all...)
	}
	for _, other := range m.there {
		if strings.EqualFold(other, src.Service) && other != src.Service {
			m.app.Note("%s: %s has %s, which differs only in case; they remain two services", src.Service, m.to, other)
		}
	}
	return src, dst, nil
}

// failure returns the worst error of a service, and prints the others.
func (m *Migration) failure(src app.Contents, moves []*move) error {
	var failures []error
	for _, v := range moves {
		failures = append(failures, v.err)
	}
	if len(src.Hidden) > 0 {
		failures = append(failures, fmt.Errorf("%w: %s of service %q that you can't read were not migrated",
			store.ErrDenied, app.Count(len(src.Hidden), "secret"), src.Service))
	}
	report := m.app.Report
	if m.DryRun {
		report = app.Worst // its table has the others
	}
	worst := report(failures...)
	if errors.Is(worst, app.ErrOtherValue) {
		worst = app.WithHint(worst, "--overwrite writes the source's value as a new version")
	}
	return worst
}

// plan finds out which values of each secret the destination doesn't have.
func (m *Migration) plan(ctx context.Context, service string, src, dst app.Contents) ([]*move, error) {
	choice, err := m.Choose(src)
	if err != nil {
		return nil, err
	}
	if m.planned == 0 {
		m.missed = choice
	}
	m.missed = m.missed.Both(choice)
	m.planned++
	selected := app.ChosenOf(src, choice)
	moves := make([]*move, len(selected))
	taken := map[string]bool{}
	var compares []func(context.Context) error
	for i, s := range selected {
		v := &move{source: s, key: s.ID.Key, outcome: store.Unchanged}
		moves[i] = v
		existing, err := dst.Existing(store.ID{Service: service, Key: s.ID.Key})
		if existing != nil {
			v.key, v.version = existing.ID.Key, existing.Version
			if taken[v.key] {
				err = &store.Error{Op: "migrate", ID: s.ID, Err: &store.AmbiguousNameError{Keys: []string{v.key}}}
			}
			taken[v.key] = true
		}
		if err != nil {
			v.outcome, v.err = store.Failed, err
			continue
		}
		compares = append(compares, func(ctx context.Context) error { return m.compare(ctx, v, existing) })
	}
	for _, err := range src.DamageOf(choice.Keys) {
		id := store.ID{Service: service, Key: app.KeyOf(err)}
		moves = append(moves, &move{source: store.Secret{Meta: store.Meta{ID: id}}, key: id.Key, outcome: store.Failed, err: err})
	}
	return moves, eightAtOnce(ctx, compares)
}

// noteAliases says which secrets stay under another alias than the one that was asked for: what is at the
// destination already isn't moved.
func (m *Migration) noteAliases(service string, dst app.Contents, moves []*move) {
	want := m.app.Globals.KMSKeyAlias
	if want == "" {
		return
	}
	stay := 0
	for _, v := range moves {
		existing, _ := dst.Existing(store.ID{Service: service, Key: v.key})
		if existing != nil && len(v.missing) == 0 && existing.KeyAlias != "" && existing.KeyAlias != m.to.AliasOfWrites() {
			stay++
		}
	}
	if stay > 0 {
		m.app.NoteWarning("%s: %s left under another alias than %s: what the destination has already isn't moved; coffer rekey does that", service, app.Count(stay, "secret"), m.to.AliasOfWrites())
	}
}

func eightAtOnce(ctx context.Context, do []func(context.Context) error) error {
	return pace.Each(ctx, 8, len(do), func(ctx context.Context, i int) error { return do[i](ctx) })
}

// compare finds out which values of a secret the destination doesn't have. existing is the secret at
// the destination; nil if there is none.
func (m *Migration) compare(ctx context.Context, v *move, existing *store.Secret) error {
	if existing != nil && existing.Value == v.source.Value && (!m.History || existing.Version >= v.source.Version) {
		return nil
	}
	source, destination := []store.Value{v.source.Value}, []store.Value{}
	var err error
	if m.History {
		if source, err = versions(ctx, m.from, v.source); err != nil {
			return app.WithHint(err, "--no-history migrates only the newest values")
		}
	}
	if existing != nil {
		if destination, err = versions(ctx, m.to, *existing); err != nil {
			return err
		}
	}
	missing, relation := missingValues(source, destination)
	switch {
	case relation == ahead:
		v.note = "newer at the destination"
	case relation == diverged && !m.Overwrite:
		v.outcome, v.err = store.Failed, &store.Error{Op: "migrate", ID: store.ID{Service: v.source.ID.Service, Key: v.key}, Err: app.ErrOtherValue}
	case len(missing) > 0 && existing == nil:
		v.missing, v.outcome = missing, store.Created
	case len(missing) > 0:
		v.missing, v.outcome = missing, store.Updated
	}
	return nil
}

// write writes the missing values in rounds: the oldest one of every secret, then the next. So the
// index of the destination is updated once per round, not once per version.
func (m *Migration) write(ctx context.Context, service string, moves []*move) error {
	line := m.app.Progress(countMissing(moves), service+": migrated version")
	defer line.Done()
	for {
		var changes []app.Change
		for _, v := range moves {
			if v.err == nil && len(v.written) < len(v.missing) {
				changes = append(changes, app.Change{Key: v.key, Value: v.missing[len(v.written)], Version: v.version})
			}
		}
		if len(changes) == 0 {
			return nil
		}
		if err := m.writeRound(ctx, service, changes, moves, line); err != nil {
			return err
		}
	}
}

// writeRound writes one version of each secret. The failure of one secret doesn't stop the others. It
// returns only errors that concern all of them.
func (m *Migration) writeRound(ctx context.Context, service string, changes []app.Change, moves []*move, line *progress.Line) error {
	results, err := app.WriteChanges(ctx, m.to, service, changes, store.WriteOptions{
		PreserveCase: true, Adopt: m.Adopt, Progress: func(store.Result) { line.Add() },
	})
	if len(results) == 0 && errors.Is(err, store.ErrInvalid) {
		return app.WithHint(err, "--except leaves it out")
	}
	failed := false
	for _, r := range results {
		i := slices.IndexFunc(moves, func(v *move) bool { return v.err == nil && v.key == r.Meta.ID.Key && len(v.written) < len(v.missing) })
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

// verify reads the written secrets back and compares them with the source's.
func (m *Migration) verify(ctx context.Context, service string, moves []*move) error {
	if !slices.ContainsFunc(moves, func(v *move) bool { return len(v.written) > 0 }) {
		return nil // the plan has compared what is there, and nothing came to it
	}
	dst, err := app.LoadExactly(ctx, m.to.Store, service)
	if err != nil {
		return err
	}
	newest := map[string]store.Value{}
	for _, s := range dst.Secrets {
		newest[s.ID.Key] = s.Value
	}
	var checks []func(context.Context) error
	for _, v := range moves {
		if v.err != nil || len(v.missing) == 0 {
			continue
		}
		id := store.ID{Service: service, Key: v.key}
		if value, ok := newest[v.key]; !ok || value != v.source.Value {
			v.outcome, v.err = store.Failed, &store.Error{Op: "migrate", ID: id, Err: errOverwritten}
			continue
		}
		checks = append(checks, func(ctx context.Context) error { return m.verifyOlder(ctx, v, id) })
	}
	return eightAtOnce(ctx, checks)
}

var errOverwritten = fmt.Errorf("%w: the destination doesn't contain what was written, so somebody else is writing to it: run the migration again", store.ErrConflict)

// verifyOlder reads the written versions of a secret back, except the newest.
func (m *Migration) verifyOlder(ctx context.Context, v *move, id store.ID) error {
	for i, version := range v.written[:len(v.written)-1] {
		s, err := m.to.Read(ctx, id, version)
		switch {
		case errors.Is(err, store.ErrNotFound):
			v.note = "the destination doesn't keep all older versions"
		case err != nil:
			return err
		case s.Value != v.missing[i]:
			v.outcome, v.err = store.Failed, &store.Error{Op: "migrate", ID: id, Err: errOverwritten}
			return nil
		}
	}
	return nil
}

func countMissing(moves []*move) int {
	n := 0
	for _, v := range moves {
		n += len(v.missing)
	}
	return n
}
