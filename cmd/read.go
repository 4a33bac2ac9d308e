package cmd

import (
	"context"
	"errors"
	"strconv"

	"github.com/alecthomas/kong"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/asof"
	"github.com/coffer-secrets/coffer/internal/outfile"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/store"
)

// ReadCmd prints one secret.
type ReadCmd struct {
	Service string `arg:"" help:"The service."`
	Key     string `arg:"" help:"The key, in any case."`

	AtFlag
	Version   versionFlag `short:"v" default:"-1" placeholder:"N" help:"Print this version (default: the newest)."`
	NoNewline bool        `short:"n" help:"Print only the value, without a newline at the end."`
	Out       string      `placeholder:"FILE" help:"Write only the value, to a file that only you can read."`
}

// versionFlag is the number of a version. -1 is the newest, as in chamber. It has a decoder of its
// own because kong takes the argument -1 for a flag.
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
func (c *ReadCmd) Run(ctx context.Context, a *app.App) error {
	service, label := app.CutLabel(c.Service)
	if _, err := app.NewID(service, c.Key); err != nil {
		return err
	}
	if c.Version < -1 || c.Version == 0 {
		return app.Usage("--version %d: versions begin at 1, and -1 is the newest", c.Version)
	}
	if c.At != "" && c.Version > 0 {
		return app.Usage("--at and --version can't be used together")
	}
	if err := c.use(a, []string{c.Service}, asof.Options{}); err != nil {
		return err
	}
	s, err := a.Open(ctx)
	if err != nil {
		return err
	}
	if err := a.CheckLabel(s, c.Service, label); err != nil {
		return err
	}
	secret, err := app.InService(ctx, s, service, func(service string) (store.Secret, error) {
		return c.read(ctx, s, store.ID{Service: service, Key: c.Key}, label)
	})
	if err != nil {
		a.ObeyRead(ctx, c.Service, c.Key, err)
		return err
	}
	value := secret.Value.Reveal()
	switch {
	case c.Out != "":
		return outfile.Write(c.Out, []byte(value))
	case c.NoNewline:
		return a.PrintValues(value)
	case a.Globals.Quiet:
		return a.PrintValues(value + "\n")
	case a.Globals.JSON:
		return render.JSON(a.Stdout, app.NewSecretJSONWithValue(secret))
	}
	t := a.Table("Key", "Value", "Version", "Last modified", "User").Record()
	t.Row(secret.ID.Key, render.Text(value), secret.Version, secret.Created, secret.CreatedBy)
	return t.Print()
}

func (c *ReadCmd) read(ctx context.Context, s store.Store, id store.ID, label string) (store.Secret, error) {
	if label == "" {
		return s.Read(ctx, id, max(int(c.Version), store.Latest))
	}
	if c.Version > 0 {
		return store.Secret{}, app.Usage("--version and the label %q can't be used together", label)
	}
	return s.(store.Labeler).ReadLabel(ctx, id, label)
}
