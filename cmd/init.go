package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/internal/site"
	"github.com/coffer-secrets/coffer/internal/term"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// InitCmd creates the bucket and the key of a store, and changes their settings.
type InitCmd struct {
	Yes   bool   `short:"y" help:"Don't ask."`
	Print string `enum:",terraform" default:"" placeholder:"FORMAT" help:"Print everything as Terraform, and create nothing."`

	Again bool `help:"Try again what an earlier init left out because the server didn't support it."`

	Without            []string `placeholder:"PART" enum:"encryption,public-access,versions,policy,lifecycle,check" help:"Leave out a part: encryption, public-access, versions, policy, lifecycle or check."`
	AllowUnconditional bool     `help:"Allow other programs, such as chamber, to write without conditions. They can overwrite what they didn't see."`

	works  bool     // the bucket is known to work, so that what the caller may not look at is no error
	unseen []string // what the caller may not look at
}

// Run shows what exists and what is missing, asks, creates what is missing, and then writes, reads
// and deletes a secret as a check. If nothing is missing, it only makes the check.
func (c *InitCmd) Run(ctx context.Context, a *app.App) error {
	s, err := a.Settings()
	if err != nil {
		return err
	}
	if s.Kind().Directory {
		return c.local(a, s)
	}
	at, err := site.Open(ctx, a)
	if err != nil {
		return err
	}
	if err := s.RefuseAccessPoint("init sets up the bucket itself"); err != nil {
		return err
	}
	at.Unconditional = c.AllowUnconditional
	if c.Print != "" {
		return a.Print(at.Scope.Setup(c.AllowUnconditional, c.leftOutOfTerraform(a, at)))
	}
	if s.Kind().Teams {
		return c.team(ctx, a, s, at)
	}
	parts, err := c.inspect(ctx, a, at)
	if err == nil {
		err = site.RefuseOtherBackend(ctx, a)
	}
	if err != nil {
		return err
	}
	return c.make(ctx, a, at, parts)
}

// local prints where the secrets and the identity are. The first write creates them.
func (c *InitCmd) local(a *app.App, s *app.Settings) error {
	if c.Print != "" {
		return app.Usage("the local backend has nothing to set up with Terraform")
	}
	alias := s.KMSKeyAlias.Value
	if alias == "" {
		alias = "alias/default"
	}
	alias, err := store.NormalizeAlias(alias)
	if err != nil {
		return err
	}
	parts := []site.Part{
		{Name: "secrets", State: s.Dir.Value},
		{Name: "identity of " + alias, State: filepath.Join(s.KeyDir.Value, strings.ReplaceAll(alias, "/", "_")+".age")},
	}
	for i, p := range parts {
		_, err := os.Lstat(p.State)
		if parts[i].Done = err == nil; !parts[i].Done {
			parts[i].State += " (created by the first write)"
		}
	}
	return printParts(a, parts)
}

func (c *InitCmd) make(ctx context.Context, a *app.App, s *site.Site, parts []site.Part) error {
	if !a.Globals.JSON {
		if err := printParts(a, parts); err != nil {
			return err
		}
	}
	if err := c.confirm(a, s, parts); err != nil {
		return err
	}
	t := site.NewSetup(a, s)
	for i := range parts {
		if !parts[i].Open() {
			continue
		}
		if err := t.MakePart(ctx, parts, i); err != nil {
			t.End(ctx, parts)
			return fmt.Errorf("%s: %w", parts[i].Name, err)
		}
		if parts[i].Done {
			a.NoteDone("set up: %s", parts[i].Name)
		} else {
			a.NoteWarning("left out: %s: %s", parts[i].Name, parts[i].LeftOut)
		}
	}
	t.End(ctx, parts)
	if !slices.Contains(c.Without, "check") {
		if err := c.check(ctx, a); err != nil {
			return s.BlockHint(ctx, err)
		}
	}
	if a.Globals.JSON {
		return printParts(a, parts)
	}
	return nil
}

// confirm asks whether to create the missing parts.
func (c *InitCmd) confirm(a *app.App, s *site.Site, parts []site.Part) error {
	open, settings := 0, 0
	for _, p := range parts {
		if p.Open() {
			open++
		}
		if p.Open() && p.Setting != nil {
			settings++
		}
	}
	if settings > 0 && s.Other != "" {
		a.Note("this is not AWS: the settings are tried first on a separate bucket, %s, which is deleted afterwards", s.ScratchName())
	}
	if open == 0 || c.Yes {
		return nil
	}
	ok, err := a.Confirm("Set up " + app.Count(open, "part") + "?")
	if errors.Is(err, term.ErrNoTerminal) {
		return app.NoTerminal("use --yes to continue without asking")
	}
	if err == nil && !ok {
		err = errors.New("nothing was changed")
	}
	return err
}

func printParts(a *app.App, parts []site.Part) error {
	if a.Globals.JSON {
		return render.JSON(a.Stdout, parts)
	}
	t := a.Table("Part", "Exists", "What")
	for _, p := range parts {
		exists := render.Marked{Mark: render.Done, Text: "yes"}
		switch {
		case p.LeftOut != "":
			exists = render.Marked{Mark: render.Warning, Text: "left out"}
		case !p.Done:
			exists = render.Marked{Text: "no"}
		}
		t.Row(p.Name, exists, p.State)
	}
	return t.Print()
}

// inspect returns the parts of a store and whether each exists. It leaves out what the server
// doesn't support.
func (c *InitCmd) inspect(ctx context.Context, a *app.App, s *site.Site) ([]site.Part, error) {
	var parts []site.Part
	if len(s.Scope.Keys) > 0 {
		key, err := site.FindKey(ctx, s)
		switch {
		case errors.Is(err, store.ErrUnsupported) && s.Scope.Sealed:
			return nil, app.WithHint(err, "set AWS_ENDPOINT_URL_KMS to the URL of a server with the API of KMS, or use -b s3-age, which needs no KMS")
		case errors.Is(err, store.ErrUnsupported):
			a.Note("left out: the key: %s", app.Sentence(err))
		case err != nil:
			return nil, err
		default:
			parts = append(parts, key)
		}
	}
	bucket := s.Scope.Bucket
	exists, err := s.Buckets.Exists(ctx, bucket)
	if c.denied("the bucket itself", err) {
		exists, err = true, nil
	}
	if err != nil {
		return nil, err
	}
	parts = append(parts, site.Part{
		Name: "bucket", State: bucket + " in " + s.Scope.Region, Done: exists,
		Make: func(ctx context.Context) error { return s.Buckets.Create(ctx, bucket) },
	})
	tried := site.TrialResults(a, s)
	if s.Scope.PlainHTTP && !slices.Contains(c.Without, admin.CheckPolicy) {
		a.Note("left out: the policy that refuses requests without TLS: this connection uses none, so it would be refused")
	}
	for _, setting := range s.Settings() {
		if slices.Contains(c.Without, setting.Name) || setting.Want == "" {
			continue
		}
		p := site.Part{Name: setting.Title, State: setting.Want, Setting: &setting}
		if exists {
			p.Done, err = setting.IsSet(ctx)
		}
		switch {
		case errors.Is(err, store.ErrUnsupported):
			a.Note("left out: %s: %s", setting.Title, site.UnsupportedText(err))
		case c.denied(setting.Title, err):
			p.LeftOut = app.Sentence(err)
			parts = append(parts, p)
		case err != nil:
			return nil, err
		default:
			if reason := tried[setting.Name]; !p.Done && reason != "" && exists && !c.Again {
				p.LeftOut = reason
				a.Note("left out: %s: %s (use --again to try it again)", p.Name, reason)
			}
			parts = append(parts, p)
		}
	}
	return parts, nil
}
