package app

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store"
)

// Load opens the store and reads services, all at once.
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

// CutLabel splits service:label, as chamber writes it.
func CutLabel(name string) (service, label string) {
	service, label, _ = strings.Cut(name, ":")
	return service, label
}

// NoLabels is the error of a label on a backend without labels.
func (a *App) NoLabels(label string) error {
	return fmt.Errorf("%w: the %s backend has no labels such as %q; they are Parameter Store's", store.ErrUnsupported, a.InForce.Kind(), label)
}

// LoadFrom reads services of an open store, 16 at once.
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

// ReadFlags decide what an incomplete service means to a command that hands its secrets on.
type ReadFlags struct {
	AllowEmpty bool     `help:"Go on with a service that has no secrets."`
	RequireAll bool     `help:"Refuse when any secret is hidden from you."`
	Require    []string `placeholder:"KEY" help:"Refuse unless these keys are there."`
	Unverified bool     `help:"Trust the index of a service that you may not list."`
}

// RefuseUnreadable ends a command when nothing of a service could be read for lack of
// permission, and tells what is hidden otherwise (protocol.md, section 10).
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

// RefuseIncomplete adds to refuseUnreadable what matters to a program that will run with
// these secrets.
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
			return Hinted(&unreadableError{c}, "--unverified trusts the index: secrets deleted or changed behind its back cannot be seen")
		case len(c.Secrets) == 0 && !f.AllowEmpty && !a.InForce.Kind().Nowhere:
			err := &store.Error{Op: "load", ID: store.ID{Service: c.Service}, Err: &store.NotFoundError{What: "service"}}
			return Hinted(err, "is the name right? --allow-empty goes on without secrets")
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

// unreadableError is a service of which nothing, or not all that was demanded, could be read.
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
			text += " (" + d.Reason + ")"
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

// hiddenNotice counts what could not be read.
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

// Count writes a number of things: "1 secret", "2 secrets".
func Count(n int, thing string) string {
	switch {
	case n == 1:
		return "1 " + thing
	case strings.HasSuffix(thing, "x"):
		return fmt.Sprintf("%d %ses", n, thing)
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// ServiceName is a service as chamber stores it: in lower case.
func ServiceName(name string) string { return strings.ToLower(strings.TrimSuffix(name, "/")) }

// ServiceNames are services as they are stored, each once: of two that are the same the later
// stands, as it is the one that wins.
func ServiceNames(names []string) []string {
	var out []string
	for _, name := range names {
		name = ServiceName(name)
		out = append(slices.DeleteFunc(out, func(other string) bool { return other == name }), name)
	}
	return out
}

// DistinctServices is serviceNames for a command that changes them: who names one twice may
// have meant another.
func DistinctServices(names []string) ([]string, error) {
	for i, name := range names {
		if slices.ContainsFunc(names[:i], func(other string) bool { return ServiceName(other) == ServiceName(name) }) {
			return nil, Usage("service %q is named twice", ServiceName(name))
		}
	}
	return ServiceNames(names), nil
}

// NewID returns the ID of a secret that a person names. [store.ErrInvalid] for what is no name.
func NewID(service, key string) (store.ID, error) { return store.NewID(ServiceName(service), key) }
