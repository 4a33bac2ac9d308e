package environ

import (
	"fmt"
	"strings"

	"github.com/coffer-secrets/coffer/store"
)

// NameError is the error of a key that can't be the name of a variable.
type NameError struct {
	Service string // "" from [Name]
	Key     string
	Name    string // the invalid name
}

func (e *NameError) Error() string {
	return fmt.Sprintf("%s can't be a variable: %q has characters other than letters, digits and \"_\"",
		secretName(e.Service, e.Key), e.Name)
}

// Unwrap returns [store.ErrInvalid].
func (*NameError) Unwrap() error { return store.ErrInvalid }

// PrefixError is the error of a prefix with which no key can be the name of a variable.
type PrefixError struct {
	Prefix string
	Name   string // the invalid name of the first key
}

func (e *PrefixError) Error() string {
	return fmt.Sprintf("%q can't be a variable: the prefix %q has characters other than letters, digits and \"_\"", e.Name, e.Prefix)
}

// Unwrap returns [store.ErrInvalid].
func (*PrefixError) Unwrap() error { return store.ErrInvalid }

// ClashError is the error of keys of one service that become the same variable.
type ClashError struct {
	Service, Name string
	Keys          []string // sorted
}

func (e *ClashError) Error() string {
	keys := make([]string, len(e.Keys))
	for i, key := range e.Keys {
		keys[i] = fmt.Sprintf("%q", key)
	}
	return fmt.Sprintf("in service %q the keys %s all become the variable %s", e.Service, strings.Join(keys, " and "), e.Name)
}

// Unwrap returns [store.ErrInvalid].
func (*ClashError) Unwrap() error { return store.ErrInvalid }

// DangerousError is the error of a secret that would set a variable with which any program runs other
// code. [Rules].AllowEnv allows it.
type DangerousError struct{ Service, Key, Name string }

func (e *DangerousError) Error() string {
	return fmt.Sprintf("%s would set %s, which can make any program run other code", secretName(e.Service, e.Key), e.Name)
}

// Unwrap returns [store.ErrInvalid].
func (*DangerousError) Unwrap() error { return store.ErrInvalid }

// UnfilledError is the error of marked variables that no secret fills, with [Rules].Strict.
type UnfilledError struct{ Names []string } // sorted

func (e *UnfilledError) Error() string {
	return "no secret for " + strings.Join(e.Names, ", ")
}

// Unwrap returns [store.ErrInvalid].
func (*UnfilledError) Unwrap() error { return store.ErrInvalid }

// OccupiedError is the error of a secret whose variable the parent sets to another value than the
// mark, with [Rules].Strict.
type OccupiedError struct{ Service, Key, Name string }

func (e *OccupiedError) Error() string {
	return fmt.Sprintf("%s would replace %s, which the parent environment sets to a value other than the strict value",
		secretName(e.Service, e.Key), e.Name)
}

// Unwrap returns [store.ErrInvalid].
func (*OccupiedError) Unwrap() error { return store.ErrInvalid }

// PatternError is the error of a malformed glob.
type PatternError struct{ Pattern string }

func (e *PatternError) Error() string { return fmt.Sprintf("pattern %q is not valid", e.Pattern) }

// Unwrap returns [store.ErrInvalid].
func (*PatternError) Unwrap() error { return store.ErrInvalid }

// UnmatchedError is the error of a pattern of [Rules].Only that matches no key.
type UnmatchedError struct{ Pattern string }

func (e *UnmatchedError) Error() string { return fmt.Sprintf("no key matches %q", e.Pattern) }

// Unwrap returns [store.ErrNotFound].
func (*UnmatchedError) Unwrap() error { return store.ErrNotFound }

// Problems is a list of at least two errors.
type Problems []error

func (p Problems) Error() string {
	texts := make([]string, len(p))
	for i, err := range p {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

// Unwrap returns the errors.
func (p Problems) Unwrap() []error { return p }

// err returns nil, the only problem, or all of them.
func (p Problems) err() error {
	switch len(p) {
	case 0:
		return nil
	case 1:
		return p[0]
	}
	return p
}

// secretName returns the name of a secret for an error, quoted and escaped.
func secretName(service, key string) string {
	if service == "" {
		return fmt.Sprintf("the key %q", key)
	}
	return fmt.Sprintf("%q", service+"/"+key)
}
