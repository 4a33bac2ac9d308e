package cmd

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/alecthomas/kong"

	"github.com/coffer-secrets/coffer/internal/outfile"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/store"
)

// ReadCmd prints one secret.
type ReadCmd struct {
	Service string `arg:"" help:"Service."`
	Key     string `arg:"" help:"Key; case does not matter unless two keys differ in it."`

	Version   versionFlag `short:"v" default:"-1" placeholder:"N" help:"Version; the newest by default."`
	NoNewline bool        `short:"n" help:"Print the bare value without a newline after it."`
	Out       string      `placeholder:"FILE" help:"Write the bare value to a file that only you can read."`
}

// versionFlag is a number that may be -1 in an argument of its own, which stands for the newest
// version as in chamber. To the parser that would be another flag.
type versionFlag int

// Decode reads the number.
func (v *versionFlag) Decode(ctx *kong.DecodeContext) error {
	n, err := strconv.Atoi(ctx.Scan.Pop().String())
	if err != nil {
		return errors.New("expected a number")
	}
	*v = versionFlag(n)
	return nil
}

// Run prints the secret: as a table, or bare with --quiet or --no-newline.
func (c *ReadCmd) Run(ctx context.Context, app *App) error {
	service, label := cutLabel(c.Service)
	id, err := newID(service, c.Key)
	if err != nil {
		return err
	}
	if c.Version < -1 {
		return usage("--version %d: versions begin at 1", c.Version)
	}
	s, err := app.Open(ctx)
	if err != nil {
		return err
	}
	secret, err := c.read(ctx, app, s, id, label)
	if err != nil {
		return err
	}
	value := secret.Value.Reveal()
	switch {
	case c.Out != "":
		return outfile.Write(c.Out, []byte(value))
	case c.NoNewline:
		return app.printValues(value)
	case app.globals.Quiet:
		return app.printValues(value + "\n")
	case app.globals.JSON:
		return render.JSON(app.Stdout, valued(secret))
	}
	t := app.table("Key", "Value", "Version", "Last modified", "User")
	t.row(secret.ID.Key, value, secret.Version, secret.Created, secret.CreatedBy)
	return t.print()
}

func (c *ReadCmd) read(ctx context.Context, app *App, s store.Store, id store.ID, label string) (store.Secret, error) {
	if label == "" {
		return s.Read(ctx, id, max(int(c.Version), store.Latest))
	}
	labeler, ok := s.(store.Labeler)
	switch {
	case c.Version > 0:
		return store.Secret{}, usage("--version and the label %q name two versions", label)
	case !ok:
		return store.Secret{}, app.noLabels(label)
	}
	return labeler.ReadLabel(ctx, id, label)
}

// secretJSON is how a secret is printed with --json.
type secretJSON struct {
	Service   string  `json:"service"`
	Key       string  `json:"key"`
	Version   int     `json:"version,omitempty"`
	Created   string  `json:"created,omitempty"`
	CreatedBy string  `json:"created_by,omitempty"`
	KeyAlias  string  `json:"key_alias,omitempty"`
	Value     *string `json:"value,omitempty"`
}

func described(m store.Meta) secretJSON {
	return secretJSON{
		Service: m.ID.Service, Key: m.ID.Key, Version: m.Version, Created: timestamp(m.Created),
		CreatedBy: m.CreatedBy, KeyAlias: m.KeyAlias,
	}
}

// valued is described with the value, for a command that was asked to print it.
func valued(s store.Secret) secretJSON {
	out, value := described(s.Meta), s.Value.Reveal()
	out.Value = &value
	return out
}

func timestamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
