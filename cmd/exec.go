package cmd

import (
	"context"
	"runtime"
	"time"

	"github.com/coffer-secrets/coffer/environ"
	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/run"
	"github.com/coffer-secrets/coffer/store"
)

// ExecCmd runs a command with secrets in its environment.
type ExecCmd struct {
	Services []string `arg:"" optional:"" name:"service" help:"The services. If two set the same variable, the later one wins. Without any: those of coffer.yaml. The command follows after --."`

	app.ProjectFlags
	app.ReadFlags
	VersionFlags
	EnvFlags
	app.CacheFlags
	Pristine    bool   `help:"Give the command only the secrets, and no other variables."`
	Strict      bool   `help:"Set exactly the variables that already have the strict value: each of them must be a secret, and no other is set."`
	StrictValue string `default:"chamberme" placeholder:"TEXT" help:"The value that marks a variable for --strict (default chamberme)."`
	NoAWSEnv    bool   `name:"no-aws-env" help:"Remove AWS credentials from the command's environment."`

	Mask     *bool  `negatable:"" help:"Hide the secrets in the output of the command. Coffer keeps running and passes the output on."`
	MaskText string `filled:"" placeholder:"TEXT" help:"What to show instead of a secret, with --mask (default ***)."`

	PassFlags
	WatchFlags
}

// EnvFlags select secrets and set how they become variables.
type EnvFlags struct {
	Prefix   string   `placeholder:"TEXT" help:"Begin the name of each variable with this."`
	Only     []string `filled:"" placeholder:"GLOB" help:"Only keys that match, such as 'db_*'."`
	Except   []string `filled:"" placeholder:"GLOB" help:"Leave out keys that match."`
	Skip     []string `filled:"" placeholder:"KEY" help:"Leave out this key, for example because its value can't be a variable."`
	AllowEnv []string `filled:"" placeholder:"NAME" help:"Allow a variable that can change which code runs, such as LD_PRELOAD or PATH."`
}

func (f EnvFlags) rules() environ.Rules {
	return environ.Rules{Prefix: f.Prefix, Only: f.Only, Except: f.Except, Skip: f.Skip, AllowEnv: f.AllowEnv}
}

// Run replaces the process by the command. It returns only on failure, except on Windows and where
// coffer stays in front of the command.
func (c *ExecCmd) Run(ctx context.Context, a *app.App) error {
	if run.IsInit() {
		if mark, err := c.mark(a); err != nil {
			return err
		} else if c.Watch || mark != "" || len(c.File) > 0 { // coffer keeps running in front of the command
			return run.Init(a)
		}
	}
	p, err := c.program(a)
	if err != nil {
		return err
	}
	if s, err := a.Settings(); err == nil && s.Kind().Service != "" {
		// exec mostly waits for the network. With one processor no thread spins in the meantime.
		runtime.GOMAXPROCS(1)
	}
	all, err := c.contents(ctx, a, p)
	if err != nil {
		return err
	}
	env, err := c.environment(ctx, a, p, all)
	defer c.remove(a)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	parent := &run.Parent{Mark: p.mark, Cleanup: func() { c.remove(a) }, OnChange: p.onChange, Grace: p.grace}
	switch {
	case p.interval > 0:
		return c.watch(ctx, a, p, parent, all, env)
	case p.mark != "" || c.files.Stays():
		return parent.Run(a, p.path, p.argv, env)
	}
	return run.Replace(ctx, a, p.path, p.argv, env.Strings())
}

// program is what exec runs, and how.
type program struct {
	path    string
	argv    []string
	project *app.Project // nil without a project's file
	mark    string       // what is shown instead of a secret; "" if secrets are not to be hidden

	// With --watch.
	interval, grace time.Duration // interval is 0 without
	onChange        run.Action
}

// program returns what the command line says of the command, without a request.
func (c *ExecCmd) program(a *app.App) (p program, err error) {
	p.argv = a.CommandLine
	if len(p.argv) == 0 {
		return p, app.Usage("no command to run: coffer exec SERVICE... -- COMMAND")
	}
	if p.path, err = run.FindCommand(p.argv[0]); err != nil {
		return p, err
	}
	if p.mark, err = c.mark(a); err != nil {
		return p, err
	}
	if err := c.setWatch(a, &p); err != nil {
		return p, err
	}
	if c.Watch && (c.At != "" || c.Locked != "") {
		return p, app.Usage("--watch follows changes: it can't be used with --at and --locked")
	}
	if (c.Locked != "" || c.Resolve) && len(c.Services) == 0 && c.Project == "" {
		p.project, err = a.FindProject("") // without one the services are those of the lock file, or of references
	} else {
		p.project, err = a.ProjectOf(c.Services, c.Project)
	}
	if p.project != nil {
		err = p.project.Announce(a, c.AllowEnv)
	}
	return p, err
}

// environment returns the environment of the command. It prints the notices.
func (c *ExecCmd) environment(ctx context.Context, a *app.App, p program, all []store.Contents) (environ.Environment, error) {
	layers, err := p.project.Layers(a, all)
	if err != nil {
		return nil, err
	}
	rules := c.rules()
	rules.AllowUnmatched = c.AllowEmpty
	rules.Pristine, rules.NoAWS, rules.FoldCase = c.Pristine, c.NoAWSEnv, app.FoldNames
	if c.Strict {
		rules.Strict = &c.StrictValue
	}
	env, notices, err := environ.Build(a.Environ, layers, rules)
	if err != nil {
		return nil, err
	}
	for _, n := range notices {
		a.Note("%s", n.Text)
	}
	env = p.project.WithParts(env, all)
	if env, err = c.resolve(ctx, a, env, all); err != nil {
		return nil, err
	}
	if env, err = c.pass(a, env, rules); err != nil {
		return nil, err
	}
	return env, environ.Check(p.path, p.argv, env, environ.SystemLimits())
}

// contents reads the secrets, of which none that the command needs may be missing.
func (c *ExecCmd) contents(ctx context.Context, a *app.App, p program) ([]store.Contents, error) {
	services, err := c.versions(a, p.project)
	if err != nil {
		return nil, err
	}
	if err := a.UseCache(c.CacheFlags); err != nil {
		return nil, err
	}
	return a.LoadProject(ctx, p.project, services, c.ReadFlags)
}

// mark returns what is shown instead of a secret; "" if secrets are not to be hidden.
func (c *ExecCmd) mark(a *app.App) (string, error) {
	s, err := a.Settings()
	if err != nil || !s.Mask(c.Mask) {
		return "", err
	}
	return s.MaskText(c.MaskText)
}
