package cmd

import (
	"context"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/inject"
	"github.com/coffer-secrets/coffer/internal/run"
	"github.com/coffer-secrets/coffer/internal/term"
)

// InjectCmd fills secrets into files.
type InjectCmd struct {
	In  []string `short:"i" filled:"" sep:"none" placeholder:"FILE" help:"The template (default: standard input). Repeat -i and -o for several: the first -o is for the first -i."`
	Out []string `short:"o" filled:"" sep:"none" aliases:"output-file" placeholder:"FILE" help:"Write to a file that only you can read (default: standard output). It is replaced as a whole, if it changes."`

	Watch    bool   `help:"Keep the files current: write them again when a secret changes, until the command is ended."`
	Interval string `filled:"" placeholder:"TIME" help:"How often to check for changes, with --watch (default 30s)."`
	Exec     string `filled:"" placeholder:"COMMAND" help:"Run this at the start and after a file has changed, with --watch: a program and its arguments, without a shell."`
	Signal   string `filled:"" placeholder:"NAME" help:"Send this signal at the start and after a file has changed, with --watch, such as HUP. Needs --pid-file."`
	PIDFile  string `name:"pid-file" filled:"" placeholder:"FILE" help:"The file with the process id for --signal."`
}

// Run writes the files or, on an error, nothing.
func (c *InjectCmd) Run(ctx context.Context, a *app.App) error {
	pairs, err := c.pairs(a)
	if err != nil {
		return err
	}
	act, err := c.act(a, pairs)
	if err != nil {
		return err
	}
	files, err := inject.Open(ctx, a, pairs)
	if err != nil {
		return err
	}
	if !c.Watch {
		return files.Write(ctx)
	}
	settings, err := a.Settings()
	if err != nil {
		return err
	}
	interval, _, err := settings.WatchTimes(c.Interval, "")
	if err != nil {
		return err
	}
	return files.Watch(ctx, inject.Watching{Interval: interval, Act: act})
}

// act checks the flags of --watch, and returns what is done at the start and after a file has changed; nil for nothing.
func (c *InjectCmd) act(a *app.App, pairs []inject.Pair) (func(context.Context) error, error) {
	if !c.Watch {
		for _, flag := range [][2]string{{"--interval", c.Interval}, {"--exec", c.Exec}, {"--signal", c.Signal}, {"--pid-file", c.PIDFile}} {
			if flag[1] != "" {
				return nil, app.Usage("%s needs --watch", flag[0])
			}
		}
		return nil, nil
	}
	for _, p := range pairs {
		if p.Out == app.Standard {
			return nil, app.WithHint(app.Usage("--watch keeps files current, not standard output"), "name a file: -o FILE")
		}
	}
	switch {
	case c.Exec != "" && c.Signal != "":
		return nil, app.Usage("--exec and --signal can't be used together")
	case (c.Signal == "") != (c.PIDFile == ""):
		return nil, app.WithHint(app.Usage("--signal and --pid-file need each other"), "--signal HUP --pid-file /run/nginx.pid")
	case c.Signal != "":
		return run.SignalTo(c.Signal, c.PIDFile)
	case c.Exec == "":
		return nil, nil
	}
	argv, err := run.Words(c.Exec)
	if err != nil {
		return nil, err
	}
	return run.Hook(a, argv)
}

// pairs returns the templates with their files.
func (c *InjectCmd) pairs(a *app.App) ([]inject.Pair, error) {
	in, out := c.In, c.Out
	if len(in) == 0 {
		if term.IsTerminal(a.Stdin) {
			return nil, app.WithHint(app.Usage("no template"), "coffer inject -i TEMPLATE, or coffer inject < TEMPLATE")
		}
		in = []string{app.Standard}
	}
	if len(out) == 0 && len(in) == 1 {
		out = []string{app.Standard}
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
