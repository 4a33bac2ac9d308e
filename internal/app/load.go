package app

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/internal/foreign"
	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store"
)

// Load opens the store and reads services in parallel.
func (a *App) Load(ctx context.Context, services []string) ([]store.Contents, error) {
	s, err := a.Open(ctx)
	if err != nil {
		return nil, err
	}
	names := ServiceNames(services)
	for _, name := range names {
		service, label := CutLabel(name)
		if err := store.CheckService(service); err != nil {
			return nil, err
		}
		if _, ok := s.(store.Labeler); label != "" && !ok {
			return nil, a.NoLabels(label)
		}
	}
	return a.LoadFrom(ctx, s, names)
}

// CutLabel splits "service:label", chamber's syntax for a label of Parameter Store.
func CutLabel(name string) (service, label string) {
	service, label, _ = strings.Cut(name, ":")
	return service, label
}

// NoLabels is the error of a label on a backend without labels.
func (a *App) NoLabels(label string) error {
	return fmt.Errorf("%w: the %s backend has no labels such as %q; they are Parameter Store's", store.ErrUnsupported, a.InForce.Kind(), label)
}

// LoadFrom reads services of an open store, up to 16 in parallel.
func (a *App) LoadFrom(ctx context.Context, s store.Store, services []string) ([]store.Contents, error) {
	all := make([]store.Contents, len(services))
	err := pace.Each(ctx, 16, len(services), func(ctx context.Context, i int) (err error) {
		if name, label := CutLabel(services[i]); label != "" {
			all[i], err = s.(store.Labeler).LoadLabel(ctx, name, label)
		} else {
			all[i], err = s.Load(ctx, services[i])
		}
		return err
	})
	return all, err
}

// ReadFlags are the flags of commands that pass secrets to another program. They set which missing
// secrets are errors.
type ReadFlags struct {
	AllowEmpty bool     `help:"Go on with a service that has no secrets."`
	RequireAll bool     `help:"Refuse when any secret is hidden from you."`
	Require    []string `placeholder:"KEY" help:"Refuse unless these keys are there."`
	Unverified bool     `help:"Trust the index of a service that you may not list."`
}

// RefuseUnreadable returns an error if the caller may read none of the secrets of a service. If some
// are hidden, it prints how many (protocol.md, section 10).
func (a *App) RefuseUnreadable(all []store.Contents) error {
	for _, c := range all {
		for _, notice := range c.Notices {
			a.Note("%s", notice)
		}
		if len(c.Secrets) == 0 && (len(c.Denied) > 0 || len(c.Hidden) > 0) {
			return &unreadableError{c}
		}
		if len(c.Denied) > 0 || len(c.Hidden) > 0 {
			a.Note("%s", hiddenNotice(c))
		}
	}
	return nil
}

// RefuseIncomplete returns an error if secrets are missing that a program needs: besides those of
// [App.RefuseUnreadable], an empty service, an unverified index, and what the flags require.
func (a *App) RefuseIncomplete(all []store.Contents, f ReadFlags) error {
	if err := a.RefuseUnreadable(all); err != nil {
		return err
	}
	held := map[string]bool{}
	for _, c := range all {
		for _, s := range c.Secrets {
			held[strings.ToLower(s.ID.Key)] = true
		}
		switch {
		case c.Unlisted && !f.Unverified:
			return WithHint(&unreadableError{c}, "--unverified trusts the index: secrets deleted or changed behind its back cannot be seen")
		case len(c.Secrets) == 0 && !f.AllowEmpty && !a.InForce.Kind().Nowhere:
			err := &store.Error{Op: "load", ID: store.ID{Service: c.Service}, Err: &store.NotFoundError{What: "service"}}
			return WithHint(err, "is the name right? --allow-empty goes on without secrets")
		case f.RequireAll && len(c.Denied)+len(c.Hidden) > 0:
			return &unreadableError{c}
		}
	}
	for _, key := range f.Require {
		if !held[strings.ToLower(key)] {
			return fmt.Errorf("%w: no key %q, which --require names, in %s", store.ErrNotFound, key, serviceList(all))
		}
	}
	return nil
}

func serviceList(all []store.Contents) string {
	names := make([]string, len(all))
	for i, c := range all {
		names[i] = c.Service
	}
	return strings.Join(names, ", ")
}

// unreadableError is the error of a service that the caller may not read, or not completely.
type unreadableError struct{ contents store.Contents }

func (e *unreadableError) Error() string {
	c := e.contents
	if c.Unlisted && len(c.Denied) == 0 {
		return fmt.Sprintf("service %q may not be listed, so that what its index says cannot be verified", c.Service)
	}
	text := fmt.Sprintf("not allowed to read the secrets of service %q", c.Service)
	if len(c.Secrets) > 0 {
		text = fmt.Sprintf("not allowed to read all secrets of service %q", c.Service)
	}
	for _, d := range c.Denied {
		text += "; " + d.Object
		if d.Reason != "" {
			text += " (" + foreign.Text(d.Reason) + ")"
		}
	}
	if len(c.Denied) == 0 && len(c.Hidden) > 0 {
		text += ": " + strings.Join(c.Hidden, ", ")
	}
	if c.Unlisted {
		text += "; the service may not be listed either, so that it may as well not exist"
	}
	return text
}

func (e *unreadableError) Unwrap() error { return store.ErrDenied }

// hiddenNotice says how many secrets could not be read.
func hiddenNotice(c store.Contents) string {
	text := fmt.Sprintf("%s: %s could be read", c.Service, Count(len(c.Secrets), "secret"))
	if n := len(c.Hidden); n > 0 {
		text += fmt.Sprintf(", %d hidden", n)
	}
	if len(c.Denied) > 0 {
		labels := make([]string, len(c.Denied))
		for i, d := range c.Denied {
			labels[i] = d.KeyAlias
		}
		text += fmt.Sprintf("; %s denied (%s)", Count(len(c.Denied), "index"), strings.Join(labels, ", "))
	}
	return text
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

// ServiceName returns a service's name as it is stored: in lower case, as chamber does, without a
// slash at its end.
func ServiceName(name string) string { return strings.ToLower(name) }

// ServiceNames returns the names as they are stored, without duplicates. The last of the same name
// stays, as later services override earlier ones.
func ServiceNames(names []string) []string {
	var out []string
	for _, name := range names {
		name = ServiceName(name)
		out = append(slices.DeleteFunc(out, func(other string) bool { return other == name }), name)
	}
	return out
}

// DistinctServices is [ServiceNames] for commands that change services. A name given twice is an
// error, as one of them is probably a mistake.
func DistinctServices(names []string) ([]string, error) {
	for i, name := range names {
		if slices.ContainsFunc(names[:i], func(other string) bool { return ServiceName(other) == ServiceName(name) }) {
			return nil, Usage("service %q is named twice", ServiceName(name))
		}
	}
	return ServiceNames(names), nil
}

// NewID returns the ID of a secret. The error is [store.ErrInvalid], for an invalid name.
func NewID(service, key string) (store.ID, error) { return store.NewID(ServiceName(service), key) }
