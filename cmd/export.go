package cmd

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/environ"
	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/asof"
	"github.com/coffer-secrets/coffer/internal/formats"
	"github.com/coffer-secrets/coffer/internal/outfile"
	"github.com/coffer-secrets/coffer/store"
)

// ExportCmd prints the secrets of services in a format that other programs read.
type ExportCmd struct {
	Services []string `arg:"" name:"service" help:"The services. If two have the same key, the later one wins."`

	app.ReadFlags
	AtFlag
	EnvFlags
	Format string `short:"f" default:"json" placeholder:"NAME" help:"json, yaml, dotenv, dotenv-literal, shell, fish, powershell, nushell, shell-escaped, csv, tsv, java-properties, tfvars, toml, docker, systemd, k8s, github-env, github-mask or gitlab (json)."`
	Out    string `short:"o" aliases:"output-file" placeholder:"FILE" help:"Write to a file that only you can read. It is replaced as a whole."`
	Name   string `placeholder:"NAME" help:"The name of the Kubernetes Secret (default: the last part of the first service)."`

	Immutable bool `help:"Make a Kubernetes Secret that nobody can change, only delete."`
}

// Run prints all secrets or, on an error, nothing.
func (c *ExportCmd) Run(ctx context.Context, a *app.App) error {
	variables, err := formats.Variables(c.Format)
	switch {
	case err != nil:
		return err
	case c.Prefix != "" && !variables:
		return app.Usage("--prefix can't be used with %s: it is for formats that print variables", c.Format)
	case c.Immutable && !formats.Is(c.Format, "k8s"):
		return app.Usage("--immutable can't be used with %s: it is for k8s", c.Format)
	}
	if err := c.use(a, c.Services, asof.Options{AllowEmpty: c.AllowEmpty, Needs: c.needs(c.ReadFlags)}); err != nil {
		return err
	}
	all, err := a.LoadComplete(ctx, c.Services, c.ReadFlags)
	if err != nil {
		return err
	}
	rules := c.rules()
	rules.AllowUnmatched = c.AllowEmpty
	pairs, err := pairs(a, environ.Layers(all...), rules, variables)
	if err != nil {
		return err
	}
	name := c.Name
	if name == "" {
		name = strings.NewReplacer("_", "-", "!", "-").Replace(path.Base(all[0].Service))
	}
	var out bytes.Buffer
	if err := formats.Encode(&out, c.Format, pairs, formats.Options{Name: name, Prefix: c.Prefix, Immutable: c.Immutable}); err != nil {
		return err
	}
	if c.Out != "" {
		return outfile.Write(c.Out, out.Bytes())
	}
	return a.PrintValues(out.String())
}

// pairs merges the secrets of several services, of which the later wins, and prints the notices.
// For a format of variables, the rules of exec apply.
func pairs(a *app.App, layers []environ.Layer, rules environ.Rules, variables bool) ([]formats.Pair, error) {
	rules.Pristine = true
	var notices []environ.Notice
	var pairs []formats.Pair
	var err error
	if variables {
		var env environ.Environment
		env, notices, err = environ.Build(nil, layers, rules)
		for _, v := range env.Secrets() {
			pairs = append(pairs, formats.Pair{Key: v.Key, Value: v.Value})
		}
	} else {
		layers, notices, err = environ.Select(layers, rules)
		pairs = merge(a, layers)
	}
	leftOut := 0
	for _, n := range notices {
		if n.Kind == environ.LeftOut { // an error, so --quiet doesn't hide it
			leftOut++
			a.Say("%s", n.Text)
		} else {
			a.Note("%s", n.Text)
		}
	}
	if err == nil && leftOut > 0 && len(pairs) == 0 {
		err = fmt.Errorf("%w: none of the secrets can be a variable", store.ErrInvalid)
	}
	return pairs, err
}

// merge merges the secrets of several services by key, and prints which keys are in more than one.
func merge(a *app.App, layers []environ.Layer) []formats.Pair {
	at := map[string]int{}
	var pairs []formats.Pair
	var replaced []string
	for _, l := range layers {
		for _, v := range l.Vars {
			p := formats.Pair{Key: v.Key, Value: v.Value}
			if i, ok := at[v.Key]; ok {
				pairs[i] = p
				replaced = append(replaced, v.Key)
				continue
			}
			at[v.Key] = len(pairs)
			pairs = append(pairs, p)
		}
	}
	if len(replaced) > 0 {
		slices.Sort(replaced)
		a.Note("set by more than one service (the last one is used): %s", strings.Join(slices.Compact(replaced), ", "))
	}
	return pairs
}

// EnvCmd prints secrets for a shell to source.
type EnvCmd struct {
	Services []string `arg:"" name:"service" help:"The services. If two set the same variable, the later one wins."`

	app.ReadFlags
	AtFlag
	EnvFlags
	Shell         string `default:"sh" placeholder:"NAME" help:"The shell that reads it: sh, bash, dash, ksh, mksh, zsh, fish, powershell or nushell (sh)."`
	Strict        bool   `help:"Print nothing if a secret can't be a variable."`
	PreserveCase  bool   `short:"p" help:"Keep the case of the keys."`
	EscapeStrings bool   `short:"e" help:"Use double quotes and escapes such as \\n, for a reader that expands them."`
}

// Run prints what sets one variable for each secret. It reports and leaves out secrets that cannot be
// variables.
func (c *EnvCmd) Run(ctx context.Context, a *app.App) error {
	format, err := formats.ShellFormat(c.Shell)
	switch {
	case err != nil:
		return err
	case c.EscapeStrings && format != "shell":
		return app.Usage("--escape-strings is only for sh; %s has its own escaping", c.Shell)
	case c.EscapeStrings:
		format = "shell-escaped"
	}
	if err := c.use(a, c.Services, asof.Options{AllowEmpty: c.AllowEmpty, Needs: c.needs(c.ReadFlags)}); err != nil {
		return err
	}
	all, err := a.LoadComplete(ctx, c.Services, c.ReadFlags)
	if err != nil {
		return err
	}
	rules := c.rules()
	rules.AllowUnmatched = c.AllowEmpty
	rules.KeepGoing = !c.Strict
	pairs, err := pairs(a, environ.Layers(all...), rules, true)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := formats.Encode(&out, format, pairs, formats.Options{Prefix: c.Prefix, PreserveCase: c.PreserveCase}); err != nil {
		return err
	}
	return a.PrintValues(out.String())
}
