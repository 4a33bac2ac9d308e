package cmd

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/mask"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/internal/scan"
	"github.com/coffer-secrets/coffer/store"
)

// ScanCmd finds the values of secrets in files, in a git repository, and in a stream.
type ScanCmd struct {
	Paths []string `arg:"" optional:"" name:"path" help:"The files and directories to scan; - for standard input. Without any: this directory."`

	app.ProjectFlags
	Service    []string `short:"s" filled:"" placeholder:"SERVICE" help:"Look for the secrets of this service. Without it: those of coffer.yaml, or else of all services."`
	Except     []string `filled:"" placeholder:"GLOB" help:"Don't look for keys that match, such as region or 'api/public_*'."`
	MinLength  int      `default:"8" placeholder:"BYTES" help:"Don't look for shorter values: they are everywhere (default 8 bytes, at least 4)."`
	AllowEmpty bool     `help:"Accept a service without secrets."`
	Staged     bool     `xor:"what" help:"Scan what git commit would store."`
	Git        string   `filled:"" xor:"what" placeholder:"RANGE" help:"Scan what commits have added, and their messages: HEAD for the whole history, main..HEAD, or --git=--all for every branch."`
	Ignored    bool     `help:"Scan files that git ignores, too."`
}

// Run prints a line for each place that has a secret. The exit code is 1 if there is one.
func (c *ScanCmd) Run(ctx context.Context, a *app.App) error {
	if err := c.check(); err != nil {
		return err
	}
	all, failed, err := c.load(ctx, a)
	if err != nil || isMissing(c.Service, failed) {
		return a.Report(append(failed, err)...)
	}
	out := scanJSON{Findings: []scan.Finding{}, LeftOut: []string{}, Packed: []string{}, Failed: []string{}}
	s := &scan.Scanner{Matcher: c.matcher(a, all, &out), Environ: a.Environ}
	if out.Values == 0 && len(failed) > 0 { // there is nothing to look for, and nothing to hide in the names of files
		return a.Report(failed...)
	}
	if out.Values == 0 && !c.AllowEmpty && !a.InForce.Kind().Nowhere {
		return app.WithHint(fmt.Errorf("%w: no value to look for", store.ErrNotFound), "coffer services lists the services; --min-length 4 looks for short values, too")
	}
	var unprinted error
	s.Found = func(f scan.Finding) {
		if out.Findings = append(out.Findings, f); !a.Globals.JSON && unprinted == nil {
			unprinted = a.Print(lineOf(f))
		}
	}
	s.Failed = func(name string, err error) {
		out.Failed = append(out.Failed, name)
		failed = append(failed, unread(name, err))
	}
	if err = c.scan(ctx, a, s); errors.Is(err, context.Canceled) {
		err = &app.ExitError{Code: app.ExitInterrupted, Err: errors.New("interrupted: the scan is incomplete")}
	}
	out.Files, out.Bytes, out.Packed = s.Files, s.Bytes, append(out.Packed, s.Packed...)
	if err == nil {
		err = unprinted
	}
	if err == nil && a.Globals.JSON {
		err = render.JSON(a.Stdout, out)
	}
	for _, note := range s.Notes {
		a.NoteWarning("%s", note)
	}
	return c.end(a, out, append(failed, err))
}

func (c *ScanCmd) check() error {
	for _, pattern := range c.Except {
		if _, err := path.Match(pattern, ""); err != nil {
			return app.Usage("--except: %q is not a valid pattern", pattern)
		}
	}
	switch {
	case c.MinLength < mask.Shortest:
		return app.Usage("--min-length must be at least %d bytes", mask.Shortest)
	case strings.HasPrefix(c.Git, "-") && c.Git != "--all":
		return app.WithHint(app.Usage("--git takes commits, not an option of git"), "give a range, such as --git main..HEAD")
	case (c.Staged || c.Git != "") && slices.Contains(c.Paths, "-"):
		return app.Usage("standard input can't be scanned together with a repository")
	case c.Ignored && (c.Staged || c.Git != ""):
		return app.Usage("--ignored is for files: git has nothing of a file that it ignores")
	}
	return nil
}

// load reads the services whose secrets are looked for. What can't be read is left out: failed says why.
func (c *ScanCmd) load(ctx context.Context, a *app.App) (all []store.Contents, failed []error, err error) {
	services := c.Service
	if len(services) == 0 || c.Project != "" {
		p, err := a.FindProject(c.Project)
		if err != nil {
			return nil, nil, err
		}
		if p != nil {
			p.Introduce(a)
			services = append(slices.Clone(services), p.Every()...)
		}
	}
	if len(services) > 0 {
		all, failed, err = a.LoadReadable(ctx, services, c.AllowEmpty)
	} else {
		all, failed, err = c.loadEvery(ctx, a)
	}
	hidden := 0
	for _, contents := range all {
		hidden += len(contents.Hidden) + len(contents.Denied)
		for _, notice := range contents.Notices {
			a.Note("%s", notice)
		}
	}
	if hidden > 0 {
		a.NoteWarning("%s couldn't be looked for because you can't read them", app.Count(hidden, "secret"))
	}
	return all, failed, err
}

func (c *ScanCmd) loadEvery(ctx context.Context, a *app.App) (all []store.Contents, failed []error, err error) {
	s, err := a.Open(ctx)
	if err != nil {
		return nil, nil, err
	}
	services, err := s.Services(ctx, "")
	if err != nil {
		return nil, nil, err
	}
	return a.LoadFrom(ctx, s, services)
}

// matcher returns what finds the values that are long enough. It says how many these are, and which aren't.
func (c *ScanCmd) matcher(a *app.App, all []store.Contents, out *scanJSON) *mask.Matcher {
	var secrets []mask.Secret
	values := map[string]bool{}
	for _, contents := range all {
		if contents.Service != "" {
			out.Services++
		}
		for _, secret := range contents.Secrets {
			value, name := strings.TrimSpace(secret.Value.Reveal()), secret.ID.String()
			switch {
			case c.excepts(secret.ID):
			case len(value) < c.MinLength:
				out.LeftOut = append(out.LeftOut, name)
			default:
				secrets = append(secrets, mask.Secret{Name: name, Value: value})
				values[value] = true
			}
		}
	}
	out.Values = len(values)
	a.Note("looking for %s of %s", app.Count(out.Values, "value"), app.Count(out.Services, "service"))
	if len(out.LeftOut) > 0 {
		a.Note("left out because shorter than %d bytes: %s", c.MinLength, listed(out.LeftOut))
	}
	return mask.NewToFind(secrets, c.MinLength)
}

func (c *ScanCmd) excepts(id store.ID) bool {
	return slices.ContainsFunc(c.Except, func(pattern string) bool {
		name := id.Key
		if strings.Contains(pattern, "/") {
			name = id.String()
		}
		matched, _ := path.Match(pattern, name)
		return matched
	})
}

func (c *ScanCmd) scan(ctx context.Context, a *app.App, s *scan.Scanner) error {
	switch {
	case c.Staged:
		return ofGit(s.Staged(ctx, c.Paths))
	case c.Git != "":
		return ofGit(s.History(ctx, strings.Fields(c.Git), c.Paths))
	case len(c.Paths) == 0:
		return s.Path(ctx, ".", c.Ignored)
	}
	for _, name := range c.Paths {
		err := error(nil)
		if name == "-" {
			if err = s.Stream(ctx, scan.StandardInput, a.Stdin); err != nil && ctx.Err() == nil {
				err = unread(scan.StandardInput, err)
			}
		} else {
			err = s.Path(ctx, name, c.Ignored)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
