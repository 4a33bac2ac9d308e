package formats

import (
	"fmt"

	"github.com/coffer-secrets/coffer/store"
)

// ValueError is the error of a value that a format can't represent. It wraps [store.ErrInvalid].
type ValueError struct{ Format, Key, Reason string }

func (e *ValueError) Error() string {
	return fmt.Sprintf("%s can't represent the value of %q: %s", e.Format, e.Key, e.Reason)
}

func (e *ValueError) Unwrap() error { return store.ErrInvalid }

// NameError is the error of two keys that get the same name. It wraps [store.ErrInvalid].
type NameError struct {
	Format, Name string
	Keys         [2]string
}

func (e *NameError) Error() string {
	if e.Keys[0] == e.Keys[1] {
		return fmt.Sprintf("%s: key %q appears twice", e.Format, e.Keys[0])
	}
	return fmt.Sprintf("%s: keys %q and %q both become %s", e.Format, e.Keys[0], e.Keys[1], e.Name)
}

func (e *NameError) Unwrap() error { return store.ErrInvalid }

// SyntaxError is the error of a file that can't be read. It wraps [store.ErrInvalid].
type SyntaxError struct {
	Format string
	Line   int    // from 1; 0 if it isn't known
	Path   string // the key, with those of the maps around it; "" if it isn't known
	Reason string
	Nested bool // it is a nested map, which Options.Flatten allows
}

func (e *SyntaxError) Error() string {
	text := e.Format
	if e.Line > 0 {
		text += fmt.Sprintf(", line %d", e.Line)
	}
	if e.Path != "" {
		text += ", " + e.Path
	}
	return text + ": " + e.Reason
}

func (e *SyntaxError) Unwrap() error { return store.ErrInvalid }

// DuplicateError is the error of a key that occurs twice in a file. It wraps [store.ErrInvalid].
type DuplicateError struct {
	Format, Path  string
	First, Second int // lines
}

func (e *DuplicateError) Error() string {
	return fmt.Sprintf("%s: %s is on line %d and again on line %d", e.Format, e.Path, e.First, e.Second)
}

func (e *DuplicateError) Unwrap() error { return store.ErrInvalid }
