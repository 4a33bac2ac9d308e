package cmd

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/environ"
	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/inject"
	"github.com/coffer-secrets/coffer/internal/runfiles"
	"github.com/coffer-secrets/coffer/store"
)

// PassFlags pass secrets in files, and resolve references in variables.
type PassFlags struct {
	File          []string `filled:"" sep:"none" placeholder:"KEY[=PATH]" help:"Pass this secret in a file that only you can read: KEY_FILE has its path, and KEY isn't set. The file is in memory if possible, and removed when the command ends. With =PATH it is written there, and stays."`
	FileFD        []string `name:"file-fd" filled:"" sep:"none" placeholder:"KEY" help:"Pass this secret in a file without a name, in memory: KEY_FILE is /proc/self/fd/N. Linux only. The command itself can read it; what it starts often can't (node, npm, python, java, tmux, ssh, sudo)."`
	Resolve       bool     `help:"Replace references, coffer://SERVICE/KEY, in the variables that the command inherits."`
	ResolveSecret []string `filled:"" sep:"none" placeholder:"KEY" help:"Replace references in this secret, too."`

	files      *runfiles.Files // of this run
	referenced []string        // the services that references are to
}

// resolve replaces the references in variables. loaded is what was read of the services already.
func (c *PassFlags) resolve(ctx context.Context, a *app.App, env environ.Environment, loaded []store.Contents) (environ.Environment, error) {
	if !c.Resolve && len(c.ResolveSecret) == 0 {
		return env, nil
	}
	found, err := inject.FindVariables(a, env, c.ResolveSecret)
	if err != nil {
		return nil, err
	}
	if len(loaded) == 0 && found.Empty() {
		return nil, app.Usage("no service given, and no inherited variable has a reference (coffer://SERVICE/KEY)")
	}
	c.referenced = found.Services()
	return found.Resolve(ctx, loaded...)
}

// pass writes the files of secrets that are passed so. A command that is started again has them in the same
// places.
func (c *PassFlags) pass(a *app.App, env environ.Environment, rules environ.Rules) (environ.Environment, error) {
	if len(c.File)+len(c.FileFD) == 0 {
		return env, nil
	}
	first := c.files == nil
	if first {
		wanted, err := c.wanted()
		if err != nil {
			return nil, err
		}
		c.files = runfiles.New(a.Getenv, wanted, rules)
	}
	env, notes, err := c.files.Pass(env)
	var unmatched *environ.UnmatchedError
	if errors.As(err, &unmatched) {
		err = app.WithHint(err, "--file and --file-fd name a key of a service; coffer list shows them")
	}
	for _, note := range notes {
		if first {
			a.Note("%s", note)
		}
	}
	return env, err
}

// wanted parses --file and --file-fd.
func (c *PassFlags) wanted() (all []runfiles.Wanted, err error) {
	for _, arg := range c.File {
		pattern, path, given := strings.Cut(arg, "=")
		switch {
		case given && path == "":
			return nil, app.Usage("--file %s: the path is empty", arg)
		case given:
			if path, err = filepath.Abs(path); err != nil { // the command may change its directory
				return nil, err
			}
		}
		all = append(all, runfiles.Wanted{Pattern: pattern, Path: path})
	}
	for _, pattern := range c.FileFD {
		all = append(all, runfiles.Wanted{Pattern: pattern, Inherit: true})
	}
	for i, w := range all {
		if slices.ContainsFunc(all[:i], func(other runfiles.Wanted) bool { return other != w && strings.EqualFold(other.Pattern, w.Pattern) }) {
			return nil, app.Usage("--file and --file-fd: %s is given twice, and a secret is passed in one file", w.Pattern)
		}
	}
	return all, nil
}

// remove removes the files that end with the command.
func (c *PassFlags) remove(a *app.App) {
	if err := c.files.Remove(); err != nil {
		a.Say("can't remove files with secrets: %s", app.Sentence(err))
	}
}
