package cmd

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/formats"
	"github.com/coffer-secrets/coffer/internal/importer"
	"github.com/coffer-secrets/coffer/internal/term"
	"github.com/coffer-secrets/coffer/store"
)

// ImportCmd stores the secrets of a file.
type ImportCmd struct {
	Service string `arg:"" help:"The service."`
	File    string `arg:"" help:"The file, or - for standard input."`

	Format        string `short:"f" placeholder:"NAME" help:"json, yaml, dotenv, dotenv-literal, csv, tsv, java-properties or toml; by default what the file's name says, else json or yaml."`
	DryRun        bool   `help:"Show what would change, and change nothing."`
	SkipExisting  bool   `help:"Leave existing secrets as they are."`
	Prune         bool   `help:"Delete the secrets of the service that the file doesn't have. Asks first."`
	Yes           bool   `short:"y" help:"Don't ask."`
	Flatten       string `placeholder:"TEXT" help:"Join the keys of nested maps with this text. Without it they are refused."`
	PreserveCase  bool   `help:"Keep the case of new keys. Otherwise they are stored in lower case."`
	NormalizeKeys bool   `help:"For chamber: has no effect, as keys are stored in lower case unless you give --preserve-case."`
	Adopt         bool   `help:"Overwrite secrets whose key alias is unknown."`
}

// Run imports all secrets with one update of the index. Secrets that already have the value stay
// unchanged, so an interrupted import can be run again.
func (c *ImportCmd) Run(ctx context.Context, a *app.App) error {
	service := c.Service
	values, err := c.read(ctx, a)
	if err = cmp.Or(store.CheckService(service), err); err != nil {
		return err
	}
	s, err := a.Open(ctx)
	if err != nil {
		return err
	}
	var stale []string
	if c.DryRun || c.SkipExisting || c.Prune {
		contents, err := app.LoadService(ctx, s, service)
		if err != nil && !app.IsMissingService(err) {
			return err
		}
		service = contents.Service
		if c.Prune {
			if stale, err = importer.Stale(a, values, contents); err != nil {
				return err
			}
		}
		if c.SkipExisting {
			importer.DropExisting(values, contents)
		}
		if c.DryRun {
			return c.printPlan(ctx, a, s, values, contents, stale)
		}
	}
	if err := c.confirm(a, service, stale); err != nil {
		return err
	}
	service, results, err := c.write(ctx, a, s, service, values)
	if err == nil && len(stale) > 0 {
		var deleted []store.Result
		deleted, err = s.Delete(ctx, service, stale...)
		results = append(results, deleted...)
	} else if len(stale) > 0 && len(results) > 0 {
		a.Say("%s: nothing was deleted, since not all was written", service)
	}
	if len(results) == 0 && err != nil {
		return err
	}
	if len(results) == 0 && !a.Globals.JSON {
		a.Note("%s: nothing to import", service)
	}
	err = app.Together(results, err, "run the same import again to do the rest")
	if printErr := a.ReportChanges(service, results, err); printErr != nil {
		return errors.Join(err, printErr)
	}
	if errors.Is(err, context.Canceled) {
		return app.WithHint(err, "what is stored is kept; run the same import again to do the rest")
	}
	return err
}

// printPlan prints what an import would do. Its error is the worst with which the import would end.
func (c *ImportCmd) printPlan(ctx context.Context, a *app.App, s store.Store, values map[string]store.Value, contents app.Contents, stale []string) error {
	results, err := importer.Plan(contents.Service, values, contents, stale, c.PreserveCase)
	if err == nil {
		err = a.CheckKey(ctx, app.Place{Store: s, Settings: a.InForce})
	}
	if err == nil {
		err = a.PrintPlannedChanges(results)
	}
	if err != nil {
		return err
	}
	return app.Worst(append(contents.Damaged, app.PlanFailure(results))...)
}

// write stores the values, and returns the name of the service in which they are.
func (c *ImportCmd) write(ctx context.Context, a *app.App, s store.Store, typed string, values map[string]store.Value) (service string, results []store.Result, err error) {
	line := a.Progress(len(values), "imported")
	defer line.Done()
	results, err = app.InNewService(ctx, s, typed, func(name string, first func(context.Context) error) ([]store.Result, error) {
		service = name
		return s.WriteAll(ctx, name, values, store.WriteOptions{
			SkipUnchanged: true, PreserveCase: c.PreserveCase, Adopt: c.Adopt,
			Progress: func(store.Result) { line.Add() }, NewService: first,
		})
	})
	return service, results, err
}

// read decodes the file. It needs no store, so a bad file costs no request.
func (c *ImportCmd) read(ctx context.Context, a *app.App) (map[string]store.Value, error) {
	body, err := a.ReadInput(ctx, c.File, formats.MaxInput)
	if err != nil {
		return nil, err
	}
	format := c.Format
	if format == "" {
		format = c.guess(body)
	}
	pairs, err := formats.Decode(bytes.NewReader(body), format, formats.Options{Flatten: c.Flatten})
	if err != nil {
		return nil, c.explain(err, format, body)
	}
	values := make(map[string]store.Value, len(pairs))
	for _, p := range pairs {
		a.ConcealValue(p.Value)
		values[p.Key] = p.Value
	}
	return values, nil
}

// guess returns the format that the file's name suggests, or else its first bytes.
func (c *ImportCmd) guess(body []byte) string {
	if c.File != "-" {
		if format := formats.ByName(c.File); format != "" {
			return format
		}
	}
	return formats.ByContent(body)
}

// explain adds the file's name to a syntax error. If the format was guessed, it adds a hint with
// the formats that the file might have.
func (c *ImportCmd) explain(err error, format string, body []byte) error {
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
		return app.WithHint(err, "use --flatten _ to join the keys: b in a becomes a_b")
	case c.Format != "":
		return err
	}
	if format != "dotenv" && formats.LikeDotenv(body) {
		return likeDotenv(name, format, body)
	}
	others := formats.Candidates(body, formats.Options{Flatten: c.Flatten})
	if len(others) == 0 && (!utf8.Valid(body) || twice != nil || syntax.Path != "" && !strings.Contains(syntax.Path, "?")) {
		return err // another format would not help: the error is about a key or about invalid UTF-8
	}
	if len(others) == 0 {
		return app.WithHint(err, "it was read as "+format+"; use --format to choose another: "+strings.Join(formats.ImportNames(), ", "))
	}
	return app.WithHint(err, "it was read as "+format+", and is also valid as "+strings.Join(others, ", as ")+": --format "+others[0])
}

// likeDotenv returns the error of a text that was read in another format although it begins as dotenv does. If
// it can't be read as dotenv either, the error says where.
func likeDotenv(name, format string, body []byte) error {
	text := fmt.Sprintf("%s begins with NAME=value, but was read as %s, because its name doesn't say that it is dotenv", name, format)
	if _, err := formats.Decode(bytes.NewReader(body), "dotenv", formats.Options{}); err != nil {
		return app.WithHint(fmt.Errorf("%s; as dotenv it can't be read either: %w", text, err),
			"correct it and use --format dotenv, or choose its format: "+strings.Join(formats.ImportNames(), ", "))
	}
	return app.WithHint(fmt.Errorf("%w: %s", store.ErrInvalid, text), "--format dotenv reads it")
}

func (c *ImportCmd) confirm(a *app.App, service string, stale []string) error {
	if len(stale) == 0 || c.Yes {
		return nil
	}
	for _, key := range stale {
		a.Say("will delete %s/%s", service, key)
	}
	ok, err := a.Confirm(fmt.Sprintf("Import, and delete %s that the file does not have?", app.Count(len(stale), "secret")))
	switch {
	case errors.Is(err, term.ErrNoTerminal):
		return app.NoTerminal("--yes deletes without asking; --dry-run shows what")
	case err == nil && !ok:
		return errors.New("nothing was changed")
	}
	return err
}
