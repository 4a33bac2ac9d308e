package cmd

import (
	"bytes"
	"context"
	"path"
	"strings"

	"github.com/coffer-secrets/coffer/internal/environ"
	"github.com/coffer-secrets/coffer/internal/formats"
	"github.com/coffer-secrets/coffer/internal/outfile"
	"github.com/coffer-secrets/coffer/store"
)

// ExportCmd prints the secrets of services in a format of another program.
type ExportCmd struct {
	Services []string `arg:"" name:"service" help:"Services. Of two that hold one key the later wins."`

	ReadFlags
	Format string   `short:"f" default:"json" placeholder:"NAME" help:"json, yaml, dotenv, shell, csv, tsv, java-properties, tfvars, toml, docker, systemd, k8s, github-env, github-mask or gitlab (json)."`
	Out    string   `short:"o" aliases:"output-file" placeholder:"FILE" help:"Write to a file that only you can read, whole or not at all."`
	Only   []string `placeholder:"GLOB" help:"Only keys that match."`
	Except []string `placeholder:"GLOB" help:"No key that matches."`
	Prefix string   `placeholder:"TEXT" help:"Put before each variable, in formats of variables."`
	Name   string   `placeholder:"NAME" help:"Name of the Kubernetes Secret (the last part of the first service)."`
}

func exportFormats() []string { return formats.Names() }

// Run exports, or writes nothing at all.
func (c *ExportCmd) Run(ctx context.Context, app *App) error {
	app.unverified = c.Unverified
	all, err := app.load(ctx, c.Services)
	if err != nil {
		return err
	}
	if err := app.refuseIncomplete(all, c.ReadFlags); err != nil {
		return err
	}
	pairs, err := c.pairs(app, all)
	if err != nil {
		return err
	}
	name := c.Name
	if name == "" {
		name = strings.ReplaceAll(path.Base(all[0].Service), "_", "-")
	}
	var out bytes.Buffer
	if err := formats.Encode(&out, c.Format, pairs, formats.Options{Name: name, Prefix: c.Prefix}); err != nil {
		return err
	}
	if c.Out != "" {
		return outfile.Write(c.Out, out.Bytes())
	}
	return app.print(out.String())
}

// pairs merges the services: the later wins, with one notice.
func (c *ExportCmd) pairs(app *App, all []store.Contents) ([]formats.Pair, error) {
	from := map[string]string{}
	var pairs []formats.Pair
	var replaced []string
	for _, contents := range all {
		for _, s := range contents.Secrets {
			if ok, err := environ.Selected(s.ID.Key, c.Only, c.Except); err != nil || !ok {
				if err != nil {
					return nil, err
				}
				continue
			}
			p := formats.Pair{Key: s.ID.Key, Value: s.Value}
			if _, ok := from[p.Key]; !ok {
				pairs = append(pairs, p)
			} else {
				replaced = append(replaced, p.Key+" (now of "+contents.Service+")")
				for i := range pairs {
					if pairs[i].Key == p.Key {
						pairs[i] = p
					}
				}
			}
			from[p.Key] = contents.Service
		}
	}
	if len(replaced) > 0 {
		app.note("several services hold %s", strings.Join(replaced, ", "))
	}
	return pairs, nil
}

// EnvCmd prints secrets for a shell to source.
type EnvCmd struct {
	Services []string `arg:"" name:"service" help:"Services. Of two that set one variable the later wins."`

	ReadFlags
	EnvFlags
	Strict        bool `help:"Print nothing when any secret cannot be a variable."`
	PreserveCase  bool `short:"p" help:"Keep the case of keys."`
	EscapeStrings bool `short:"e" help:"Double quotes and escapes such as \\n, for a reader that expands them."`
}

// Run prints one export line for each secret; what cannot be a variable is reported and left out.
func (c *EnvCmd) Run(ctx context.Context, app *App) error {
	app.unverified = c.Unverified
	all, err := app.load(ctx, c.Services)
	if err != nil {
		return err
	}
	if err := app.refuseIncomplete(all, c.ReadFlags); err != nil {
		return err
	}
	rules := c.rules()
	rules.Pristine, rules.KeepGoing = true, !c.Strict
	env, notices, err := environ.Build(nil, layers(all), rules)
	if err != nil {
		return err
	}
	for _, n := range notices {
		app.note("%s", n.Text)
	}
	var pairs []formats.Pair
	for _, v := range env.Secrets() {
		pairs = append(pairs, formats.Pair{Key: v.Key, Value: v.Value})
	}
	format := "shell"
	if c.EscapeStrings {
		format = "shell-escaped"
	}
	var out bytes.Buffer
	if err := formats.Encode(&out, format, pairs, formats.Options{Prefix: c.Prefix, PreserveCase: c.PreserveCase}); err != nil {
		return err
	}
	return app.print(out.String())
}
