package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/environ"
	"github.com/coffer-secrets/coffer/store"
)

// ExecCmd runs a command with secrets in its environment.
type ExecCmd struct {
	Services []string `arg:"" name:"service" help:"Services, then -- and the command. Of two services that set one variable the later wins."`

	app.ReadFlags
	EnvFlags
	Pristine    bool   `help:"Give the command nothing but the secrets."`
	Strict      bool   `help:"Fill only variables that are set to the strict value, and every one of them."`
	StrictValue string `default:"chamberme" placeholder:"TEXT" help:"What marks a variable to fill, with --strict."`
	NoAWSEnv    bool   `name:"no-aws-env" help:"Take AWS credentials out of the command's environment."`
}

// EnvFlags select secrets and say how they become variables.
type EnvFlags struct {
	Prefix   string   `placeholder:"TEXT" help:"Put before each variable made of a secret."`
	Only     []string `placeholder:"GLOB" help:"Only keys that match."`
	Except   []string `placeholder:"GLOB" help:"No key that matches."`
	Skip     []string `placeholder:"KEY" help:"Leave out a key, however unusable its value."`
	AllowEnv []string `placeholder:"NAME" help:"Variables that may be set although they change what is run (LD_PRELOAD, PATH, ...)."`
}

func (f EnvFlags) rules() environ.Rules {
	return environ.Rules{Prefix: f.Prefix, Only: f.Only, Except: f.Except, Skip: f.Skip, AllowEnv: f.AllowEnv}
}

// Run replaces the process by the command. It returns only when that fails, but on Windows.
func (c *ExecCmd) Run(ctx context.Context, a *app.App) error {
	command := a.Behind
	if len(command) == 0 {
		return app.Usage("no command to run: coffer exec SERVICE... -- COMMAND")
	}
	path, err := findCommand(command[0])
	if err != nil {
		return err
	}
	a.Unverified = c.Unverified
	all, err := a.Load(ctx, c.Services)
	if err != nil {
		return err
	}
	if err := a.RefuseIncomplete(all, c.ReadFlags); err != nil {
		return err
	}
	rules := c.rules()
	rules.Pristine, rules.NoAWS, rules.FoldCase = c.Pristine, c.NoAWSEnv, app.FoldNames
	if c.Strict {
		rules.Strict = &c.StrictValue
	}
	env, notices, err := environ.Build(a.Environ, layers(all), rules)
	if err != nil {
		return err
	}
	for _, n := range notices {
		a.Note("%s", n.Text)
	}
	if err := environ.Check(path, command, env, environ.SystemLimits()); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return replace(ctx, a, path, command, env.Strings())
}

func layers(all []store.Contents) []environ.Layer {
	out := make([]environ.Layer, len(all))
	for i, c := range all {
		out[i].Service = c.Service
		for _, s := range c.Secrets {
			out[i].Vars = append(out[i].Vars, environ.Var{Key: s.ID.Key, Value: s.Value})
		}
	}
	return out
}

// findCommand resolves a command before any secret can touch PATH, and before a request is
// made for one that does not exist. What stands in the current directory is run only when it is
// named so: Windows looks there before PATH, and anybody may have put it there.
func findCommand(name string) (string, error) {
	path, err := exec.LookPath(name)
	// LookPath tells by ErrDot, unless GODEBUG=execerrdot=0 is set.
	implicit := errors.Is(err, exec.ErrDot) || err == nil && filepath.Base(name) == name && !filepath.IsAbs(path)
	switch {
	case implicit:
		err := fmt.Errorf("%q is found in the current directory or through a relative directory in PATH, and not run from there", name)
		return "", &app.ExitError{Code: app.ExitNoCommand, Err: app.Hinted(err, "to run it: "+"."+string(filepath.Separator)+path)}
	case err == nil:
		return path, nil
	case errors.Is(err, fs.ErrPermission):
		return "", &app.ExitError{Code: app.ExitNotExecutable, Err: fmt.Errorf("%q cannot be executed: %w", name, fs.ErrPermission)}
	case errors.Is(err, syscall.EISDIR):
		return "", &app.ExitError{Code: app.ExitNotExecutable, Err: fmt.Errorf("%q cannot be executed: it is a directory", name)}
	}
	return "", &app.ExitError{Code: app.ExitNoCommand, Err: fmt.Errorf("there is no command %q", name)}
}
