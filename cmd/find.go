package cmd

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/internal/term"
	"github.com/coffer-secrets/coffer/store"
)

// FindCmd finds the services that hold a key, or a value.
type FindCmd struct {
	Text    string `arg:"" optional:"" help:"Part of a key, or a pattern such as 'db_*'. With a slash, it applies to service/key. With --by-value, - reads the value from standard input; otherwise coffer asks."`
	ByValue bool   `short:"v" help:"Find the secrets that have this value."`
	Exact   bool   `short:"x" help:"Find only keys that are equal to TEXT."`
}

// Run prints a row for each match, and the number of secrets whose value is hidden from the caller.
// What cannot be read is left out, and named on standard error.
func (c *FindCmd) Run(ctx context.Context, a *app.App) error {
	text, err := c.text(ctx, a)
	if err != nil {
		return err
	}
	if c.ByValue && c.Exact {
		return app.Usage("--exact is for keys; --by-value always compares whole values")
	}
	if _, err := path.Match(text, ""); err != nil && !c.ByValue && !c.Exact {
		return app.Usage("%q is not a valid pattern", text)
	}
	s, err := a.Open(ctx)
	if err != nil {
		return err
	}
	matches, failed, err := c.search(ctx, a, s, text)
	if err == nil {
		err = printMatches(a, matches)
	}
	return a.Report(append(failed, err)...)
}

func printMatches(a *app.App, matches []store.ID) error {
	if a.Globals.JSON {
		out := make([]app.SecretJSON, len(matches))
		for i, id := range matches {
			out[i] = app.NewSecretJSON(store.Meta{ID: id})
		}
		return render.JSON(a.Stdout, out)
	}
	t := a.Table("Service", "Key")
	for _, id := range matches {
		t.Row(id.Service, id.Key)
	}
	if len(matches) == 0 {
		a.Note("nothing was found")
	}
	return t.Print()
}

func (c *FindCmd) text(ctx context.Context, a *app.App) (string, error) {
	switch {
	case c.Text != "" && c.Text != "-":
		if c.ByValue && a.Interactive() {
			a.Note("%s", valueOnCommandLine)
		}
		return c.Text, nil
	case !c.ByValue:
		return "", app.WithHint(app.Usage("missing argument: TEXT"), "usage: coffer find TEXT [flags] (coffer find --help shows how)")
	case c.Text == "-":
		body, err := a.ReadInput(ctx, app.Standard, store.MaxValue)
		return strings.TrimSuffix(string(body), "\n"), err
	}
	text, err := a.AskValue(app.Question{
		Prompt: "Value to find: ", Nothing: "nothing was searched", Several: "-", Stdin: "coffer find --by-value -",
	})
	if errors.Is(err, term.ErrNoTerminal) {
		return "", app.WithHint(app.Usage("no value to find"), "use - to read it from standard input, or run the command at a terminal to be asked")
	}
	return text, err
}

// search searches every service. To find keys it lists them if the backend can do that without
// reading values. Otherwise it loads each service. failed says what could not be searched.
func (c *FindCmd) search(ctx context.Context, a *app.App, s store.Store, text string) (found []store.ID, failed []error, err error) {
	if lister, ok := s.(store.Lister); ok && !c.ByValue {
		ids, err := lister.IDs(ctx, "")
		return c.matching(ids, text), nil, err
	}
	services, err := s.Services(ctx, "")
	if err != nil {
		return nil, nil, err
	}
	all, failed, err := a.LoadFrom(ctx, s, services)
	if err != nil {
		return nil, failed, err
	}
	var ids []store.ID
	hidden := 0
	for _, contents := range all {
		hidden += len(contents.Hidden)
		for _, notice := range contents.Notices {
			a.Note("%s", notice)
		}
		for _, secret := range contents.Secrets {
			if c.ByValue && secret.Value.Reveal() == text {
				found = append(found, secret.ID)
			}
		}
		if !c.ByValue {
			for _, key := range contents.Keys() {
				ids = append(ids, store.ID{Service: contents.Service, Key: key})
			}
		}
	}
	if !c.ByValue {
		return c.matching(ids, text), failed, nil
	}
	if hidden > 0 {
		a.Note("%s couldn't be searched because you can't read them", app.Count(hidden, "secret"))
	}
	return found, failed, nil
}

// matching returns the IDs that have the text in their key, without regard to case, or that match it
// as a glob. A text with a slash is compared with service/key. Equal ones come first.
func (c *FindCmd) matching(ids []store.ID, text string) []store.ID {
	var found [3][]store.ID
	lower := strings.ToLower(text)
	for _, id := range ids {
		name := id.Key
		if strings.Contains(text, "/") {
			name = id.String()
		}
		folded := strings.ToLower(name)
		glob, _ := path.Match(lower, folded)
		switch {
		case name == text:
			found[0] = append(found[0], id)
		case folded == lower:
			found[1] = append(found[1], id)
		case c.Exact:
		case glob, !strings.ContainsAny(text, `*?[\`) && strings.Contains(folded, lower):
			found[2] = append(found[2], id)
		}
	}
	return slices.Concat(found[:]...)
}
