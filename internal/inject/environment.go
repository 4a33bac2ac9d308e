package inject

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/environ"
	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/reference"
	"github.com/coffer-secrets/coffer/internal/template"
	"github.com/coffer-secrets/coffer/store"
)

// Variables are the variables of an environment that references stand in.
type Variables struct {
	app       *app.App
	env       environ.Environment
	whole     map[int]reference.Reference // by their index: the value is a reference
	templates map[int]*template.Template  // the value has references in braces
}

// FindVariables finds the references in the inherited variables of an environment, and in secrets that a
// pattern of secrets selects. It reports every one that is written wrongly, and returns the last.
//
// Other secrets are passed as they are: whoever may write one could otherwise have a program read what he
// may not read himself, and send it where he can see it.
func FindVariables(a *app.App, env environ.Environment, secrets []string) (*Variables, error) {
	v := &Variables{app: a, env: env, whole: map[int]reference.Reference{}, templates: map[int]*template.Template{}}
	selected := map[string]bool{}
	for _, pattern := range secrets {
		all, err := env.SelectSecrets(pattern)
		if err != nil {
			return nil, err
		}
		for _, one := range all {
			selected[one.Name] = true
		}
	}
	var failed []error
	for i, one := range env {
		switch {
		case !strings.Contains(one.Value.Reveal(), reference.Scheme):
		case one.Inherited() || selected[one.Name]:
			failed = append(failed, v.find(i)...)
		case strings.HasPrefix(one.Value.Reveal(), reference.Scheme):
			a.Note("%s/%s is a reference, and is passed unchanged; to resolve it: --resolve-secret %s", one.Service, one.Key, one.Key)
		}
	}
	return v, a.Report(failed...)
}

// Empty reports whether there are no references.
func (v *Variables) Empty() bool { return len(v.whole)+len(v.templates) == 0 }

// find finds the references in one variable.
func (v *Variables) find(i int) (failed []error) {
	name, value := v.env[i].Name, v.env[i].Value.Reveal()
	if strings.HasPrefix(value, reference.Scheme) {
		ref, err := reference.Parse(value)
		if err != nil {
			return []error{&variableError{name, err}}
		}
		v.whole[i] = ref
		return nil
	}
	t, failed := template.Parse("$"+name, value)
	if len(failed) == 0 && t.HasBare() {
		err := fmt.Errorf("%w: a reference that is a part of a value needs braces, and a filter for its place: {{ %sSERVICE/KEY | url }}", store.ErrInvalid, reference.Scheme)
		return []error{&variableError{name, err}}
	}
	v.templates[i] = t
	return failed
}

// Services returns the services, with labels, that references are to. One with a version never changes.
func (v *Variables) Services() []string { return servicesOf(v.references()) }

// servicesOf returns the services whose newest versions references are to, as [app.CutLabel] takes them, sorted.
func servicesOf(refs []reference.Reference) (names []string) {
	for _, ref := range refs {
		name := ref.Service
		if ref.Label != "" {
			name += ":" + ref.Label
		}
		if ref.Version == store.Latest {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (v *Variables) references() (refs []reference.Reference) {
	for _, ref := range v.whole {
		refs = append(refs, ref)
	}
	for _, t := range v.templates {
		for _, u := range t.Uses() {
			refs = append(refs, u.Reference)
		}
	}
	return refs
}

// Resolve reads the secrets, and returns the environment with them in place of the references, which nothing in
// a secret is. Those that are parts of values are in it too, without a name. known is what was read already. It
// reports everything that is missing or can't stand at its place, and returns the worst.
func (v *Variables) Resolve(ctx context.Context, known ...store.Contents) (environ.Environment, error) {
	refs := v.references()
	if len(refs) == 0 {
		return v.env, nil
	}
	found, err := v.app.ReadReferences(ctx, refs, known...)
	if err != nil {
		return nil, err
	}
	var failed []error
	var env, parts environ.Environment
	for i, one := range v.env {
		if ref, ok := v.whole[i]; ok {
			secret, err := found.Secrets[ref], found.Failed[ref]
			if err != nil {
				failed = append(failed, &variableError{one.Name, err})
			}
			one.Value, one.Service, one.Key = secret.Value, secret.ID.Service, secret.ID.Key
		}
		if t := v.templates[i]; t != nil {
			text, errs := fill(t, "$"+one.Name, found)
			failed = append(failed, errs...)
			one.Value = store.NewValue(text)
			for _, u := range t.Uses() {
				secret := found.Secrets[u.Reference]
				parts = append(parts, environ.Variable{Value: secret.Value, Service: secret.ID.Service, Key: secret.ID.Key})
			}
		}
		env = append(env, one)
	}
	return append(env, parts...), v.app.Report(failed...)
}

// variableError is what is wrong with a variable.
type variableError struct {
	name string
	err  error
}

func (e *variableError) Error() string { return e.Place() + ": " + e.err.Error() }

// Place returns the variable as a shell writes it.
func (e *variableError) Place() string { return "$" + e.name }

func (e *variableError) Unwrap() error { return e.err }
