package cmd

import (
	"context"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/inject"
	"github.com/coffer-secrets/coffer/internal/term"
)

// InjectCmd fills secrets into files.
type InjectCmd struct {
	In  []string `short:"i" sep:"none" placeholder:"FILE" help:"The template (default: standard input). Repeat -i and -o for several: the first -o is for the first -i."`
	Out []string `short:"o" sep:"none" aliases:"output-file" placeholder:"FILE" help:"Write to a file that only you can read (default: standard output). It is replaced as a whole, if it changes."`
}

// Run writes the files or, on an error, nothing.
func (c *InjectCmd) Run(ctx context.Context, a *app.App) error {
	pairs, err := c.pairs(a)
	if err != nil {
		return err
	}
	files, err := inject.Open(a, pairs)
	if err != nil {
		return err
	}
	return files.Write(ctx)
}

// pairs returns the templates with their files.
func (c *InjectCmd) pairs(a *app.App) ([]inject.Pair, error) {
	in, out := c.In, c.Out
	if len(in) == 0 {
		if term.IsTerminal(a.Stdin) {
			return nil, app.WithHint(app.Usage("no template"), "coffer inject -i TEMPLATE, or coffer inject < TEMPLATE")
		}
		in = []string{inject.Standard}
	}
	if len(out) == 0 && len(in) == 1 {
		out = []string{inject.Standard}
	}
	if len(in) != len(out) {
		return nil, app.WithHint(app.Usage("%s and %s", app.Count(len(in), "template"), app.Count(len(c.Out), "output")), "each -i needs an -o: coffer inject -i A.tmpl -o A -i B.tmpl -o B")
	}
	pairs := make([]inject.Pair, len(in))
	for i := range in {
		pairs[i] = inject.Pair{In: in[i], Out: out[i]}
	}
	return pairs, nil
}
