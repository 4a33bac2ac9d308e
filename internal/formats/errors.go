package formats

import (
	"fmt"

	"github.com/coffer-secrets/coffer/store"
)

// ValueError says that a format cannot hold a value. It wraps [store.ErrInvalid].
type ValueError struct{ Format, Key, Reason string }

func (e *ValueError) Error() string {
	return fmt.Sprintf("%s cannot carry the value of %q: %s", e.Format, e.Key, e.Reason)
}

func (e *ValueError) Unwrap() error { return store.ErrInvalid }

// NameError tells that two keys meet in one name. It wraps [store.ErrInvalid].
type NameError struct {
	Format, Name string
	Keys         [2]string
}

func (e *NameError) Error() string {
	if e.Keys[0] == e.Keys[1] {
		return fmt.Sprintf("%s: key %q is given twice", e.Format, e.Keys[0])
	}
	return fmt.Sprintf("%s: keys %q and %q both become %s", e.Format, e.Keys[0], e.Keys[1], e.Name)
}

func (e *NameError) Unwrap() error { return store.ErrInvalid }

// SyntaxError tells where a file cannot be read, and why. It wraps [store.ErrInvalid].
type SyntaxError struct {
	Format string
	Line   int    // from 1; 0 where that says nothing
	Path   string // the key, with those it is nested in; "" where there is none
	Reason string
	Nested bool // a map within a map, whose keys Options.Flatten would join
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

// DuplicateError tells that a key stands twice in a file. It wraps [store.ErrInvalid].
type DuplicateError struct {
	Format, Path  string
	First, Second int // lines
}

func (e *DuplicateError) Error() string {
	return fmt.Sprintf("%s: %s stands on line %d and again on line %d", e.Format, e.Path, e.First, e.Second)
}

func (e *DuplicateError) Unwrap() error { return store.ErrInvalid }
