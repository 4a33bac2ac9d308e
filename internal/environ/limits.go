package environ

import (
	"fmt"
	"sort"
	"strings"
	"unicode/utf16"

	"github.com/coffer-secrets/coffer/store"
)

// Limits are what a system can pass to a program. Zero means: not limited here.
type Limits struct {
	Bytes   int // of one argument or NAME=value, without its NUL
	Units   int // of one NAME=value, in UTF-16 code units
	Total   int // bytes of everything: path, arguments and environment, each with its NUL, and Pointer for each
	Pointer int // bytes that Total counts for the pointer to each argument and variable
}

// largest is how many variables a [*TotalError] names.
const largest = 5

// Check reports whether path can be executed with argv (argv[0] included) and env: the
// system's own answer is one number for everything, and comes after the fork. Errors are
// [*NULError], [*SizeError] and [*TotalError]; several at once come as [Problems].
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

func (v Variable) size() int { return len(v.Name) + len("=") + v.Value.Len() }

func (v Variable) check(l Limits) error {
	if strings.IndexByte(v.Name, 0) >= 0 || strings.IndexByte(v.Value.Reveal(), 0) >= 0 {
		return &NULError{Service: v.Service, Key: v.Key, Name: v.Name}
	}
	if n := v.size(); l.Bytes > 0 && n > l.Bytes {
		return &SizeError{Service: v.Service, Key: v.Key, Name: v.Name, Size: n, Limit: l.Bytes}
	}
	if l.Units > 0 && v.size() > l.Units { // a string never has more units than bytes
		if n := units(v.Name) + len("=") + units(v.Value.Reveal()); n > l.Units {
			return &SizeError{Service: v.Service, Key: v.Key, Name: v.Name, Size: n, Limit: l.Units}
		}
	}
	return nil
}

func units(s string) (n int) {
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

func largestOf(env Environment) []Sized {
	sized := make([]Sized, len(env))
	for i, v := range env {
		sized[i] = Sized{Service: v.Service, Key: v.Key, Name: v.Name, Size: v.size()}
	}
	sort.SliceStable(sized, func(i, j int) bool { return sized[i].Size > sized[j].Size })
	return sized[:min(largest, len(sized))]
}

// NULError is a variable with a NUL in it, which no environment can hold.
type NULError struct{ Service, Key, Name string } // Service and Key are empty for an inherited one

func (e *NULError) Error() string {
	return describe(e.Service, e.Key, e.Name) + " holds a NUL, which no environment can hold"
}

// Unwrap returns [store.ErrInvalid].
func (*NULError) Unwrap() error { return store.ErrInvalid }

// SizeError is a variable or an argument that is too long.
type SizeError struct {
	Service, Key string // empty for an argument and for an inherited variable
	Name         string // empty for an argument
	Argument     int    // which, when Name is empty; 0 is the command's own name
	Size, Limit  int    // of NAME=value, or of the argument, in bytes (on Windows: in characters)
}

func (e *SizeError) Error() string {
	if e.Name == "" {
		return fmt.Sprintf("argument %d is too long: %d, and the system passes at most %d", e.Argument, e.Size, e.Limit)
	}
	return fmt.Sprintf("%s is too long: %d with its name, and the system passes at most %d",
		describe(e.Service, e.Key, e.Name), e.Size, e.Limit)
}

// Unwrap returns [store.ErrInvalid].
func (*SizeError) Unwrap() error { return store.ErrInvalid }

// Sized is a variable and the bytes of its NAME=value.
type Sized struct {
	Service, Key string // empty for an inherited one
	Name         string
	Size         int
}

// TotalError is an environment that is too large as a whole.
type TotalError struct {
	Size, Limit int     // of path, arguments and environment, in bytes
	Largest     []Sized // up to five variables, the largest first
}

func (e *TotalError) Error() string {
	list := make([]string, len(e.Largest))
	for i, v := range e.Largest {
		list[i] = fmt.Sprintf("%s %d", describe(v.Service, v.Key, v.Name), v.Size)
	}
	return fmt.Sprintf("arguments and environment have %d bytes, and the system passes at most %d; the largest: %s",
		e.Size, e.Limit, strings.Join(list, ", "))
}

// Unwrap returns [store.ErrInvalid].
func (*TotalError) Unwrap() error { return store.ErrInvalid }

// describe names a variable and, where it has one, its secret.
func describe(service, key, name string) string {
	if key == "" {
		return fmt.Sprintf("the variable %q of the parent environment", name)
	}
	return fmt.Sprintf("%s (from %s)", name, secretName(service, key))
}
