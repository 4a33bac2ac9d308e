// Package inject fills references to secrets into files and into variables: it reads what they name, and
// reports everything that is missing at once.
package inject

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/outfile"
	"github.com/coffer-secrets/coffer/internal/reference"
	"github.com/coffer-secrets/coffer/internal/template"
	"github.com/coffer-secrets/coffer/store"
)

// longestTemplate is the size limit of a template, in bytes.
const longestTemplate = 64 << 20

// Pair is the path of a template, and of the file that it becomes; either may be [app.Standard].
type Pair struct{ In, Out string }

// Files are templates, and the files that they become.
type Files struct {
	app   *app.App
	files []file
	due   bool // of Watch: nothing was done yet about files that have changed, or since the beginning
}

type file struct {
	out      string
	template *template.Template
	name     string // of the template, for messages
}

// Open reads the templates. It reports every mistake in them, and returns the last.
func Open(ctx context.Context, a *app.App, pairs []Pair) (*Files, error) {
	f := &Files{app: a}
	var failed []error
	for _, p := range pairs {
		text, err := readTemplate(ctx, a, p.In)
		if err != nil {
			return nil, err
		}
		name := p.In
		if name == app.Standard {
			name = "standard input"
		}
		parsed, errs := template.Parse(name, text)
		failed = append(failed, errs...)
		f.files = append(f.files, file{p.Out, parsed, name})
	}
	if err := refuseTwice(pairs); err != nil {
		return nil, err
	}
	return f, a.Report(failed...)
}

// readTemplate reads a template.
func readTemplate(ctx context.Context, a *app.App, path string) (string, error) {
	text, err := a.ReadInput(ctx, path, longestTemplate)
	switch {
	case err != nil:
		return "", fmt.Errorf("the template: %w", err)
	case len(text) > longestTemplate:
		return "", fmt.Errorf("%w: the template %s is larger than %d MiB", store.ErrInvalid, path, longestTemplate>>20)
	}
	return string(text), nil
}

// refuseTwice returns an error if two templates become the same file, or one of them itself.
func refuseTwice(pairs []Pair) error {
	outs := map[string]bool{}
	for _, p := range pairs {
		if p.Out == app.Standard {
			continue
		}
		path, err := filepath.Abs(p.Out)
		if err != nil {
			return err
		}
		if outs[path] {
			return app.Usage("two templates would be written to %s", p.Out)
		}
		outs[path] = true
		for _, other := range pairs {
			in, errIn := os.Stat(other.In)
			out, errOut := os.Lstat(p.Out)
			if other.In != app.Standard && errIn == nil && errOut == nil && os.SameFile(in, out) {
				return app.Usage("%s is a template, and its own output would replace it", p.Out)
			}
		}
	}
	return nil
}

// references returns the references of all templates.
func (f *Files) references() []reference.Reference {
	var all []reference.Reference
	for _, file := range f.files {
		for _, u := range file.template.Uses() {
			all = append(all, u.Reference)
		}
	}
	return all
}

// Write reads the secrets and writes the files: all of them or, if a secret is missing or can't stand at
// its place, none. It reports everything that is wrong, and returns the worst.
func (f *Files) Write(ctx context.Context) error {
	found, err := f.app.ReadReferences(ctx, f.references())
	if err != nil {
		return err
	}
	texts, failed := f.render(found)
	if len(failed) > 0 {
		return f.app.Report(failed...)
	}
	_, err = f.write(texts)
	return err
}

// render returns the texts of the files.
func (f *Files) render(found app.References) (texts []string, failed []error) {
	for _, file := range f.files {
		text, errs := fill(file.template, file.name, found)
		texts, failed = append(texts, text), append(failed, errs...)
	}
	return texts, failed
}

// fill renders a template. If secrets are missing, it returns an error for each, with its first place.
func fill(t *template.Template, name string, found app.References) (text string, failed []error) {
	values := map[reference.Reference]store.Value{}
	said := map[reference.Reference]bool{}
	for _, u := range t.Uses() {
		values[u.Reference] = found.Secrets[u.Reference].Value
		if err := found.Failed[u.Reference]; err != nil && !said[u.Reference] {
			said[u.Reference] = true
			failed = append(failed, &template.Error{Name: name, Line: u.Line, Column: u.Column, Err: err})
		}
	}
	if len(failed) > 0 {
		return "", failed
	}
	return t.Render(values)
}

// write writes the files that have changed, and reports whether there were any.
func (f *Files) write(texts []string) (changed bool, err error) {
	for i, file := range f.files {
		if file.out == app.Standard {
			changed, err = true, errors.Join(err, f.app.PrintValues(texts[i]))
			continue
		}
		written, failed := outfile.Update(file.out, []byte(texts[i]))
		changed, err = changed || written, errors.Join(err, failed)
	}
	return changed, err
}
