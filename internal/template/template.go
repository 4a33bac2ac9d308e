// Package template fills references to secrets into any text: {{ coffer://api/db_password | json }}.
// All other text stays as it is, byte for byte, so that a template may also be one of Helm, Jinja or
// another tool.
package template

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/coffer-secrets/coffer/internal/reference"
	"github.com/coffer-secrets/coffer/store"
)

// Template is a text with references.
type Template struct {
	name  string
	parts []part
}

// part is a text that stays as it is, or else a reference.
type part struct {
	text string
	use  *Use
}

// Use is a reference in a template.
type Use struct {
	Reference    reference.Reference
	Line, Column int // of its "{{", from 1; a column is a character

	filters []filter
	before  string // the text before it on its line
}

// Error is what is wrong at one place of a template.
type Error struct {
	Name         string // of the template
	Line, Column int
	Err          error
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.Place(), e.Err) }

// Place returns the place as compilers write it: file:line:column.
func (e *Error) Place() string { return fmt.Sprintf("%s:%d:%d", e.Name, e.Line, e.Column) }

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// Parse parses a template. A reference stands in double braces, with filters behind it:
//
//	{{ coffer://SERVICE/KEY | FILTER | FILTER }}
//
// {{ coffer://{{ }} stands for two braces. name is for errors, which are all an [*Error] that wraps
// [store.ErrInvalid].
func Parse(name, text string) (*Template, []error) {
	p := parser{t: &Template{name: name}, whole: text, line: 1, column: 1}
	var errs []error
	for {
		from, to := findOpen(text[p.at:])
		if from < 0 {
			p.text(text[p.at:])
			return p.t, errs
		}
		p.text(text[p.at : p.at+from])
		p.advance(from)
		size, err := p.use(to - from)
		if err != nil {
			errs = append(errs, &Error{Name: name, Line: p.line, Column: p.column, Err: err})
			size = to - from
		}
		p.advance(size)
	}
}

// findOpen returns where the first "{{ coffer://" of a text begins and ends; -1 if there is none.
func findOpen(text string) (from, to int) {
	for at := 0; ; at++ {
		next := strings.Index(text[at:], "{{")
		if next < 0 {
			return -1, -1
		}
		at += next
		rest := skipBlanks(strings.TrimPrefix(text[at+2:], "-"))
		if strings.HasPrefix(rest, reference.Scheme) {
			return at, len(text) - len(rest) + len(reference.Scheme)
		}
	}
}

// parser is at a place of a text.
type parser struct {
	t            *Template
	whole        string
	at, begin    int // the place, and where its line begins
	line, column int
}

// advance goes forward.
func (p *parser) advance(size int) {
	text := p.whole[p.at : p.at+size]
	p.at += size
	if i := strings.LastIndexByte(text, '\n'); i >= 0 {
		p.line += strings.Count(text, "\n")
		p.column, text = 1, text[i+1:]
		p.begin = p.at - len(text)
	}
	p.column += utf8.RuneCountInString(text)
}

// text adds a text that stays as it is.
func (p *parser) text(text string) {
	if text != "" {
		p.t.parts = append(p.t.parts, part{text: text})
	}
}

// use adds the reference here, and returns its length. opened is the length of its beginning, with the
// scheme.
func (p *parser) use(opened int) (size int, err error) {
	text := p.whole[p.at:]
	if text[2] == '-' {
		return 0, invalid("{{- isn't supported here: use {{")
	}
	rest := text[opened:]
	if after, ok := strings.CutPrefix(rest, "{{"); ok && strings.HasPrefix(skipBlanks(after), "}}") {
		p.text("{{")
		return len(text) - len(skipBlanks(after)) + len("}}"), nil
	}
	found := word(rest)
	u := &Use{Line: p.line, Column: p.column, before: p.whole[p.begin:p.at]}
	if u.Reference, err = reference.Parse(reference.Scheme + found); err != nil {
		return 0, err
	}
	rest = skipBlanks(rest[len(found):])
	for strings.HasPrefix(rest, "|") {
		var f filter
		if f, rest, err = parseFilter(skipBlanks(rest[1:])); err != nil {
			return 0, err
		}
		u.filters = append(u.filters, f)
	}
	after, ok := strings.CutPrefix(rest, "}}")
	if !ok {
		return 0, invalid("}} is missing after %s: it must be on the same line, after the key and filters such as | json", u.Reference)
	}
	if err := u.check(after); err != nil {
		return 0, err
	}
	p.t.parts = append(p.t.parts, part{use: u})
	return len(text) - len(after), nil
}

// skipBlanks returns a text without spaces and tabs at its beginning: there are no newlines between
// braces.
func skipBlanks(text string) string { return strings.TrimLeft(text, " \t") }

// word returns the beginning of a text up to a space, a bar or a brace.
func word(text string) string {
	if i := strings.IndexAny(text, " \t\r\n|{}"); i >= 0 {
		return text[:i]
	}
	return text
}

// check returns an error if what stands around the reference makes the result of its filters wrong.
// after is the text behind it.
func (u *Use) check(after string) error {
	for i, f := range u.filters {
		switch last := i == len(u.filters)-1; {
		case f.name == lines && !last:
			return invalid("%s must be the last filter", lines)
		case f.name == lines && u.before != "" && u.before != f.prefix:
			return invalid("%s needs a line of its own: before {{ may be nothing, or %q", lines, f.prefix)
		case last && f.quotes() && u.before != "" && after != "":
			quote := u.before[len(u.before)-1]
			if (quote == '"' || quote == '\'') && after[0] == quote {
				return invalid("%s writes the quotes itself: remove the %c before and after the {{ }}", f.name, quote)
			}
		}
	}
	return nil
}

// Uses returns the references of a template, in their order.
func (t *Template) Uses() []Use {
	var all []Use
	for _, p := range t.parts {
		if p.use != nil {
			all = append(all, *p.use)
		}
	}
	return all
}

// HasBare reports whether a reference stands in the text without braces around it. It stays as it is.
func (t *Template) HasBare() bool {
	return slices.ContainsFunc(t.parts, func(p part) bool { return strings.Contains(p.text, reference.Scheme) })
}

// Render returns the text with the values of its references. Nothing in a value is a reference. The
// errors are an [*Error] each that wraps [store.ErrInvalid], for a value that can't stand at its place.
// None contains a value.
func (t *Template) Render(values map[reference.Reference]store.Value) (string, []error) {
	var out strings.Builder
	var errs []error
	for _, p := range t.parts {
		out.WriteString(p.text)
		if p.use == nil {
			continue
		}
		text, err := p.use.apply(values)
		if err != nil {
			errs = append(errs, &Error{Name: t.name, Line: p.use.Line, Column: p.use.Column, Err: err})
		}
		out.WriteString(text)
	}
	if len(errs) > 0 {
		return "", errs
	}
	return out.String(), nil
}

// apply returns the value of a reference, after its filters.
func (u *Use) apply(values map[reference.Reference]store.Value) (string, error) {
	value, ok := values[u.Reference]
	if !ok {
		return "", invalid("there is no value for %s", u.Reference)
	}
	text := value.Reveal()
	for _, f := range u.filters {
		var err error
		if text, err = f.apply(text); err != nil {
			return "", fmt.Errorf("the value of %s %w", u.Reference, err)
		}
		if f.name == lines {
			text = strings.TrimPrefix(text, u.before)
		}
	}
	return text, nil
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", store.ErrInvalid, fmt.Sprintf(format, args...))
}
