package cmd

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/formats"
	"github.com/coffer-secrets/coffer/internal/term"
	"github.com/coffer-secrets/coffer/store"
)

// WriteCmd stores one secret.
type WriteCmd struct {
	Service string  `arg:"" help:"The service, such as api or api/worker."`
	Key     string  `arg:"" help:"The key, such as db_password."`
	Value   *string `arg:"" optional:"" help:"The value, or - to read it from standard input. Without it coffer asks. Other users of this machine can see a value given here."`

	FromFile      string            `placeholder:"FILE" xor:"source" help:"Read the value from a file."`
	Generate      *int              `placeholder:"N" xor:"source" help:"Generate a random value of N letters and digits."`
	Base64        bool              `name:"base64" help:"Store the input encoded as base64. Use it for binary files."`
	Singleline    bool              `short:"s" help:"Store one line: remove the newline at the end, and refuse several lines."`
	IfVersion     *int              `placeholder:"N" help:"Write only if the newest version is N. 0: only if the secret doesn't exist."`
	SkipUnchanged bool              `help:"Write nothing if the newest version has this value."`
	PreserveCase  bool              `help:"Keep the case of a new key. Otherwise it is stored in lower case."`
	Adopt         bool              `help:"Overwrite a secret whose key alias is unknown."`
	Tags          map[string]string `short:"t" mapsep:"," placeholder:"NAME=VALUE,..." help:"Set tags on the secret."`
}

// Run stores the secret and prints its version.
func (c *WriteCmd) Run(ctx context.Context, a *app.App) error {
	id, err := app.NewID(c.Service, c.Key)
	if err != nil {
		return err
	}
	value, err := c.value(ctx, a)
	if err != nil {
		return err
	}
	a.ConcealValue(value)
	if err := value.Check(); err != nil {
		if !c.Base64 && value.Len() <= store.MaxValue {
			err = app.WithHint(err, "--base64 stores binary data")
		}
		return &store.Error{Op: "write", ID: id, Err: err}
	}
	s, err := a.Open(ctx)
	if err != nil {
		return err
	}
	result, err := app.InNewService(ctx, s, c.Service, func(service string, first func(context.Context) error) (store.Result, error) {
		return s.Write(ctx, store.ID{Service: service, Key: c.Key}, value, store.WriteOptions{
			IfVersion: c.IfVersion, SkipUnchanged: c.SkipUnchanged, PreserveCase: c.PreserveCase, Adopt: c.Adopt, Tags: c.Tags, NewService: first,
		})
	})
	if result.Outcome != "" && result.Err == nil {
		if printErr := a.PrintResults([]store.Result{result}); printErr != nil {
			return errors.Join(err, printErr)
		}
		warnSize(a, result.Meta.ID, value)
	}
	return err
}

// value returns the value: generated, from a file, from standard input, from the argument, or from
// the prompt.
func (c *WriteCmd) value(ctx context.Context, a *app.App) (store.Value, error) {
	if c.Value != nil && (c.FromFile != "" || c.Generate != nil) {
		return store.Value{}, app.Usage("give the value in only one way: as an argument, with --from-file or with --generate")
	}
	text, err := c.read(ctx, a)
	switch {
	case err != nil:
		return store.Value{}, err
	case !c.Singleline && text != "":
		c.noteNewline(a, text)
	}
	if c.Singleline {
		text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
		if strings.Contains(text, "\n") {
			return store.Value{}, app.Usage("--singleline: the value has %d lines", strings.Count(text, "\n")+1)
		}
	}
	if c.Base64 {
		text = base64.StdEncoding.EncodeToString([]byte(text))
	}
	return store.NewValue(text), nil
}

func (c *WriteCmd) read(ctx context.Context, a *app.App) (string, error) {
	switch {
	case c.Generate != nil:
		return generate(*c.Generate)
	case c.FromFile != "":
		body, err := a.ReadInput(ctx, c.FromFile, store.MaxValue)
		return string(body), err
	case c.Value != nil && *c.Value == app.Standard:
		body, err := a.ReadInput(ctx, app.Standard, store.MaxValue)
		return string(body), err
	case c.Value != nil:
		if a.Interactive() {
			a.Note("%s", valueOnCommandLine)
		}
		return *c.Value, nil
	}
	text, err := a.AskValue(app.Question{
		Prompt: fmt.Sprintf("Value of %s/%s: ", c.Service, c.Key), Nothing: "nothing was stored",
		Several: "--from-file FILE or -", Stdin: fmt.Sprintf("coffer write %s %s -", formats.ShellQuote(c.Service), formats.ShellQuote(c.Key)),
	})
	if errors.Is(err, term.ErrNoTerminal) {
		hint := "use - to read it from standard input, or --from-file FILE, or run the command at a terminal to be asked"
		if strings.Contains(c.Service, "/") { // perhaps service/key; what was given may be the value, and is not repeated
			hint = "service and key are two arguments: coffer write SERVICE KEY -; " + hint
		}
		return "", app.WithHint(app.Usage("no value"), hint)
	}
	return text, err
}

// noteNewline says that a value of one line, from a file or from standard input, ends with a newline,
// which is kept as in chamber. A text of several lines has one at its end as a matter of course.
func (c *WriteCmd) noteNewline(a *app.App, text string) {
	piped := c.FromFile != "" || c.Value != nil && *c.Value == "-"
	if piped && strings.Index(text, "\n") == len(text)-1 {
		a.Note("the value ends with a newline, which was kept; use --singleline (-s) to remove it")
	}
}

// valueOnCommandLine is the warning about a value among the arguments.
const valueOnCommandLine = "other users can see a value on the command line, and the shell's history keeps it; omit it to be asked"

// generate returns n random letters and digits, with 5.9 bits of entropy each.
func generate(n int) (string, error) {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	if n < 1 || n > store.MaxValue {
		return "", app.Usage("--generate %d: the length must be from 1 to %d", n, store.MaxValue)
	}
	out := make([]byte, 0, n)
	draw := make([]byte, 2*n)
	for len(out) < n {
		_, _ = rand.Read(draw) // never fails
		for _, b := range draw {
			// 248 is 4 * 62. Higher bytes would make the first letters more likely than the others.
			if int(b) < 4*len(letters) && len(out) < n {
				out = append(out, letters[int(b)%len(letters)])
			}
		}
	}
	return string(out), nil
}

// execLimit is the longest NAME=value that Linux passes to a program, in bytes without the NUL.
const execLimit = 131_071

func warnSize(a *app.App, id store.ID, v store.Value) {
	if n := len(id.Key) + len("=") + v.Len(); n > execLimit {
		a.Note("%s has %d bytes, more than exec can pass to a program on Linux (%d with the name)", id, v.Len(), execLimit)
	}
}
