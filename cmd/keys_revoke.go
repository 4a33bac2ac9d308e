package cmd

import (
	"context"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/internal/team"
	"github.com/coffer-secrets/coffer/store"
)

// KeysRevokeCmd takes a member out of an alias.
type KeysRevokeCmd struct {
	Alias  string `arg:"" help:"The key alias."`
	Member string `arg:"" name:"member" help:"The name of the member, as coffer keys members shows it."`

	DryRun bool `help:"Show what would be encrypted again, and change nothing."`
}

type revokeJSON struct {
	teamJSON
	Revoked string `json:"revoked"` // the name of the member
	Changed bool   `json:"changed"` // false if an earlier run has made the new key
}

// Run makes a new key, and encrypts again what is under the earlier ones. It can be interrupted and run again at any
// time.
func (c *KeysRevokeCmd) Run(ctx context.Context, a *app.App) error {
	s, alias, err := team.Open(ctx, a, c.Alias)
	if err != nil {
		return err
	}
	r := &team.Revocation{Store: s, Alias: alias, Member: c.Member, Begin: func(service string, plan []store.Result) (func(store.Result), func([]store.Result)) {
		return c.begin(a, service, plan)
	}}
	if c.DryRun {
		return c.plan(ctx, a, r)
	}
	if _, err := r.Services(ctx); err != nil { // before anything is changed
		return err
	}
	t, changed, err := s.NextKey(ctx, alias, c.Member, false)
	if err != nil {
		return err
	}
	switch {
	case a.Globals.JSON:
		if err := render.JSONLine(a.Stdout, revokeJSON{newTeamJSON(t), c.Member, changed}); err != nil {
			return err
		}
	case changed:
		a.NoteDone("%s is no longer a member of %s, which has a new key: %s", c.Member, alias, t.KeyID)
	default:
		a.Note("%s was revoked before; what is left under the earlier keys of %s is encrypted again", c.Member, alias)
	}
	services, err := r.Services(ctx) // again: one may have been begun under the earlier key
	failures := []error{err}
	if err == nil {
		failures = r.Rekey(ctx, services)
	}
	if len(failures) > 0 {
		return app.WithHint(a.Report(failures...), "what is not encrypted again can still be read with the earlier key: run the same command again")
	}
	a.NoteWarning("%s knew the values under %s: change them too (docs/rotation.md)", c.Member, alias)
	return nil
}

// begin prints what is planned for a service.
func (*KeysRevokeCmd) begin(a *app.App, service string, plan []store.Result) (step func(store.Result), end func([]store.Result)) {
	rekey := &RekeyCmd{Same: true}
	rekey.report(a, service, plan, len(plan), "to move")
	step, done := rekey.progress(a, service, len(plan))
	return step, func(results []store.Result) {
		done()
		rekey.report(a, service, results, len(plan), "moved")
	}
}

// plan prints what a revocation would encrypt again.
func (c *KeysRevokeCmd) plan(ctx context.Context, a *app.App, r *team.Revocation) error {
	t, changed, err := r.Store.NextKey(ctx, r.Alias, c.Member, true)
	if err != nil {
		return err
	}
	services, err := r.Services(ctx)
	if err != nil {
		return err
	}
	found, failures := r.Under(ctx, services)
	rows, results := make([]app.PlanRow, len(found)), make([]store.Result, len(found))
	for i, m := range found {
		rows[i] = app.PlanRow{Cells: []any{m.ID.Service, m.ID.Key, app.VersionCell(m.Version)}, Change: "encrypt again"}
		results[i] = store.Result{Meta: m, Outcome: store.Moved}
	}
	err = a.PrintPlan([]string{"Service", "Key", "Version"}, []string{"Version"}, rows, func() error { return a.PrintResults(results) })
	if err != nil {
		return err
	}
	if changed {
		a.Note("%s would no longer be a member of %s, and %s would be", c.Member, r.Alias, app.Count(len(t.Members)-1, "member"))
	} else {
		a.Note("%s was revoked before", c.Member)
	}
	return a.Report(failures...)
}
