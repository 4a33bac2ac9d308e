package cmd

import (
	"context"
	"strings"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/asof"
	"github.com/coffer-secrets/coffer/internal/lockfile"
	"github.com/coffer-secrets/coffer/internal/outfile"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/store"
)

// LockCmd prints a file that names the versions of secrets, or compares one with the secrets of today.
type LockCmd struct {
	Names []string `arg:"" optional:"" name:"service" help:"The services. Without any: those of coffer.yaml. With --check: the lock file (default coffer.lock)."`

	AtFlag
	Out   string `short:"o" placeholder:"FILE" help:"Write to this file. It is replaced as a whole."`
	Check bool   `help:"Show what has changed since a lock file was written. The exit code is 1 if anything has."`
}

// Run prints or writes the lock file, or with --check a row for each secret that has changed.
func (c *LockCmd) Run(ctx context.Context, a *app.App) error {
	switch {
	case c.Check && (c.Out != "" || c.At != ""):
		return app.Usage("--check only compares: it can't be used with -o and --at")
	case c.Check && len(c.Names) > 1:
		return app.WithHint(app.Usage("--check takes one lock file"), "coffer lock --check "+lockfile.DefaultName)
	case c.Check && len(c.Names) == 1 && c.Names[0] == "":
		return app.WithHint(app.Usage("--check: the name of the lock file is empty"), "coffer lock --check "+lockfile.DefaultName)
	case c.Check:
		return c.check(ctx, a)
	case len(c.Names) == 0:
		p, err := a.ProjectOf(nil, "")
		if err != nil {
			return err
		}
		c.Names = p.Every()
		a.Note("using %s: %s", p.Path, strings.Join(c.Names, ", "))
	}
	if err := noLabel("lock", c.Names); err != nil {
		return err
	}
	settings, err := a.Settings()
	if err != nil {
		return err
	}
	if err := c.use(a, c.Names, asof.Options{Salted: !settings.Kind().Dated}); err != nil {
		return err
	}
	all, err := load(ctx, a, c.Names, false)
	if app.IsMissingService(err) {
		return app.WithHint(err, "check the name; coffer services lists the services")
	}
	if err != nil {
		return err
	}
	file, err := lockfile.Of(all)
	if err != nil {
		return err
	}
	c.note(a, file)
	switch {
	case c.Out != "":
		return outfile.WritePublic(c.Out, file.Encode())
	case a.Globals.JSON:
		return printEntries(a, file)
	}
	return a.Print(string(file.Encode()))
}

// lockedJSON is a locked version as --json prints it.
type lockedJSON struct {
	Service     string `json:"service"`
	Key         string `json:"key"`
	Version     int    `json:"version"`
	Fingerprint string `json:"fingerprint"` // or its date
}

func printEntries(a *app.App, file lockfile.File) error {
	out := make([]lockedJSON, len(file.Entries))
	for i, e := range file.Entries {
		out[i] = lockedJSON{e.Service, e.Key, e.Version, e.Proof}
	}
	return render.JSON(a.Stdout, out)
}

// load reads services with what identifies the versions of their secrets. What isn't readable is named in a note, and
// none of a service is an error.
func load(ctx context.Context, a *app.App, services []string, allowEmpty bool) ([]store.Contents, error) {
	settings, err := a.Settings()
	if err != nil {
		return nil, err
	}
	if a.Wrap == nil { // else it is for a time, with salts
		a.Wrap = func(s store.Store) (store.Store, error) { return lockfile.Identified(s, settings.Kind().Dated), nil }
	}
	return a.LoadComplete(ctx, services, app.ReadFlags{AllowEmpty: allowEmpty})
}

// note says which secrets are locked without a fingerprint, where it matters.
func (c *LockCmd) note(a *app.App, file lockfile.File) {
	var dated []string
	for _, e := range file.Entries {
		if !lockfile.Fingerprinted(e.Proof) {
			dated = append(dated, e.String())
		}
	}
	if len(dated) > 0 && !a.InForce.Kind().Dated {
		a.NoteWarning("%s locked by number and date, without a fingerprint of the value, because another program wrote them. Their next coffer write adds one: %s",
			app.Count(len(dated), "secret"), strings.Join(dated, ", "))
	}
}

// check compares a lock file with the secrets of today.
func (c *LockCmd) check(ctx context.Context, a *app.App) error {
	name := lockfile.DefaultName
	if len(c.Names) > 0 {
		name = c.Names[0]
	}
	file, err := readLock(name)
	if err != nil {
		return err
	}
	all, err := load(ctx, a, file.Services, true)
	if err != nil {
		return err
	}
	found := file.Compare(all)
	if err := printMoved(a, found); err != nil {
		return err
	}
	if err := lockfile.Refuse(found); err != nil {
		return err
	}
	if len(found) > 0 {
		return &app.ExitError{Code: app.ExitOther}
	}
	a.Note("%s, none changed", app.Count(len(file.Entries), "locked secret"))
	return nil
}

// movedJSON is a difference as --json prints it.
type movedJSON struct {
	Service string `json:"service"`
	Key     string `json:"key"`
	State   string `json:"state"`
	Locked  int    `json:"locked_version,omitempty"`
	Now     int    `json:"version,omitempty"`
}

func printMoved(a *app.App, found []lockfile.Difference) error {
	if a.Globals.JSON {
		out := make([]movedJSON, len(found))
		for i, d := range found {
			out[i] = movedJSON{d.Service, d.Key, d.State, d.Locked, d.Now}
		}
		return render.JSON(a.Stdout, out)
	}
	if len(found) == 0 {
		return nil
	}
	t := a.Table("Secret", "State", "Locked version", "Version").Drops("Locked version", "Version")
	for _, d := range found {
		t.Row(d.String(), d.State, app.VersionCell(d.Locked), app.VersionCell(d.Now))
	}
	return t.Print()
}
