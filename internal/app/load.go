package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/store"
)

// LoadReadable opens the store and reads the services that names mean, in parallel. Without allowEmpty, a
// service without secrets is a failure. It leaves out what can't be read: failed says why. Its error is
// one that [EndsAll], or one of the command line.
func (a *App) LoadReadable(ctx context.Context, services []string, allowEmpty bool) (contents []store.Contents, failed []error, err error) {
	if a.cacheTime > 0 {
		return a.loadCached(ctx, services, allowEmpty)
	}
	return a.loadStored(ctx, services, allowEmpty)
}

// loadStored is [App.LoadReadable] without the cache.
func (a *App) loadStored(ctx context.Context, services []string, allowEmpty bool) ([]store.Contents, []error, error) {
	s, err := a.Open(ctx)
	if err != nil {
		a.obeyAll(ctx, services, err)
		return nil, nil, err
	}
	return a.LoadReadableFrom(ctx, s, services, allowEmpty)
}

// LoadReadableFrom is [App.LoadReadable] from an open store.
func (a *App) LoadReadableFrom(ctx context.Context, s store.Store, services []string, allowEmpty bool) (contents []store.Contents, failed []error, err error) {
	return a.loadAll(ctx, s, services, func(ctx context.Context, name string) (labeled, []error, error) {
		return a.loadWhole(ctx, s, name, allowEmpty)
	})
}

// loadAll reads services with load, in parallel. s is nil if there is no store.
func (a *App) loadAll(ctx context.Context, s store.Store, services []string, load func(ctx context.Context, name string) (labeled, []error, error)) (contents []store.Contents, failed []error, err error) {
	names := ServiceNames(services)
	for _, name := range names {
		service, label := CutLabel(name)
		if err := store.CheckService(service); err != nil {
			return nil, nil, err
		}
		if s == nil {
			continue
		}
		if err := a.CheckLabel(s, name, label); err != nil {
			return nil, nil, err
		}
	}
	all, damaged := make([]labeled, len(names)), make([][]error, len(names))
	failed, err = Each(ctx, 16, len(names), func(ctx context.Context, i int) (err error) {
		all[i], damaged[i], err = load(ctx, names[i])
		if err != nil {
			all[i] = labeled{}
		}
		return err
	})
	if err != nil {
		return nil, failed, err
	}
	failed = append(failed, slices.Concat(damaged...)...)
	all = slices.DeleteFunc(all, func(l labeled) bool { return l.Service == "" })
	for _, l := range lastOfEach(all, func(l labeled) string { return l.Service + ":" + l.label }) {
		contents = append(contents, l.Contents)
	}
	return contents, failed, nil
}

// loadWhole reads the service that a name means, its secrets one by one if some are damaged: damaged has
// an error for each of them. What the answer means for the cache is done too.
func (a *App) loadWhole(ctx context.Context, s store.Store, name string, allowEmpty bool) (l labeled, damaged []error, err error) {
	l, err = load(ctx, s, name, allowEmpty || a.InForce.Kind().Nowhere)
	if errors.Is(err, store.ErrCorrupt) {
		l.Contents, damaged, err = loadOneByOne(ctx, s, name, err)
	}
	a.obey(ctx, name, l, err)
	if IsMissingService(err) {
		err = WithHint(err, "check the name, or use --allow-empty to continue without secrets")
	}
	return l, damaged, err
}

// loadOneByOne reads the secrets of a service that cannot be read as a whole, because one of them is
// damaged. whole is the error of that. damaged has an error for each secret that cannot be read. The
// contents are none if there is nothing else.
func loadOneByOne(ctx context.Context, s store.Store, name string, whole error) (c store.Contents, damaged []error, err error) {
	service := serviceNamed(whole, name)
	lister, ok := s.(store.Lister)
	if !ok {
		return c, []error{whole}, nil
	}
	ids, err := lister.IDs(ctx, service)
	ids = slices.DeleteFunc(ids, func(id store.ID) bool { return id.Service != service })
	if err != nil {
		return c, []error{whole}, endOf(err)
	}
	read, hidden := make([]*store.Secret, len(ids)), make([]bool, len(ids))
	damaged, err = Each(ctx, 8, len(ids), func(ctx context.Context, i int) error {
		secret, err := s.Read(ctx, ids[i], store.Latest)
		switch hidden[i] = errors.Is(err, store.ErrDenied); {
		case err == nil:
			read[i] = &secret
		case hidden[i], errors.Is(err, store.ErrNotFound): // or deleted since
			return nil
		}
		return err
	})
	if len(damaged) == len(ids) && len(ids) > 1 && haveOneCause(damaged) {
		return c, []error{whole}, err
	}
	if len(damaged) == 0 && err == nil {
		damaged = []error{whole} // an index, or a secret that was replaced since
	}
	damaged = joinByKey(service, damaged)
	for i, id := range ids {
		if read[i] != nil {
			c.Secrets = append(c.Secrets, *read[i])
		}
		if hidden[i] {
			c.Hidden = append(c.Hidden, id.Key)
		}
	}
	if len(c.Secrets)+len(c.Hidden) > 0 {
		c.Service, c.Listed = service, len(ids)
	}
	return c, damaged, err
}

// haveOneCause reports whether errors about several secrets are due to the same thing, which isn't one of them: the backend
// that is configured, or the key of a team.
func haveOneCause(all []error) bool {
	cause := func(err error) string {
		var seal *store.SealError
		if errors.As(err, &seal) {
			return seal.Format + seal.Method + seal.KeyID + " " + seal.Want
		}
		return keyCause(err)
	}
	first := cause(all[0])
	return first != "" && !slices.ContainsFunc(all, func(err error) bool { return cause(err) != first })
}

// keyCause returns what is wrong with the key of a team, if that is what an error about a secret is due to; "" for any other.
func keyCause(err error) string {
	var trust *store.KeyTrustError
	var refused *store.StorageError
	switch {
	case errors.As(err, &trust):
		return trust.Error()
	case errors.As(err, &refused) && (refused.Code == store.CodeDamagedTeamKey || refused.Code == store.CodeUnknownTeamKey):
		return refused.Reason
	}
	return ""
}

// joinByKey makes one error about a service of those about its secrets that the same key of a team causes.
func joinByKey(service string, all []error) (joined []error) {
	secrets := map[string]int{}
	for _, err := range all {
		secrets[keyCause(err)]++
	}
	for _, err := range all {
		cause := keyCause(err)
		var op *store.Error
		switch {
		case cause == "" || secrets[cause] == 1 || !errors.As(err, &op):
			joined = append(joined, err)
		case secrets[cause] > 1:
			joined = append(joined, &store.Error{Op: op.Op, ID: store.ID{Service: service}, Err: op.Err})
			secrets[cause] = 0 // said
		}
	}
	return joined
}

// endOf returns an error if it [EndsAll].
func endOf(err error) error {
	if EndsAll(err) {
		return err
	}
	return nil
}

// serviceNamed returns the service that an error names, which has the case in which it is stored.
func serviceNamed(err error, name string) string {
	service, _ := CutLabel(name)
	var op *store.Error
	if errors.As(err, &op) && strings.EqualFold(op.ID.Service, service) {
		return op.ID.Service
	}
	return service
}

// labeled is the content of a service, or of the versions of it that have a label.
type labeled struct {
	store.Contents
	label string
}

// load reads the service that a name means. If allowEmpty is true, a missing one is empty.
func load(ctx context.Context, s store.Store, name string, allowEmpty bool) (labeled, error) {
	service, label := CutLabel(name)
	find := InService[store.Contents]
	if allowEmpty {
		find = inService[store.Contents]
	}
	c, err := find(ctx, s, service, func(service string) (store.Contents, error) { return loadOne(ctx, s, service, label) })
	switch missing := IsMissingService(err); {
	case missing && allowEmpty:
		return labeled{store.Contents{Service: service}, label}, nil
	case missing && label != "":
		err = fmt.Errorf("%w: no secret of service %q has the label %q", store.ErrNotFound, service, label)
	}
	return labeled{c, label}, err
}

// lastOfEach returns the elements without duplicates. The last with the same name stays, as later
// services override earlier ones.
func lastOfEach[T any](all []T, name func(T) string) []T {
	var out []T
	for _, e := range all {
		out = append(slices.DeleteFunc(out, func(other T) bool { return name(other) == name(e) }), e)
	}
	return out
}

// noLabels is the error of a label on a backend without labels.
func (a *App) noLabels(label string) error {
	return fmt.Errorf("%w: the %s backend has no labels such as %q; only Parameter Store has labels", store.ErrUnsupported, a.InForce.Kind(), label)
}

// LoadFrom reads services that an open store has listed, up to 16 in parallel, and leaves out what
// cannot be read: failed says why. Its error is one that [EndsAll].
func (a *App) LoadFrom(ctx context.Context, s store.Store, services []string) (all []store.Contents, failed []error, err error) {
	each, damaged := make([]store.Contents, len(services)), make([][]error, len(services))
	failed, err = Each(ctx, 16, len(services), func(ctx context.Context, i int) (err error) {
		each[i], err = s.Load(ctx, services[i])
		if errors.Is(err, store.ErrCorrupt) {
			each[i], damaged[i], err = loadOneByOne(ctx, s, services[i], err)
		}
		return err
	})
	return each, append(failed, slices.Concat(damaged...)...), err
}

// ReadFlags are the flags of commands that pass secrets to another program. They set which missing
// secrets are errors.
type ReadFlags struct {
	AllowEmpty bool     `help:"Accept a service without secrets."`
	RequireAll bool     `help:"Stop if you may not read one of the secrets."`
	Require    []string `filled:"" placeholder:"KEY" help:"Stop unless these keys exist."`
	Unverified bool     `help:"Trust the index of a service that you can't list."`
}

// RefuseUnreadable returns an error if the caller may read none of the secrets of a service, or if a key that
// was there is gone: then it isn't the caller who lacks a permission. If some are hidden, it prints how many
// (protocol.md, section 10).
func (a *App) RefuseUnreadable(all []store.Contents) error {
	for _, c := range all {
		for _, notice := range c.Notices {
			a.Note("%s", notice)
		}
		if len(c.Secrets) == 0 && (len(c.Denied) > 0 || len(c.Hidden) > 0) || slices.ContainsFunc(c.Denied, lostKey) {
			return &unreadableError{c}
		}
		if len(c.Denied) > 0 || len(c.Hidden) > 0 {
			a.Note("%s", hiddenNotice(c))
		}
	}
	return nil
}

// ReportUnreadable is [App.RefuseUnreadable] for a command that goes on with the other services: it
// returns those that can be read, and an error for each of the others.
func (a *App) ReportUnreadable(all []store.Contents) (readable []store.Contents, failed []error) {
	for _, c := range all {
		if err := a.RefuseUnreadable([]store.Contents{c}); err != nil {
			failed = append(failed, err)
			continue
		}
		readable = append(readable, c)
	}
	return readable, failed
}

// LoadComplete is [App.LoadReadable] for a command that passes the secrets to another program: a part of
// them would be taken for the whole, so it returns an error if anything can't be read, or
// [App.RefuseIncomplete] refuses it. It prints every error but the worst, so that all are named.
func (a *App) LoadComplete(ctx context.Context, services []string, f ReadFlags) ([]store.Contents, error) {
	a.Unverified = f.Unverified
	all, failed, err := a.LoadReadable(ctx, services, f.AllowEmpty)
	if err != nil {
		return nil, a.Report(append(failed, err)...)
	}
	return all, a.RefuseIncomplete(all, f, failed...)
}

// RefuseIncomplete returns an error if secrets are missing that a program needs: besides those of
// [App.RefuseUnreadable], an empty service, an unverified index, and what the flags require. failed says what
// could not be read. It prints every error but the worst.
func (a *App) RefuseIncomplete(all []store.Contents, f ReadFlags, failed ...error) error {
	readable, denied := a.ReportUnreadable(all)
	failed = append(failed, denied...)
	for _, c := range readable {
		switch {
		case c.Unlisted && !f.Unverified:
			failed = append(failed, WithHint(&unreadableError{c}, "--unverified trusts the index, which may not show recent changes and deletions"))
		case len(c.Secrets)+len(c.LeftOut) == 0 && !f.AllowEmpty && !a.InForce.Kind().Nowhere:
			failed = append(failed, NoSecrets("load", c.Service, ""))
		case f.RequireAll && len(c.Denied)+len(c.Hidden) > 0:
			failed = append(failed, &unreadableError{c})
		}
	}
	if len(failed) == 0 { // else a required key may be in what failed
		for _, key := range f.Require {
			failed = append(failed, refuseWithout(key, all))
		}
	}
	return a.Report(failed...)
}

// refuseWithout returns an error unless a service has a readable secret with the key that a name means.
func refuseWithout(name string, all []store.Contents) error {
	var readable []string
	for _, c := range all {
		keys := make([]string, len(c.Secrets))
		for i, s := range c.Secrets {
			keys[i] = s.ID.Key
		}
		_, err := store.Match("secret", name, keys)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, store.ErrAmbiguousName):
			return &store.Error{Op: "load", ID: store.ID{Service: c.Service, Key: name}, Err: err}
		}
		readable = append(readable, keys...)
	}
	err := fmt.Errorf("%w: key %q, required by --require, is missing in %s", store.ErrNotFound, name, serviceList(all))
	if near := store.Nearest(name, readable); near != "" {
		err = fmt.Errorf("%w (nearest: %q)", err, near)
	}
	return err
}

func serviceList(all []store.Contents) string {
	names := make([]string, len(all))
	for i, c := range all {
		names[i] = c.Service
	}
	return strings.Join(names, ", ")
}

// Count returns a number with its noun: "1 secret", "2 secrets", "2 indexes".
func Count(n int, thing string) string {
	switch {
	case n == 1:
		return "1 " + thing
	case strings.HasSuffix(thing, "x"):
		return fmt.Sprintf("%d %ses", n, thing)
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
