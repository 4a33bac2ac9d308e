package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sort"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/doctor"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/internal/site"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// DoctorCmd finds problems of services and of their bucket, and repairs some of them.
type DoctorCmd struct {
	Services []string `arg:"" optional:"" name:"service" help:"The services. Without any: all services and their bucket."`

	Probe bool `help:"Test what the server supports and what you may change, with an object that is deleted again."`
	Fix   bool `help:"Repair what needs no decision: indexes, and markers left by deleted secrets. No secret is written or deleted."`
}

// Run prints a row for each finding, the worst first. The exit code is 1 if any of them is worse
// than a note. It changes nothing without --fix.
func (c *DoctorCmd) Run(ctx context.Context, a *app.App) error {
	services := app.ServiceNames(c.Services)
	for _, name := range services {
		if err := store.CheckService(name); err != nil {
			return err
		}
	}
	s, err := a.Open(ctx)
	if err != nil {
		return err
	}
	backend := a.InForce.Kind()
	inspector, ok := s.(admin.Inspector)
	switch {
	case backend.Nowhere:
		return printFindings(a, nil)
	case !ok:
		return fmt.Errorf("%w: the %s backend has no indexes to check; only %s have", store.ErrUnsupported, backend,
			app.JoinNames(app.BackendsThat(func(b app.Backend) bool { return b.Index })))
	}
	if len(services) == 0 {
		services, err = inspector.Occupied(ctx, "")
		if errors.Is(err, store.ErrDenied) {
			err = app.WithHint(err, "coffer doctor SERVICE checks a service that you can list")
		}
		if err != nil {
			return err
		}
	}
	var found []site.Finding
	if backend.Bucket && (len(c.Services) == 0 || c.Probe) {
		if found, err = site.Findings(ctx, a, s, services, c.Probe); err != nil {
			return err
		}
		if c.Probe {
			found = append(found, doctor.Server(ctx, s, site.ProbedService(services))...)
		}
	}
	all, failed, err := c.examine(ctx, a, s, services, &found)
	if err != nil {
		return err
	}
	if len(all) == 0 && len(failed) > 0 && len(found) == 0 {
		return a.Report(failed...)
	}
	open := printFindings(a, found)
	return cmp.Or(a.Report(failed...), open)
}

// examine adds the findings about services and the keys of teams. failed has the errors of services that can't be
// inspected, and those about keys that can't be trusted.
func (c *DoctorCmd) examine(ctx context.Context, a *app.App, s store.Store, services []string, found *[]site.Finding) (all []doctor.Inspected, failed []error, err error) {
	typed := len(c.Services) > 0
	all, failed, err = doctor.Examine(ctx, a, s, services, typed, c.Fix)
	if err != nil {
		return nil, nil, err
	}
	keys, doubts, err := doctor.Keys(ctx, a, s, all, typed)
	if err != nil {
		return nil, nil, err
	}
	var ofServices []site.Finding
	for _, seen := range all {
		ofServices = append(ofServices, doctor.FindingsOf(a, seen, doctor.TombstonesRemain(ctx, s, a))...)
	}
	*found = append(*found, doctor.Together(ofServices, keys)...)
	return all, append(failed, doubts...), nil
}

// printFindings prints what was repaired, then the other findings. Its error is the exit code.
func printFindings(a *app.App, found []site.Finding) error {
	sort.SliceStable(found, func(i, j int) bool { return found[i].Severity.Rank() < found[j].Severity.Rank() })
	if err := printServer(a, found); err != nil {
		return err
	}
	counts := map[admin.Severity]int{}
	var open []site.Finding
	t := a.Table("Severity", "Check", "About", "Fix", "What") // for programs
	for _, f := range found {
		if f.Answer != "" {
			continue
		}
		if f.Repaired {
			a.NoteDone("fixed %s: %s", f.About, f.Check)
			continue
		}
		counts[f.Severity]++
		open = append(open, f)
		t.Row(string(f.Severity), f.Check, f.About, f.Command, f.Text)
	}
	var err error
	style := a.Style(a.Stdout)
	switch {
	case a.Globals.JSON:
		err = render.JSON(a.Stdout, append([]site.Finding{}, found...))
	case len(open) == 0:
		a.NoteDone("no%s problems found", map[bool]string{true: " other"}[len(found) > 0])
	case style.Terminal:
		err = a.Print(doctor.Blocks(style, a.InForce.Kind(), open))
	default:
		err = t.Print()
	}
	if err != nil {
		return err
	}
	if s := a.InForce; s != nil && s.Kind().Directory {
		a.Note("the keys are in %s; if you lose that directory, you lose every secret: back it up", s.KeyDir.Value)
	}
	if counts[admin.Serious]+counts[admin.Warning] > 0 {
		return &app.ExitError{Code: app.ExitOther}
	}
	return nil
}

// printServer prints the answers of the server to --probe as a table of their own.
func printServer(a *app.App, found []site.Finding) error {
	t := a.Table("Feature", "Supported", "Seen").Cuts("Seen")
	for _, f := range found {
		if f.Answer != "" {
			t.Row(f.About, f.Answer, f.Text)
		}
	}
	if len(t.Rows) == 0 || a.Globals.JSON {
		return nil
	}
	return t.Print()
}
