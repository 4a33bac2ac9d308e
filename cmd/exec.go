package cmd

import (
	"context"
	"runtime"

	"github.com/coffer-secrets/coffer/environ"
	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/run"
)

// ExecCmd runs a command with secrets in its environment.
type ExecCmd struct {
	Services []string `arg:"" name:"service" help:"The services. If two set the same variable, the later one wins. The command follows after --."`

	app.ReadFlags
	EnvFlags
	Pristine    bool   `help:"Give the command only the secrets, and no other variables."`
	Strict      bool   `help:"Set exactly the variables that already have the strict value: each of them must be a secret, and no other is set."`
	StrictValue string `default:"chamberme" placeholder:"TEXT" help:"The value that marks a variable for --strict (default chamberme)."`
	NoAWSEnv    bool   `name:"no-aws-env" help:"Remove AWS credentials from the command's environment."`

	Mask     *bool  `negatable:"" help:"Hide the secrets in the output of the command. Coffer stays running in front of it."`
	MaskText string `placeholder:"TEXT" help:"What to show instead of a secret, with --mask (default ***)."`
}

// EnvFlags select secrets and set how they become variables.
type EnvFlags struct {
	Prefix   string   `placeholder:"TEXT" help:"Begin the name of each variable with this."`
	Only     []string `placeholder:"GLOB" help:"Only keys that match, such as 'db_*'."`
	Except   []string `placeholder:"GLOB" help:"No keys that match."`
	Skip     []string `placeholder:"KEY" help:"Leave out this key, for example because its value can't be a variable."`
	AllowEnv []string `placeholder:"NAME" help:"Allow a variable that can change which code runs, such as LD_PRELOAD or PATH."`
}

func (f EnvFlags) rules() environ.Rules {
	return environ.Rules{Prefix: f.Prefix, Only: f.Only, Except: f.Except, Skip: f.Skip, AllowEnv: f.AllowEnv}
}

// Run replaces the process by the command. It returns only on failure, except on Windows.
func (c *ExecCmd) Run(ctx context.Context, a *app.App) error {
	command := a.CommandLine
	if len(command) == 0 {
		return app.Usage("no command to run: coffer exec SERVICE... -- COMMAND")
	}
	path, err := run.FindCommand(command[0])
	if err != nil {
		return err
	}
	mark, err := c.mark(a)
	if err != nil {
		return err
	}
	if s, err := a.Settings(); err == nil && s.Kind().Service != "" {
		// exec mostly waits for the network. With one processor no thread spins in the meantime.
		runtime.GOMAXPROCS(1)
	}
	a.Unverified = c.Unverified
	all, err := a.Load(ctx, c.Services, c.AllowEmpty)
	if err != nil {
		return err
	}
	if err := a.RefuseIncomplete(all, c.ReadFlags); err != nil {
		return err
	}
	rules := c.rules()
	rules.AllowUnmatched = c.AllowEmpty
	rules.Pristine, rules.NoAWS, rules.FoldCase = c.Pristine, c.NoAWSEnv, app.FoldNames
	if c.Strict {
		rules.Strict = &c.StrictValue
	}
	env, notices, err := environ.Build(a.Environ, environ.Layers(all...), rules)
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
	if mark != "" {
		return run.NewMasked(a, env, mark).Run(a, path, command, env.Strings())
	}
	return run.Replace(ctx, a, path, command, env.Strings())
}

// mark returns what is shown instead of a secret; "" if secrets are not to be hidden.
func (c *ExecCmd) mark(a *app.App) (string, error) {
	s, err := a.Settings()
	if err != nil || !s.Mask(c.Mask) {
		return "", err
	}
	return s.MaskText(c.MaskText)
}
