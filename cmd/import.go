package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/formats"
	"github.com/coffer-secrets/coffer/internal/term"
	"github.com/coffer-secrets/coffer/store"
)

// ImportCmd stores the secrets of a file.
type ImportCmd struct {
	Service string `arg:"" help:"Service."`
	File    string `arg:"" help:"File, or - for standard input."`

	Format        string `short:"f" placeholder:"NAME" help:"json, yaml, dotenv, toml, csv, tsv or properties; by default what the file's name says, else json or yaml."`
	DryRun        bool   `help:"Print what would change, and change nothing."`
	SkipExisting  bool   `help:"Leave secrets alone that exist."`
	Prune         bool   `help:"Delete secrets of the service that the file does not have, after asking."`
	Yes           bool   `short:"y" help:"Do not ask."`
	Flatten       string `placeholder:"TEXT" help:"Join the keys of nested maps with this, instead of refusing them."`
	PreserveCase  bool   `help:"Store new keys as they are written, not in lower case."`
	NormalizeKeys bool   `help:"Accepted for chamber: keys are stored in lower case unless --preserve-case."`
	Adopt         bool   `help:"Take over secrets whose key alias cannot be told."`
}

// Run imports with one update of the index. Secrets that have the value already stay as they
// are, so that an import that was interrupted can be run again.
func (c *ImportCmd) Run(ctx context.Context, a *app.App) error {
	service := app.ServiceName(c.Service)
	values, err := c.read(a)
	if err != nil {
		return err
	}
	s, err := a.Open(ctx)
	if err != nil {
		return err
	}
	var stale []string
	if c.DryRun || c.SkipExisting || c.Prune {
		contents, err := s.Load(ctx, service)
		if err != nil {
			return err
		}
		if c.Prune {
			if stale, err = c.stale(a, values, contents); err != nil {
				return err
			}
		}
		if c.SkipExisting {
			dropExisting(values, contents)
		}
		if c.DryRun {
			return c.plan(a, service, values, contents, stale)
		}
	}
	if err := c.confirm(a, service, stale); err != nil {
		return err
	}
	line := a.Progress(len(values), "imported")
	results, err := s.WriteAll(ctx, service, values, store.WriteOptions{
		SkipUnchanged: true, PreserveCase: c.PreserveCase, Adopt: c.Adopt,
		Progress: func(store.Result) { line.Add() },
	})
	line.Done()
	if err == nil && len(stale) > 0 {
		var deleted []store.Result
		deleted, err = s.Delete(ctx, service, stale...)
		results = append(results, deleted...)
	}
	if len(results) == 0 && err != nil {
		return err
	}
	if printErr := c.report(a, service, results, err); printErr != nil {
		return errors.Join(err, printErr)
	}
	if errors.Is(err, context.Canceled) {
		return app.Hinted(err, "what is stored stays; the same import again does the rest")
	}
	return err
}

// read decodes the file before anything is asked of a store.
func (c *ImportCmd) read(a *app.App) (map[string]store.Value, error) {
	body, err := c.body(a)
	if err != nil {
		return nil, err
	}
	format := c.Format
	if format == "" {
		format = c.guess(body)
	}
	pairs, err := formats.Decode(bytes.NewReader(body), format, formats.Options{Flatten: c.Flatten})
	if err != nil {
		return nil, c.unread(err, format, body)
	}
	values := make(map[string]store.Value, len(pairs))
	for _, p := range pairs {
		values[p.Key] = p.Value
	}
	return values, nil
}

// body reads all of the file, and one byte more than can be decoded, so that a larger one is
// refused rather than cut.
func (c *ImportCmd) body(a *app.App) ([]byte, error) {
	var in io.Reader = a.Stdin
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	return io.ReadAll(io.LimitReader(in, formats.MaxInput+1))
}

// guess tells the format by the file's name, or else by how it begins.
func (c *ImportCmd) guess(body []byte) string {
	if c.File != "-" {
		if format := formats.ByName(c.File); format != "" {
			return format
		}
	}
	return formats.ByContent(body)
}

// unread names the file in an error of its text. Where the format was guessed it tells so, and
// which ones the file might be.
func (c *ImportCmd) unread(err error, format string, body []byte) error {
	var syntax *formats.SyntaxError
	var twice *formats.DuplicateError
	if !errors.As(err, &syntax) && !errors.As(err, &twice) {
		return err
	}
	name := "standard input"
	if c.File != "-" {
		name = c.File
	}
	err = fmt.Errorf("%s: %w", name, err)
	switch {
	case syntax != nil && syntax.Nested:
		return app.Hinted(err, "--flatten _ joins the keys: a_b of b within a")
	case c.Format != "":
		return err
	}
	others := formats.Candidates(body, formats.Options{Flatten: c.Flatten})
	if len(others) == 0 && (!utf8.Valid(body) || twice != nil || syntax.Path != "" && !strings.Contains(syntax.Path, "?")) {
		return err // the format is right, or none is: it is about a key, or about the bytes
	}
	if len(others) == 0 {
		return app.Hinted(err, "it was taken for "+format+"; --format names another: "+strings.Join(formats.ImportNames(), ", "))
	}
	return app.Hinted(err, "it was taken for "+format+", and reads as "+strings.Join(others, ", as ")+": --format "+others[0])
}

// dropExisting takes out what the service has, whatever its case.
func dropExisting(values map[string]store.Value, contents store.Contents) {
	keys := contents.Keys()
	for name := range values {
		if _, err := store.Lookup(name, keys); !errors.Is(err, store.ErrNotFound) {
			delete(values, name)
		}
	}
}

// stale returns the secrets that the file does not have, whatever their case. What cannot be
// read, or is under another alias, the file could not have brought: it stays.
func (c *ImportCmd) stale(a *app.App, values map[string]store.Value, contents store.Contents) ([]string, error) {
	if len(values) == 0 {
		return nil, app.Hinted(app.Usage("the file has no secrets: --prune would delete the whole service"), "coffer delete "+contents.Service+" --service does that")
	}
	inFile := make(map[string]bool, len(values))
	for name := range values {
		inFile[strings.ToLower(name)] = true
	}
	alias := a.InForce.AliasOfWrites()
	var out []string
	kept := len(contents.Hidden)
	for _, s := range contents.Secrets {
		switch {
		case inFile[strings.ToLower(s.ID.Key)]:
		case alias != "" && s.KeyAlias != "" && s.KeyAlias != alias:
			kept++
		default:
			out = append(out, s.ID.Key)
		}
	}
	if kept > 0 {
		a.Note("%s: --prune leaves %s alone: hidden from you, or under another key alias", contents.Service, app.Count(kept, "secret"))
	}
	return out, nil
}

// plan prints what an import would do.
func (c *ImportCmd) plan(a *app.App, service string, values map[string]store.Value, contents store.Contents, stale []string) error {
	stored := map[string]string{} // as it will be -> as the file has it
	keys, newest := contents.Keys(), map[string]store.Secret{}
	for _, s := range contents.Secrets {
		newest[s.ID.Key] = s
	}
	var results []store.Result
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value := values[name]
		id, err := store.NewID(service, name)
		if err == nil {
			err = value.Check()
		}
		if !c.PreserveCase {
			id.Key = strings.ToLower(id.Key)
		}
		if twin, ok := stored[id.Key]; ok && err == nil {
			err = fmt.Errorf("%w: %q and %q would be stored as one key", store.ErrInvalid, twin, name)
		}
		if err != nil {
			return &store.Error{Op: "import", ID: store.ID{Service: service, Key: name}, Err: err}
		}
		stored[id.Key] = name
		r := store.Result{Meta: store.Meta{ID: id}, Outcome: store.Created}
		switch key, err := store.Lookup(name, keys); {
		case errors.Is(err, store.ErrAmbiguousName):
			r.Outcome, r.Err = store.Failed, &store.Error{Op: "import", ID: id, Err: err}
		case errors.Is(err, store.ErrNotFound):
			if err := store.CheckNewKey(id.Key); err != nil {
				r.Outcome, r.Err = store.Failed, &store.Error{Op: "import", ID: id, Err: err}
			}
		case err == nil:
			r.Meta, r.Outcome = newest[key].Meta, store.Updated
			r.Meta.ID = store.ID{Service: service, Key: key}
			if newest[key].Value == value {
				r.Outcome = store.Unchanged
			}
		}
		results = append(results, r)
	}
	for _, key := range stale {
		results = append(results, store.Result{Meta: newest[key].Meta, Outcome: store.Deleted})
	}
	return c.table(a, results)
}

func (c *ImportCmd) confirm(a *app.App, service string, stale []string) error {
	if len(stale) == 0 || c.Yes {
		return nil
	}
	for _, key := range stale {
		a.Say("will delete %s/%s", service, key)
	}
	ok, err := term.Confirm(a.Stdin, a.Stderr, fmt.Sprintf("Import, and delete %s that the file does not have?", app.Count(len(stale), "secret")))
	switch {
	case errors.Is(err, term.ErrNoTerminal):
		return app.NoTerminal("--yes deletes without asking; --dry-run shows what")
	case err == nil && !ok:
		return errors.New("nothing was changed")
	}
	return err
}

// report counts what was done, and names what failed besides the error that ends the command.
func (c *ImportCmd) report(a *app.App, service string, results []store.Result, err error) error {
	if a.Globals.JSON {
		return a.PrintResults(results)
	}
	counts := map[store.Outcome]int{}
	for _, r := range results {
		counts[r.Outcome]++
		if r.Err != nil && !errors.Is(err, r.Err) && !errors.Is(r.Err, context.Canceled) {
			a.Say("%s", app.Sentence(r.Err))
		}
	}
	var parts []string
	for _, o := range []store.Outcome{store.Created, store.Updated, store.Unchanged, store.Deleted, store.Failed, store.Left} {
		if counts[o] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[o], o))
		}
	}
	if len(parts) == 0 {
		parts = []string{"nothing to import"}
	}
	a.Note("%s: %s", service, strings.Join(parts, ", "))
	return nil
}

// table prints a plan: a row for each secret, never a value.
func (c *ImportCmd) table(a *app.App, results []store.Result) error {
	app.SortResults(results)
	if a.Globals.JSON {
		return a.PrintResults(results)
	}
	t := a.Table("Key", "Version", "Change")
	for _, r := range results {
		change := string(r.Outcome)
		if r.Err != nil {
			change = app.Sentence(r.Err)
		}
		var version any
		if r.Meta.Version > 0 {
			version = r.Meta.Version
		}
		t.Row(r.Meta.ID.Key, version, change)
	}
	return t.Print()
}
