package project

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/internal/foreign"
	"github.com/coffer-secrets/coffer/internal/reference"
	"github.com/coffer-secrets/coffer/store"
)

// KeyError is a key that the file needs and that can't be used. It has no part of a value.
type KeyError struct {
	File string // its name
	Name string // as the file has it
	Line int
	By   string // the variable that uses the key; "" if the file lists it
	In   string // the services in which it was looked up

	Nearest     string // the most similar key; "" if there is none
	Description string
	Fault       string // of the value; "" if there is none
	Kind        error  // [store.ErrNotFound], [store.ErrDenied], [store.ErrAmbiguousName], or nil
}

func (e *KeyError) Error() string {
	text := fmt.Sprintf("%s:%d: ", e.File, e.Line)
	if e.By != "" {
		text += e.By + ": "
	}
	switch {
	case errors.Is(e.Kind, store.ErrNotFound):
		text += fmt.Sprintf("key %q is missing in %s", e.Name, e.In)
	case errors.Is(e.Kind, store.ErrDenied):
		text += fmt.Sprintf("you don't have permission to read the key %q in %s", e.Name, e.In)
	case errors.Is(e.Kind, store.ErrAmbiguousName):
		text += fmt.Sprintf("key %q is ambiguous in %s: use the exact name", e.Name, e.In)
	default:
		return text + fmt.Sprintf("secret %q in service %q %s", e.Name, e.In, e.Fault)
	}
	if e.Nearest != "" {
		text += fmt.Sprintf(" (nearest: %q)", e.Nearest)
	}
	if e.Description != "" {
		text += ": " + foreign.Text(e.Description) // whose author may be a stranger
	}
	return text
}

// Unwrap returns the kind of the error.
func (e *KeyError) Unwrap() error { return e.Kind }

// Check returns an error for each key that the program needs and that is missing or hidden, and for each
// value that is not of its type. all are the services of [File.Every] that have secrets.
func (f *File) Check(all []store.Contents) []error {
	var errs []error
	own := f.listed(all)
	for _, k := range f.Keys {
		secret, err := f.look(own, k)
		switch {
		case err != nil && (!k.Optional || errors.Is(err, store.ErrAmbiguousName)):
			errs = append(errs, err)
		case err == nil:
			if fault := k.fault(secret.Value.Reveal()); fault != "" {
				errs = append(errs, &KeyError{File: f.Name, Name: secret.ID.Key, Line: k.Line, In: secret.ID.Service, Fault: fault})
			}
		}
	}
	_, missing := f.values(all)
	return append(errs, missing...)
}

// fault returns what is wrong with the value of the key; "" if nothing is.
func (k Key) fault(value string) string {
	if value == "" && !k.Optional {
		return "is empty"
	}
	return Fault(k.Type, value)
}

// listed returns the services that the file lists, in the order of all: their secrets become variables.
func (f *File) listed(all []store.Contents) []store.Contents {
	listed := map[string]bool{}
	for _, name := range f.Services {
		if service, err := store.Match("service", name, namesOf(all)); err == nil {
			listed[service] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(c store.Contents) bool { return !listed[c.Service] })
}

func namesOf(all []store.Contents) []string {
	names := make([]string, len(all))
	for i, c := range all {
		names[i] = c.Service
	}
	return names
}

// look returns the secret of a key: that of the last service that has it, as its variable is set by that
// service.
func (f *File) look(own []store.Contents, k Key) (store.Secret, error) {
	hidden := ""
	for _, c := range slices.Backward(own) {
		secret, kind := secretOf(c, k.Name)
		switch {
		case kind == nil:
			return secret, nil
		case errors.Is(kind, store.ErrAmbiguousName):
			return store.Secret{}, &KeyError{File: f.Name, Name: k.Name, Line: k.Line, In: c.Service, Kind: store.ErrAmbiguousName}
		case errors.Is(kind, store.ErrDenied) && hidden == "":
			hidden = c.Service
		}
	}
	if hidden != "" {
		return store.Secret{}, &KeyError{File: f.Name, Name: k.Name, Line: k.Line, In: hidden, Description: k.Description, Kind: store.ErrDenied}
	}
	var keys []string
	for _, c := range own {
		keys = append(keys, c.Keys()...)
	}
	return store.Secret{}, &KeyError{
		File: f.Name, Name: k.Name, Line: k.Line, In: strings.Join(f.Services, ", "),
		Nearest: nearest(k.Name, keys), Description: k.Description, Kind: store.ErrNotFound,
	}
}

// secretOf returns the secret that a name means in a service. The error is a sentinel of store.
func secretOf(c store.Contents, name string) (store.Secret, error) {
	key, err := store.Match("secret", name, c.Keys())
	if errors.Is(err, store.ErrAmbiguousName) {
		return store.Secret{}, store.ErrAmbiguousName
	}
	for _, s := range c.Secrets {
		if err == nil && s.ID.Key == key {
			return s, nil
		}
	}
	if err == nil {
		return store.Secret{}, store.ErrDenied // it is hidden
	}
	return store.Secret{}, store.ErrNotFound
}

// values returns the values of the references, and an error for each that has none.
func (f *File) values(all []store.Contents) (map[reference.Reference]store.Value, []error) {
	out, failed := map[reference.Reference]store.Value{}, map[reference.Reference]bool{}
	var errs []error
	for _, v := range f.Variables {
		for _, use := range v.text.Uses() {
			r := use.Reference
			if _, done := out[r]; done || failed[r] {
				continue
			}
			e := &KeyError{File: f.Name, Name: r.Key, Line: v.Line, By: v.Name, In: r.Service, Kind: store.ErrNotFound}
			if service, err := store.Match("service", r.Service, namesOf(all)); err == nil {
				c := all[slices.Index(namesOf(all), service)]
				secret, kind := secretOf(c, r.Key)
				if kind == nil {
					out[r] = secret.Value
					continue
				}
				if e.Kind = kind; errors.Is(kind, store.ErrNotFound) && len(errs) < mostShown { // a comparison with every key
					e.Nearest = nearest(r.Key, c.Keys())
				}
			}
			failed[r] = true
			errs = append(errs, e)
		}
	}
	return out, errs
}
