package environ

import (
	"fmt"
	"sort"
	"strings"
	"unicode/utf16"

	"github.com/coffer-secrets/coffer/store"
)

// Limits are the limits of a system for what it passes to a program. Zero means no limit.
type Limits struct {
	Bytes   int // of one argument or NAME=value, without its NUL
	Units   int // of one NAME=value, in UTF-16 code units
	Total   int // of path, arguments and environment together, in bytes, with NULs and pointers
	Pointer int // the bytes that count for the pointer to each argument and variable
}

// largest is the number of variables that a [*TotalError] names.
const largest = 5

// Check reports whether path can be executed with argv, which includes argv[0], and env. The error of
// execve itself doesn't say which variable is too large. Errors are [*NULError], [*SizeError] and
// [*TotalError], or [Problems] for several of them.
func Check(path string, argv []string, env Environment, l Limits) error {
	var problems Problems
	total := len(path) + 1
	for i, arg := range argv {
		total += len(arg) + 1 + l.Pointer
		if l.Bytes > 0 && len(arg) > l.Bytes {
			problems = append(problems, &SizeError{Argument: i, Size: len(arg), Limit: l.Bytes})
		}
	}
	for _, v := range env {
		if v.Name == "" {
			continue
		}
		total += v.size() + 1 + l.Pointer
		if err := v.check(l); err != nil {
			problems = append(problems, err)
		}
	}
	if len(problems) == 0 && l.Total > 0 && total > l.Total {
		problems = append(problems, &TotalError{Size: total, Limit: l.Total, Largest: largestOf(env)})
	}
	return problems.err()
}

func (v Variable) size() int {
	name, value := v.passed()
	return len(name) + len("=") + len(value)
}

func (v Variable) check(l Limits) error {
	name, value := v.passed()
	if strings.IndexByte(name, 0) >= 0 || strings.IndexByte(value, 0) >= 0 {
		return &NULError{Service: v.Service, Key: v.Key, Name: name}
	}
	if n := v.size(); l.Bytes > 0 && n > l.Bytes {
		return &SizeError{Service: v.Service, Key: v.Key, Name: name, Size: n, Limit: l.Bytes}
	}
	if l.Units > 0 && v.size() > l.Units { // a string never has more code units than bytes
		if n := units(name) + len("=") + units(value); n > l.Units {
			return &SizeError{Service: v.Service, Key: v.Key, Name: name, Size: n, Limit: l.Units}
		}
	}
	return nil
}

// units returns the number of UTF-16 code units of a string.
func units(s string) (n int) {
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

func largestOf(env Environment) []Sized {
	sized := make([]Sized, len(env))
	for i, v := range env {
		name, _ := v.passed()
		sized[i] = Sized{Service: v.Service, Key: v.Key, Name: name, Size: v.size()}
	}
	sort.SliceStable(sized, func(i, j int) bool { return sized[i].Size > sized[j].Size })
	return sized[:min(largest, len(sized))]
}

// NULError is the error of a variable with a NUL, which no environment can have.
type NULError struct{ Service, Key, Name string } // Service and Key are empty for an inherited variable

func (e *NULError) Error() string {
	return describe(e.Service, e.Key, e.Name) + " has a NUL, which an environment can't contain"
}

// Unwrap returns [store.ErrInvalid].
func (*NULError) Unwrap() error { return store.ErrInvalid }

// SizeError is the error of a variable or an argument that is too long.
type SizeError struct {
	Service, Key string // empty for an argument and for an inherited variable
	Name         string // empty for an argument
	Argument     int    // the index in argv, if Name is empty
	Size, Limit  int    // of NAME=value or of the argument, in bytes; on Windows in UTF-16 code units
}

func (e *SizeError) Error() string {
	if e.Name == "" {
		return fmt.Sprintf("argument %d is too long: %d; the system's limit is %d", e.Argument, e.Size, e.Limit)
	}
	return fmt.Sprintf("%s is too long: %d with its name; the system's limit is %d",
		describe(e.Service, e.Key, e.Name), e.Size, e.Limit)
}

// Unwrap returns [store.ErrInvalid].
func (*SizeError) Unwrap() error { return store.ErrInvalid }

// Sized is a variable with its size.
type Sized struct {
	Service, Key string // empty for an inherited variable
	Name         string
	Size         int // of NAME=value, in bytes
}

// TotalError is the error of arguments and environment that are too large together.
type TotalError struct {
	Size, Limit int     // of path, arguments and environment, in bytes
	Largest     []Sized // up to five variables, the largest first
}

func (e *TotalError) Error() string {
	list := make([]string, len(e.Largest))
	for i, v := range e.Largest {
		list[i] = fmt.Sprintf("%s %d", describe(v.Service, v.Key, v.Name), v.Size)
	}
	return fmt.Sprintf("arguments and environment have %d bytes; the system's limit is %d; the largest: %s",
		e.Size, e.Limit, strings.Join(list, ", "))
}

// Unwrap returns [store.ErrInvalid].
func (*TotalError) Unwrap() error { return store.ErrInvalid }

// describe returns the name of a variable for an error, with its secret if it is not inherited.
func describe(service, key, name string) string {
	if key == "" {
		return fmt.Sprintf("the variable %q of the parent environment", name)
	}
	return fmt.Sprintf("%s (from %s)", name, secretName(service, key))
}
