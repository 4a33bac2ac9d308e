package cmd

import (
	"context"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/project"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/store"
)

// CheckCmd compares a project's file with the keys of its services, or writes one.
type CheckCmd struct {
	Services []string `arg:"" optional:"" name:"service" help:"With --init: the services of the new file."`

	app.ProjectFlags
	All      bool     `help:"Print every key, not only those with a problem."`
	Strict   bool     `help:"Fail on unused and undeclared keys too."`
	AllowEnv []string `filled:"" placeholder:"NAME" help:"Allow a variable that can change which code runs, as exec does."`
	Init     bool     `help:"Write a coffer.yaml that needs all keys of these services. An existing file is left alone."`
}

type checkJSON struct {
	File     string        `json:"file"`
	Services []string      `json:"services"`
	Complete bool          `json:"complete"` // nothing required is missing
	Keys     []project.Row `json:"keys"`
}

// Run prints a row for each key that is missing, unused or undeclared. It only lists keys: no value is
// read where a backend can list without. The exit code is 1 if something required is missing.
func (c *CheckCmd) Run(ctx context.Context, a *app.App) error {
	if c.Init {
		return c.write(ctx, a)
	}
	if len(c.Services) > 0 {
		return app.WithHint(app.Usage("check compares a project's file with its services; it takes services only with --init"),
			"to find problems of a service: coffer doctor "+shellWords(c.Services))
	}
	p, err := a.FindProject(c.Project)
	switch {
	case err != nil:
		return err
	case p == nil:
		return app.WithHint(app.Usage("%s", app.NoProject()), "create it: coffer check --init SERVICE")
	}
	if err := p.Announce(a, c.AllowEnv); err != nil {
		return err
	}
	s, err := a.Open(ctx)
	if err != nil {
		return err
	}
	listings, err := a.Listings(ctx, s, p.Every())
	if err != nil {
		return err
	}
	rows := p.Compare(listings)
	if err := c.print(a, p, rows); err != nil {
		return err
	}
	return c.end(a, rows)
}

func (c *CheckCmd) print(a *app.App, p *app.Project, rows []project.Row) error {
	if a.Globals.JSON {
		return render.JSON(a.Stdout, checkJSON{p.Path, p.Every(), project.Count(rows, project.Missing) == 0, append([]project.Row{}, rows...)})
	}
	t := a.Table("Status", "Service", "Key", "Variable", "Type", "Description").Cuts("Description").Drops("Variable", "Type", "Description")
	for _, r := range rows {
		if fine := r.Status == project.Present || r.Status == project.Absent; !fine || c.All {
			t.Row(string(r.Status), r.Service, r.Key, r.Variable, r.Type, r.Description)
		}
	}
	if len(t.Rows) == 0 {
		return nil
	}
	return t.Print()
}

// end says what was found, and returns the error that is the exit code.
func (c *CheckCmd) end(a *app.App, rows []project.Row) error {
	count := func(s project.Status) int { return project.Count(rows, s) }
	missing, others := count(project.Missing), count(project.Unused)+count(project.Undeclared)
	for _, r := range rows {
		if r.Nearest != "" {
			a.Note("%s: did you mean %s?", r.Key, r.Nearest)
		}
	}
	if missing == 0 && (others == 0 || !c.Strict) {
		a.NoteDone("nothing is missing; %s found, %d unused, %d undeclared", app.Count(count(project.Present), "key"), count(project.Unused), count(project.Undeclared))
		return nil
	}
	a.SayFailed("%d missing, %d unused, %d undeclared", missing, count(project.Unused), count(project.Undeclared))
	return &app.ExitError{Code: app.ExitOther}
}

// write writes a new file.
func (c *CheckCmd) write(ctx context.Context, a *app.App) error {
	if len(c.Services) == 0 {
		return app.Usage("which services does the program need? coffer check --init SERVICE...")
	}
	for _, name := range c.Services {
		if err := store.CheckService(name); err != nil {
			return err
		}
	}
	s, err := a.Open(ctx)
	if err != nil {
		return err
	}
	listings, err := a.Listings(ctx, s, app.ServiceNames(c.Services))
	if err != nil {
		return err
	}
	for _, l := range listings {
		if len(l.Keys) == 0 {
			return app.NoSecrets("list", l.Service, "")
		}
	}
	return a.WriteProject(c.Project, listings)
}
