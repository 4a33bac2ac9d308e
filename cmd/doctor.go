package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"

	"golang.org/x/sync/errgroup"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/internal/site"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// DoctorCmd finds out what is wrong with services and their bucket, and mends it.
type DoctorCmd struct {
	Services []string `arg:"" optional:"" name:"service" help:"Services; without any, all of them, and the bucket."`

	Probe bool `help:"Try what the server keeps of conditions, and what you may change, with an object that is deleted again."`
	Fix   bool `help:"Mend what needs no decision of yours: indexes, tombstones. No secret is written or deleted."`
}

// inspected is a service as doctor has seen it.
type inspected struct {
	admin.Inspection
	mended []admin.Finding
}

// Run prints a row for each finding, the worst first. It ends with exit code 1 when one is more
// than a note. Without --fix nothing is changed.
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
	backend := a.InForce.Backend.Value
	inspector, ok := s.(admin.Inspector)
	switch {
	case backend == "null":
		return printFindings(a, nil)
	case !ok:
		return fmt.Errorf("%w: the %s backend keeps no indexes that could be wrong; s3-kms, s3 and local do", store.ErrUnsupported, backend)
	}
	if len(services) == 0 {
		services, err = inspector.Occupied(ctx, "")
		if errors.Is(err, store.ErrDenied) {
			err = app.Hinted(err, "coffer doctor SERVICE looks at a service that you may list")
		}
		if err != nil {
			return err
		}
	}
	var found []site.Finding
	if onS3 := backend == "s3" || backend == "s3-kms"; onS3 && (len(c.Services) == 0 || c.Probe) {
		if found, err = site.SiteFindings(ctx, a, s, services, c.Probe); err != nil {
			return err
		}
		if c.Probe {
			found = append(found, serverRows(ctx, s, site.ProbedService(services))...)
		}
	}
	all, err := c.examine(ctx, a, inspector, services)
	if err != nil {
		return err
	}
	for _, seen := range all {
		if len(c.Services) > 0 && len(seen.Secrets)+len(seen.Indexes)+len(seen.mended) == 0 {
			return &store.Error{Op: "inspect", ID: store.ID{Service: seen.Service}, Err: &store.NotFoundError{What: "service"}}
		}
		found = append(found, findingsOf(a, seen, tombstonesStay(ctx, s, a))...)
	}
	return printFindings(a, found)
}

// examine inspects services, four at once, and mends them one after the other.
func (c *DoctorCmd) examine(ctx context.Context, a *app.App, s admin.Inspector, services []string) ([]inspected, error) {
	all := make([]inspected, len(services))
	line := a.Progress(len(services), "checked")
	defer line.Done()
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i, service := range services {
		g.Go(func() (err error) {
			all[i].Inspection, err = s.Inspect(gctx, service)
			line.Add()
			return err
		})
	}
	if err := g.Wait(); err != nil || !c.Fix {
		return all, err
	}
	line.Done()
	for i := range all {
		if !slices.ContainsFunc(all[i].Findings, func(f admin.Finding) bool { return f.Mendable }) {
			continue
		}
		if err := mend(ctx, a, s, &all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// mend mends a service and looks at it again. What cannot be mended is said, and stays a finding.
func mend(ctx context.Context, a *app.App, s admin.Inspector, seen *inspected) error {
	mended, failed := s.Mend(ctx, seen.Service)
	if ctx.Err() != nil {
		return failed
	}
	if failed != nil {
		a.Say("%s", app.Sentence(failed))
	}
	after, err := s.Inspect(ctx, seen.Service)
	if err != nil {
		return errors.Join(failed, err)
	}
	for i := range seen.Findings {
		// With the index put right, nothing tells any more that a version was lost.
		if f := &seen.Findings[i]; f.Check == "lost-version" && !slices.Contains(after.Findings, *f) {
			after.Findings = append(after.Findings, *f)
		}
	}
	seen.Inspection, seen.mended = after, mended
	return nil
}

// tombstonesStay reports whether the server is known to delete under no condition, so that a
// tombstone can only be collected by one who says that nobody else writes.
func tombstonesStay(ctx context.Context, s store.Store, a *app.App) bool {
	prober, ok := s.(admin.ConditionProber)
	if !ok || a.Globals.SingleWriter || a.InForce.File.SingleWriter {
		return false
	}
	c, err := prober.Conditions(ctx, "", false)
	return err == nil && c.Known && !c.Deletes
}

// findingsOf says what was found in a service, and which command mends it.
func findingsOf(a *app.App, seen inspected, tombstonesStay bool) []site.Finding {
	var found []site.Finding
	for _, f := range seen.mended {
		found = append(found, site.Finding{Severity: f.Severity, Check: f.Check, About: about(f), Text: f.Text, Mended: true})
	}
	for i := range seen.Findings {
		f := &seen.Findings[i]
		mend := mendedBy(a, f, &seen.Inspection)
		if f.Check == "tombstone" && tombstonesStay {
			mend += " --single-writer"
			f.Text += ", and can go while nobody else writes: this server deletes under no condition"
		}
		found = append(found, site.Finding{Severity: f.Severity, Check: f.Check, About: about(*f), Text: f.Text, Mend: mend})
	}
	return found
}

// about is what a finding is about, in as few words as tell it.
func about(f admin.Finding) string {
	if f.ID.Key != "" {
		return f.ID.String()
	}
	return cmp.Or(f.Object, f.ID.Service)
}

// printFindings says what was mended, prints the rest, and counts it.
func printFindings(a *app.App, found []site.Finding) error {
	sort.SliceStable(found, func(i, j int) bool { return found[i].Severity.Rank() < found[j].Severity.Rank() })
	if err := printServer(a, found); err != nil {
		return err
	}
	counts := map[admin.Severity]int{}
	t := a.Table("Severity", "Check", "About", "Mended by", "What")
	for _, f := range found {
		if f.Kept != "" {
			continue
		}
		if f.Mended {
			a.Note("mended %s: %s", f.About, f.Check)
			continue
		}
		counts[f.Severity]++
		t.Row(string(f.Severity), f.Check, f.About, f.Mend, f.Text)
	}
	if a.Globals.JSON {
		if err := render.JSON(a.Stdout, append([]site.Finding{}, found...)); err != nil {
			return err
		}
	} else if len(t.Rows) > 0 {
		if err := t.Print(); err != nil {
			return err
		}
	} else {
		a.Note("nothing%s is wrong", map[bool]string{true: " else"}[len(found) > 0])
	}
	if counts[admin.Serious]+counts[admin.Warning] > 0 {
		return &app.ExitError{Code: app.ExitOther}
	}
	return nil
}
