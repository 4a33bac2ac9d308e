// Package lockfile is the file that names the versions of the secrets of services, without their values: its
// format, the fingerprints in it, and a store that has exactly those versions. docs/design/lock.md says why
// nothing in it helps to guess a value.
package lockfile

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coffer-secrets/coffer/internal/plainfile"
	"github.com/coffer-secrets/coffer/store"
)

// DefaultName is the name of the file if none is given.
const DefaultName = "coffer.lock"

// MaxSize is the size limit of a file, in bytes: about 30,000 secrets.
const MaxSize = 4 << 20

const tooLarge = "it is larger than 4 MiB"

const (
	header        = "coffer-lock 1"
	fingerprint   = "hmac-sha256:"
	date          = "date:"
	commentPrefix = "#"
)

// File is the content of a lock file.
type File struct {
	Services []string // in the order in which they were locked: of one variable the last service wins
	Entries  []Entry
}

// Entry is the version of one secret that is locked.
type Entry struct {
	store.ID
	Version int
	Proof   string // what the version must agree with: see [Proof]
}

// Encode returns the file: one line for each secret, so that git shows and merges changes by secret.
func (f File) Encode() []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "# Versions of secrets, without their values. To change it: coffer lock %s -o FILE\n%s\n", strings.Join(f.Services, " "), header)
	for _, service := range f.Services {
		fmt.Fprintf(&out, "service %s\n", service)
	}
	for _, e := range sorted(f.Entries) {
		fmt.Fprintf(&out, "%s %d %s\n", e.ID, e.Version, e.Proof)
	}
	return out.Bytes()
}

func sorted(entries []Entry) []Entry {
	return slices.SortedFunc(slices.Values(entries), func(a, b Entry) int {
		return cmp.Or(strings.Compare(a.Service, b.Service), strings.Compare(a.Key, b.Key))
	})
}

// Of returns the entries of a service, by key.
func (f File) Of(service string) map[string]Entry {
	entries := map[string]Entry{}
	for _, e := range f.Entries {
		if e.Service == service {
			entries[e.Key] = e
		}
	}
	return entries
}

// Read reads a lock file. The error of one that is invalid, or isn't a plain file, is [store.ErrInvalid], and names
// the line. It never waits for a pipe.
func Read(name string) (File, error) {
	body, err := plainfile.Read(name, MaxSize)
	switch {
	case errors.Is(err, plainfile.ErrNotPlain):
		return File{}, &Error{File: name, Reason: plainfile.ErrNotPlain.Error()}
	case errors.Is(err, plainfile.ErrTooLarge):
		return File{}, &Error{File: name, Reason: tooLarge}
	case err != nil:
		return File{}, err
	}
	f, err := Parse(body)
	var invalid *Error
	if errors.As(err, &invalid) {
		invalid.File = name
	}
	return f, err
}

// Error is a [store.ErrInvalid]: why a file isn't a lock file.
type Error struct {
	File   string // "" if it isn't known
	Line   int    // from 1; 0 for the whole file
	Reason string
}

func (e *Error) Error() string {
	where := cmp.Or(e.File, "lock file")
	if e.Line > 0 {
		where += ", line " + strconv.Itoa(e.Line)
	}
	return where + ": " + e.Reason
}

func (*Error) Unwrap() error { return store.ErrInvalid }

// Hint says how to get a valid one.
func (*Error) Hint() string { return "coffer lock SERVICE... -o FILE writes a new one" }

// Parse parses a lock file. It accepts what [File.Encode] writes, with other comments, empty lines, the line ends
// of Windows, and the lines of secrets in any order. Everything else is an [*Error].
func Parse(body []byte) (File, error) {
	if len(body) > MaxSize {
		return File{}, &Error{Reason: tooLarge}
	}
	p := parser{seen: map[store.ID]bool{}, keys: map[string]int{}}
	for text := range bytes.Lines(body) {
		p.line++
		line := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
		if err := p.parse(line); err != nil {
			return File{}, &Error{Line: p.line, Reason: err.Error()}
		}
	}
	if !p.begun {
		return File{}, &Error{Reason: fmt.Sprintf("it isn't a lock file: the line %q is missing", header)}
	}
	for _, service := range p.file.Services {
		if p.keys[service] == 0 {
			return File{}, &Error{Reason: fmt.Sprintf("service %s has no secret in it", service)}
		}
	}
	if len(p.file.Services) == 0 {
		return File{}, &Error{Reason: "it names no service"}
	}
	return p.file, nil
}

type parser struct {
	file  File
	line  int
	begun bool
	seen  map[store.ID]bool
	keys  map[string]int // the number of secrets of each service
}

// Errors of lines. They don't repeat the line: another program may have written a secret into it.
var (
	errCharacters = errors.New("it has characters other than printable ASCII")
	errConflict   = errors.New("it has the marks of a merge conflict: lock the services again")
	errForm       = errors.New("it isn't of the form SERVICE/KEY VERSION FINGERPRINT")
	errNumber     = errors.New("the version isn't a positive number")
	errProof      = errors.New("the fingerprint is not valid")
)

func (p *parser) parse(line string) error {
	if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r > '~' }) {
		return errCharacters
	}
	words := strings.Split(line, " ")
	switch {
	case line == "", strings.HasPrefix(line, commentPrefix):
		return nil
	case strings.HasPrefix(line, "<<<<<<<"), strings.HasPrefix(line, "======="), strings.HasPrefix(line, ">>>>>>>"):
		return errConflict
	case !p.begun && line != header:
		return fmt.Errorf("it isn't %q, with which a lock file begins", header)
	case !p.begun:
		p.begun = true
		return nil
	case words[0] == "service" && len(words) == 2:
		return p.service(words[1])
	case len(words) != 3:
		return errForm
	}
	return p.entry(words[0], words[1], words[2])
}

func (p *parser) service(name string) error {
	if err := store.CheckService(name); err != nil {
		return err
	}
	if slices.Contains(p.file.Services, name) {
		return fmt.Errorf("service %s appears twice", name)
	}
	p.file.Services = append(p.file.Services, name)
	return nil
}

func (p *parser) entry(name, version, proof string) error {
	id, err := store.ParseID(name)
	if err != nil {
		return err
	}
	if !slices.Contains(p.file.Services, id.Service) {
		return fmt.Errorf("the line %q is missing above it", "service "+id.Service)
	}
	if p.seen[id] {
		return fmt.Errorf("%s appears twice", id)
	}
	n, err := strconv.Atoi(version)
	if err != nil || n < 1 || strconv.Itoa(n) != version {
		return errNumber
	}
	if !validProof(proof) {
		return errProof
	}
	p.seen[id] = true
	p.keys[id.Service]++
	p.file.Entries = append(p.file.Entries, Entry{ID: id, Version: n, Proof: proof})
	return nil
}

func validProof(proof string) bool {
	if sum, ok := strings.CutPrefix(proof, fingerprint); ok {
		b, err := base64.RawURLEncoding.Strict().DecodeString(sum)
		return err == nil && len(b) == 32
	}
	text, ok := strings.CutPrefix(proof, date)
	t, err := time.Parse(time.RFC3339Nano, text)
	return ok && err == nil && stamp(t) == text
}

// stamp returns the date of a version as it is in the file.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
