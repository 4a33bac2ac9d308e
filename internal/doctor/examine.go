// Package doctor inspects services, and returns a repair command for each finding.
package doctor

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/site"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// Inspected is the inspection of a service.
type Inspected struct {
	admin.Inspection                 // after the repair, if there was one
	Repaired         []admin.Finding // findings that --fix has repaired
}

// Examine inspects services of a store that is an [admin.Inspector], four in parallel. If they were
// typed, a service that holds nothing is a failure. With fix, Examine then repairs one after the other.
// It leaves out services that cannot be inspected: failed has their errors.
func Examine(ctx context.Context, a *app.App, st store.Store, services []string, typed, fix bool) (seen []Inspected, failed []error, err error) {
	s, ok := st.(admin.Inspector)
	if !ok {
		return nil, nil, store.ErrUnsupported
	}
	all := make([]Inspected, len(services))
	line := a.Progress(len(services), "checked")
	defer line.Done()
	failed, err = app.Each(ctx, 4, len(services), func(ctx context.Context, i int) (err error) {
		inspect := func(service string) (admin.Inspection, error) {
			in, err := s.Inspect(ctx, service)
			if err == nil && typed && len(in.Secrets)+len(in.Indexes)+len(in.Findings) == 0 {
				err = app.NoSecrets("inspect", service, "")
			}
			return in, err
		}
		all[i].Inspection, err = app.InService(ctx, st, services[i], inspect)
		line.Add()
		return err
	})
	all = slices.DeleteFunc(all, func(in Inspected) bool { return in.Service == "" })
	if err != nil || !fix {
		return all, failed, err
	}
	line.Done()
	for i := range all {
		if !slices.ContainsFunc(all[i].Findings, func(f admin.Finding) bool { return f.Repairable }) {
			continue
		}
		switch err := repair(ctx, a, s, &all[i]); {
		case app.EndsAll(err):
			return all, failed, err
		case err != nil:
			failed = append(failed, err)
		}
	}
	return all, failed, nil
}

// repair repairs a service and inspects it again. If something can't be repaired, it prints why, and
// the finding stays.
func repair(ctx context.Context, a *app.App, s admin.Inspector, seen *Inspected) error {
	repaired, failed := s.Repair(ctx, seen.Service)
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
		// The repaired index no longer shows that a version was lost.
		if f := &seen.Findings[i]; f.Check == admin.CheckLostVersion && !slices.Contains(after.Findings, *f) {
			after.Findings = append(after.Findings, *f)
		}
	}
	seen.Inspection, seen.Repaired = after, repaired
	return nil
}

// TombstonesRemain reports whether the server is known to ignore conditional deletes, so that
// tombstones can be removed only with --single-writer.
func TombstonesRemain(ctx context.Context, s store.Store, a *app.App) bool {
	prober, ok := s.(admin.ConditionProber)
	if !ok || a.Globals.SingleWriter || a.InForce.File.SingleWriter {
		return false
	}
	c, err := prober.Conditions(ctx, "", false)
	return err == nil && c.Known && !c.Deletes
}

// FindingsOf returns the findings of a service about which something can be done, each with the command
// that repairs it.
func FindingsOf(a *app.App, seen Inspected, tombstonesRemain bool) []site.Finding {
	var found []site.Finding
	for _, f := range seen.Repaired {
		found = append(found, site.Finding{Severity: f.Severity, Check: f.Check, About: subject(f), Text: f.Text, Repaired: true})
	}
	for i := range seen.Findings {
		f := &seen.Findings[i]
		if f.Check == admin.CheckLeftIndex && !f.Repairable { // it stays, or isn't an hour old yet: nothing is to be done
			continue
		}
		command := commandFor(a, f, &seen.Inspection)
		f.Text += advice(a, f, &seen.Inspection)
		if f.Check == admin.CheckTombstone && tombstonesRemain {
			command += " --single-writer"
			f.Text += "; remove it only while nobody else writes: this server ignores conditional deletes"
		}
		if lostKey(a, *f) {
			f.Severity = admin.Serious
			f.Text += "; without the key, which is not in " + a.InForce.KeyDir.Value + ", nobody can decrypt them, and you can't write here"
		}
		found = append(found, site.Finding{Severity: f.Severity, Check: f.Check, About: subject(*f), Text: f.Text, Command: command, Of: keyOf(f), Shared: sharedCause(f)})
	}
	return found
}

// keyOf returns the key object that is to blame for a finding; "" if none is.
func keyOf(f *admin.Finding) string {
	if !f.OfKey || f.KeyAlias == "" {
		return ""
	}
	return admin.KeyObject(f.KeyAlias)
}

// lostKey reports whether secrets in a directory are hidden because the key that is in use is lost: there is no
// key service that has it, as there is for other backends.
func lostKey(a *app.App, f admin.Finding) bool {
	switch aliases := a.InForce.LocalAliases(); {
	case !a.InForce.Kind().Directory:
		return false
	case f.Check == admin.CheckDeniedIndex:
		return f.KeyAlias == a.InForce.AliasOfWrites()
	case f.Check == admin.CheckHidden:
		return len(aliases) == 0
	}
	return false
}

// subject returns the name of what a finding is about: the secret, the object or the service.
func subject(f admin.Finding) string {
	if f.ID.Key != "" {
		return f.ID.String()
	}
	return cmp.Or(f.Object, f.ID.Service)
}
