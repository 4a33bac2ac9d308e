package project

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/coffer-secrets/coffer/environ"
	"github.com/coffer-secrets/coffer/internal/template"
	"github.com/coffer-secrets/coffer/store"
)

// parseVariable parses the template of a variable. It returns a description of each fault.
func parseVariable(name, text string) (*template.Template, []string) {
	t, errs := template.Parse(name, text)
	var faults []string
	for _, err := range errs {
		faults = append(faults, plain(err))
	}
	if len(faults) > 0 {
		return nil, faults
	}
	for _, use := range t.Uses() {
		switch r := use.Reference; {
		case r.Version != store.Latest:
			faults = append(faults, fmt.Sprintf("%s: %s names a version: a project's file always has the newest", name, r))
		case r.Label != "":
			faults = append(faults, fmt.Sprintf("%s: %s names a label: a project's file always has the newest version", name, r))
		}
	}
	switch {
	case len(faults) > 0:
	case t.HasBare():
		faults = append(faults, fmt.Sprintf("%s: put a reference in braces: {{ coffer://SERVICE/KEY }}", name))
	case strings.Count(text, "{{") != len(t.Uses()):
		faults = append(faults, fmt.Sprintf("%s: what is in {{ }} must be a reference, such as {{ coffer://SERVICE/KEY }}", name))
	case len(t.Uses()) == 0:
		faults = append(faults, fmt.Sprintf("%s has no reference such as {{ coffer://SERVICE/KEY }}: this section is only for variables that are built from secrets", name))
	}
	return t, faults
}

// plain returns the text of an error without the sentinel, on one line.
func plain(err error) string {
	text := strings.Replace(err.Error(), store.ErrInvalid.Error()+": ", "", 1)
	if utf8.RuneCountInString(text) > 2*longestName {
		text = string([]rune(text)[:2*longestName]) + "…"
	}
	return text
}

// Layers returns the secrets of the services as layers of an environment, under the names that the file
// gives them, and then the variables that are put together. The errors are those of [File.Check] about
// references, and of values that can't stand at their place.
func (f *File) Layers(all []store.Contents) ([]environ.Layer, []error) {
	own := f.listed(all)
	layers := environ.Layers(own...)
	for i, c := range own {
		for j, v := range layers[i].Vars {
			if k := f.find(v.Key, c.Keys()); k != nil {
				layers[i].Vars[j].Name = k.Variable
			}
		}
	}
	if len(f.Variables) == 0 {
		return layers, nil
	}
	values, errs := f.values(all)
	if len(errs) > 0 {
		return nil, errs
	}
	composed := environ.Layer{Service: f.Name}
	for _, v := range f.Variables {
		text, faults := v.text.Render(values)
		errs = append(errs, faults...)
		composed.Vars = append(composed.Vars, environ.Var{Key: v.Name, Name: v.Name, Value: store.NewValue(text)})
	}
	return append(layers, composed), errs
}

// WithParts returns an environment with the secrets that are parts of variables, and have no variable of their
// own. They have no name, and are as secret as the variables.
func (f *File) WithParts(env environ.Environment, all []store.Contents) environ.Environment {
	for _, v := range f.Variables {
		for _, use := range v.text.Uses() {
			service, err := store.Match("service", use.Reference.Service, namesOf(all))
			if err != nil {
				continue
			}
			secret, err := secretOf(all[slices.Index(namesOf(all), service)], use.Reference.Key)
			known := func(v environ.Variable) bool { return v.Service == secret.ID.Service && v.Key == secret.ID.Key }
			if err == nil && !slices.ContainsFunc(env, known) {
				env = append(env, environ.Variable{Value: secret.Value, Service: secret.ID.Service, Key: secret.ID.Key})
			}
		}
	}
	return env
}
