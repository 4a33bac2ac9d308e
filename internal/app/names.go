package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store"
)

// ServiceNames returns the names of services as they were typed, without duplicates.
func ServiceNames(names []string) []string {
	return lastOfEach(names, func(name string) string { return name })
}

// DistinctServices returns the names of services to change. Two names of one service are an error, as
// one of them is probably a mistake.
func DistinctServices(ctx context.Context, s store.Store, names []string) ([]string, error) {
	for i, name := range names {
		for _, other := range names[:i] {
			if !strings.EqualFold(name, other) {
				continue
			}
			first, err := StoredName(ctx, s, other)
			second, failed := StoredName(ctx, s, name)
			switch {
			case first == second && first != "":
				return nil, Usage("service %q appears twice", first)
			case err != nil || failed != nil:
				return nil, cmp.Or(err, failed)
			}
		}
	}
	return names, nil
}

// NewID returns the ID of a secret. The error is [store.ErrInvalid], for an invalid name.
func NewID(service, key string) (store.ID, error) { return store.NewID(service, key) }

// InService calls f with the service that a name means (docs/design/cli.md, "Names"): first with
// exactly that name. If there is no such service, it calls f again with the only one that differs
// just in case. f reports a missing service by a [store.NotFoundError] of "service"; InService adds the
// nearest service to it.
func InService[T any](ctx context.Context, s store.Store, typed string, f func(service string) (T, error)) (T, error) {
	result, err := inService(ctx, s, typed, f)
	return result, withNearest(ctx, s, typed, err)
}

func inService[T any](ctx context.Context, s store.Store, name string, f func(service string) (T, error)) (T, error) {
	result, err := f(name)
	if IsMissingService(err) {
		result = *new(T) // of several secrets, each has the same error
	}
	lower := strings.ToLower(name)
	// In a service that may not be listed, a missing or denied secret may be one of another case, too.
	if !IsMissingService(err) && (lower == name || !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrDenied)) {
		return result, err
	}
	twins, failed := twins(ctx, s, name)
	switch {
	case failed != nil:
		return result, failed
	case slices.Contains(twins, name):
		return result, err
	case len(twins) > 1:
		return result, AmbiguousService(name, twins)
	case len(twins) == 1:
		return f(twins[0])
	case lower == name:
		return result, err
	}
	// It may be deleted, or the caller may have no permission to list the services.
	other, otherErr := f(lower)
	if errors.Is(otherErr, store.ErrNotFound) || errors.Is(otherErr, store.ErrDenied) {
		return result, err
	}
	return other, otherErr
}

// InNewService is [InService] for a write, which may create the service. If no service differs just in
// case, the new one gets its name in lower case. f passes its second argument on as
// [store.WriteOptions.NewService].
func InNewService[T any](ctx context.Context, s store.Store, name string, f func(service string, first func(context.Context) error) (T, error)) (T, error) {
	lower := strings.ToLower(name)
	result, err := f(name, func(ctx context.Context) error {
		twins, err := twins(ctx, s, name)
		switch {
		case err != nil:
			return err
		case slices.Contains(twins, name), len(twins) == 0 && name == lower:
			return nil
		case len(twins) > 1:
			return AmbiguousService(name, twins)
		case len(twins) == 1:
			return &otherServiceError{twins[0]}
		}
		return &otherServiceError{lower}
	})
	var other *otherServiceError
	switch {
	case errors.As(err, &other):
		return f(other.name, nil)
	case errors.Is(err, store.ErrDenied) && name != lower:
		// The caller may have permissions for the name in lower case only.
		if result, otherErr := f(lower, nil); !errors.Is(otherErr, store.ErrDenied) {
			return result, otherErr
		}
	}
	return result, err
}

// otherServiceError ends a write that would create a service although another one is meant.
type otherServiceError struct{ name string }

func (e *otherServiceError) Error() string { return "the service is " + e.name }

// AmbiguousService returns the error for a name that means several services, which differ only in case.
func AmbiguousService(name string, services []string) error {
	slices.Sort(services)
	return &store.Error{Op: "find", ID: store.ID{Service: name}, Err: &store.AmbiguousNameError{Keys: services}}
}

// twins returns the services that differ from a name at most in case; none if the caller may not list
// services. It lists only those that begin with the same letter, and none for a name without letters.
func twins(ctx context.Context, s store.Store, name string) ([]string, error) {
	if strings.ToLower(name) == strings.ToUpper(name) {
		return nil, nil
	}
	first := rune(name[0])
	prefixes := slices.Compact([]string{string(unicode.ToLower(first)), string(unicode.ToUpper(first))})
	found := make([][]string, len(prefixes))
	err := pace.Each(ctx, len(prefixes), len(prefixes), func(ctx context.Context, i int) (err error) {
		found[i], err = s.Services(ctx, prefixes[i])
		return err
	})
	if errors.Is(err, store.ErrDenied) {
		return nil, nil
	}
	return slices.DeleteFunc(slices.Concat(found...), func(other string) bool { return !strings.EqualFold(other, name) }), err
}

// ServicesThatBegin returns the services that begin with a prefix: exactly or, if there is none, in any
// case.
func ServicesThatBegin(ctx context.Context, s store.Store, prefix string) ([]string, error) {
	names, err := s.Services(ctx, prefix)
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, prefix) }) // Services finds service api by "api/", too
	if err != nil || len(names) > 0 || prefix == "" {
		return names, err
	}
	all, err := s.Services(ctx, "")
	if errors.Is(err, store.ErrDenied) && prefix != strings.ToLower(prefix) {
		return s.Services(ctx, strings.ToLower(prefix))
	}
	return slices.DeleteFunc(all, func(name string) bool {
		return len(name) < len(prefix) || !strings.EqualFold(name[:len(prefix)], prefix)
	}), err
}

// IsMissingService reports whether an error says that a service doesn't exist, or has no secrets.
func IsMissingService(err error) bool {
	var missing *store.NotFoundError
	return errors.As(err, &missing) && missing.What == "service"
}

// withNearest adds the nearest service to the error of a missing one, if it can be found in a short
// time.
func withNearest(ctx context.Context, s store.Store, name string, err error) error {
	if !IsMissingService(err) {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, KeyTimeout)
	defer cancel()
	names, failed := s.Services(limited, "")
	near := store.Nearest(name, slices.DeleteFunc(names, func(other string) bool { return other == name }))
	if failed != nil || near == "" {
		return err
	}
	return NoSecrets("find", name, near)
}

// NoSecrets returns the error of a service without secrets. nearest is the name of another one; "" if
// none is known.
func NoSecrets(op, service, nearest string) error {
	return &store.Error{Op: op, ID: store.ID{Service: service}, Err: &store.NotFoundError{What: "service", Nearest: nearest}}
}

// StoredName returns the name under which a service is stored, or would be created. If the services
// can't be listed, that is the name in lower case.
func StoredName(ctx context.Context, s store.Store, name string) (string, error) {
	lower := strings.ToLower(name)
	twins, err := twins(ctx, s, name)
	switch {
	case err != nil:
		return lower, err
	case slices.Contains(twins, name):
		return name, nil
	case len(twins) > 1:
		return "", AmbiguousService(name, twins)
	case len(twins) == 1:
		return twins[0], nil
	}
	return lower, nil
}

// MustExist returns the error of a missing service unless a service of exactly this name has a secret, or
// the caller may not list it. It is for commands to which an empty answer tells nothing.
func MustExist(ctx context.Context, s store.Store, op, service string) error {
	names, err := s.Services(ctx, service)
	switch {
	case errors.Is(err, store.ErrDenied), err == nil && slices.Contains(names, service):
		return nil
	case err != nil:
		return err
	}
	return NoSecrets(op, service, "")
}

// loadOne reads one service, or the versions of it that have a label. The error of a service without
// secrets is that of a missing one.
func loadOne(ctx context.Context, s store.Store, service, label string) (c store.Contents, err error) {
	if label != "" {
		c, err = s.(store.Labeler).LoadLabel(ctx, service, label)
	} else {
		c, err = s.Load(ctx, service)
	}
	if err == nil && c.Listed == 0 && len(c.Secrets)+len(c.Denied)+len(c.Hidden)+len(c.LeftOut) == 0 && !c.Unlisted {
		err = NoSecrets("load", service, "")
	}
	return c, err
}

// CutLabel splits "service:label", chamber's syntax for a label of Parameter Store. It does not split
// an ARN, which is no name of a service.
func CutLabel(name string) (service, label string) {
	if strings.HasPrefix(name, "arn:") {
		return name, ""
	}
	service, label, _ = strings.Cut(name, ":")
	return service, label
}

// CheckLabel returns an error if no label can have this name.
func (a *App) CheckLabel(s store.Store, name, label string) error {
	_, labels := s.(store.Labeler)
	switch {
	case label == "" && !strings.HasSuffix(name, ":"):
		return nil
	case label == "" || strings.ContainsAny(label, ":/"):
		return fmt.Errorf("%w: %q is neither a service nor service:label", store.ErrInvalid, name)
	case !labels:
		return a.noLabels(label)
	}
	return nil
}
