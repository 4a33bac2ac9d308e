// Package doctor examines services, and names the command that repairs what it finds.
package doctor

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/internal/site"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// Inspected is a service as doctor has seen it.
type Inspected struct {
	admin.Inspection
	Mended []admin.Finding
}

// Examine inspects services, four at once, and mends them one after the other.
func Examine(ctx context.Context, a *app.App, s admin.Inspector, services []string, fix bool) ([]Inspected, error) {
	all := make([]Inspected, len(services))
	line := a.Progress(len(services), "checked")
	defer line.Done()
	err := pace.Each(ctx, 4, len(services), func(ctx context.Context, i int) (err error) {
		all[i].Inspection, err = s.Inspect(ctx, services[i])
		line.Add()
		return err
	})
	if err != nil || !fix {
		return all, err
	}
	line.Done()
	for i := range all {
		if !slices.ContainsFunc(all[i].Findings, func(f admin.Finding) bool { return f.Repairable }) {
			continue
		}
		if err := repair(ctx, a, s, &all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// repair mends a service and looks at it again. What cannot be mended is said, and stays a finding.
func repair(ctx context.Context, a *app.App, s admin.Inspector, seen *Inspected) error {
	mended, failed := s.Repair(ctx, seen.Service)
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
		if f := &seen.Findings[i]; f.Check == admin.CheckLostVersion && !slices.Contains(after.Findings, *f) {
			after.Findings = append(after.Findings, *f)
		}
	}
	seen.Inspection, seen.Mended = after, mended
	return nil
}

// TombstonesRemain reports whether the server is known to delete under no condition, so that a
// tombstone can only be collected by one who says that nobody else writes.
func TombstonesRemain(ctx context.Context, s store.Store, a *app.App) bool {
	prober, ok := s.(admin.ConditionProber)
	if !ok || a.Globals.SingleWriter || a.InForce.File.SingleWriter {
		return false
	}
	c, err := prober.Conditions(ctx, "", false)
	return err == nil && c.Known && !c.Deletes
}

// FindingsOf says what was found in a service, and which command mends it.
func FindingsOf(a *app.App, seen Inspected, tombstonesRemain bool) []site.Finding {
	var found []site.Finding
	for _, f := range seen.Mended {
		found = append(found, site.Finding{Severity: f.Severity, Check: f.Check, About: subject(f), Text: f.Text, Mended: true})
	}
	for i := range seen.Findings {
		f := &seen.Findings[i]
		repair := commandFor(a, f, &seen.Inspection)
		if f.Check == admin.CheckTombstone && tombstonesRemain {
			repair += " --single-writer"
			f.Text += ", and can go while nobody else writes: this server deletes under no condition"
		}
		found = append(found, site.Finding{Severity: f.Severity, Check: f.Check, About: subject(*f), Text: f.Text, Mend: repair})
	}
	return found
}

// subject is what a finding is about, in as few words as tell it.
func subject(f admin.Finding) string {
	if f.ID.Key != "" {
		return f.ID.String()
	}
	return cmp.Or(f.Object, f.ID.Service)
}
