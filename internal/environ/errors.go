package environ

import (
	"fmt"
	"strings"

	"github.com/coffer-secrets/coffer/store"
)

// NameError is a key that cannot be the name of a variable.
type NameError struct {
	Service string // "" from [Name]
	Key     string
	Name    string // what the key becomes
}

func (e *NameError) Error() string {
	return fmt.Sprintf("%s cannot be a variable: %q has something else than letters, digits and \"_\"",
		secretName(e.Service, e.Key), e.Name)
}

// Unwrap returns [store.ErrInvalid].
func (*NameError) Unwrap() error { return store.ErrInvalid }

// PrefixError is a prefix with which no key can be the name of a variable.
type PrefixError struct {
	Prefix string
	Name   string // what the first key would become
}

func (e *PrefixError) Error() string {
	return fmt.Sprintf("%q cannot be a variable: the prefix %q has something else than letters, digits and \"_\"", e.Name, e.Prefix)
}

// Unwrap returns [store.ErrInvalid].
func (*PrefixError) Unwrap() error { return store.ErrInvalid }

// ClashError is two or more keys of one service that become one variable.
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

// DangerousError is a secret that would set a variable with which the loader or a shell
// runs other code. Rules.AllowEnv lets it through.
type DangerousError struct{ Service, Key, Name string }

func (e *DangerousError) Error() string {
	return fmt.Sprintf("%s would set %s, which can make any program run other code", secretName(e.Service, e.Key), e.Name)
}

// Unwrap returns [store.ErrInvalid].
func (*DangerousError) Unwrap() error { return store.ErrInvalid }

// UnfilledError is, under Rules.Strict, variables of the parent that no secret fills.
type UnfilledError struct{ Names []string } // sorted

func (e *UnfilledError) Error() string {
	return "no secret fills " + strings.Join(e.Names, ", ")
}

// Unwrap returns [store.ErrInvalid].
func (*UnfilledError) Unwrap() error { return store.ErrInvalid }

// OccupiedError is, under Rules.Strict, a secret whose variable the parent sets to
// something else than the marking value.
type OccupiedError struct{ Service, Key, Name string }

func (e *OccupiedError) Error() string {
	return fmt.Sprintf("%s would replace %s, which the parent environment sets to something else than the strict value",
		secretName(e.Service, e.Key), e.Name)
}

// Unwrap returns [store.ErrInvalid].
func (*OccupiedError) Unwrap() error { return store.ErrInvalid }

// PatternError is a malformed glob.
type PatternError struct{ Pattern string }

func (e *PatternError) Error() string { return fmt.Sprintf("pattern %q is malformed", e.Pattern) }

// Unwrap returns [store.ErrInvalid].
func (*PatternError) Unwrap() error { return store.ErrInvalid }

// Problems is several errors at once, at least two.
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

// secretName names a secret in an error; what cannot be printed in it is escaped.
func secretName(service, key string) string {
	if service == "" {
		return fmt.Sprintf("the key %q", key)
	}
	return fmt.Sprintf("%q", service+"/"+key)
}
