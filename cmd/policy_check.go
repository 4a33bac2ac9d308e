package cmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/policy"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// PolicyCheckCmd tries permissions.
type PolicyCheckCmd struct {
	Role    string `arg:"" enum:"reader,writer,operator" help:"The role: reader, writer or operator."`
	Service string `arg:"" help:"The service."`
	Tags    bool   `help:"Include the permissions for tags."`
}

type trialJSON struct {
	Permission string        `json:"permission"`
	On         string        `json:"on"`
	Allowed    admin.Verdict `json:"allowed"`
	Reason     string        `json:"reason,omitempty"`
}

// Run tries each permission and prints a row for it. The exit code is 5 if any of them is denied.
func (c *PolicyCheckCmd) Run(ctx context.Context, a *app.App) error {
	if err := store.CheckService(c.Service); err != nil {
		return err
	}
	s, err := a.Open(ctx)
	if err != nil {
		return err
	}
	service, err := app.StoredName(ctx, s, c.Service)
	if err != nil {
		return err
	}
	prober, ok := s.(admin.Prober)
	if !ok {
		return fmt.Errorf("%w: policy check works with the %s backends, not with %s", store.ErrUnsupported, bucketBackends(), a.InForce.Kind())
	}
	scope := policy.Scope{Bucket: a.InForce.Bucket.Value, Tags: c.Tags, Sealed: a.InForce.Kind().Sealed}
	if a.InForce.Kind().KMS {
		scope.Keys = []policy.Key{{Alias: a.InForce.KMSKeyAlias.Value}}
	}
	permissions := scope.Permissions(policy.Role(c.Role), service)
	actions := make([]string, len(permissions))
	for i, p := range permissions {
		actions[i] = p.Action
	}
	trials, err := prober.Try(ctx, service, actions)
	if err != nil {
		return err
	}
	rows := make([]trialJSON, len(trials))
	for i, t := range trials {
		rows[i] = trialJSON{t.Action, permissions[i].On, t.Verdict, t.Reason}
	}
	if keys, ok := s.(admin.KeyProber); ok {
		own, err := c.keyRows(ctx, keys, scope, a.InForce.KMSKeyAlias.Value)
		if err != nil {
			return err
		}
		rows = append(rows, own...)
	}
	return errors.Join(printTrials(a, rows), missingPermissions(c.Role, rows))
}

// keyRows tries the permissions for the key object of the alias in force.
func (c *PolicyCheckCmd) keyRows(ctx context.Context, s admin.KeyProber, scope policy.Scope, alias string) ([]trialJSON, error) {
	var err error
	if scope.Teams, err = normalAliases([]string{alias}); err != nil {
		return nil, err
	}
	var actions []string
	permissions := scope.KeyPermissions(policy.Role(c.Role))
	for _, p := range permissions {
		actions = append(actions, p.Action)
	}
	trials, err := s.TryKey(ctx, scope.Teams[0], actions)
	rows := make([]trialJSON, len(trials))
	for i, t := range trials {
		rows[i] = trialJSON{t.Action, permissions[i].On, t.Verdict, t.Reason}
	}
	return rows, err
}

func printTrials(a *app.App, rows []trialJSON) error {
	if a.Globals.JSON {
		return render.JSON(a.Stdout, rows)
	}
	t := a.Table("Permission", "Resource", "Allowed", "Reason").Cuts("Resource", "Reason").Drops("Resource")
	for _, r := range rows {
		t.Row(r.Permission, r.On, app.VerdictCell(r.Allowed), r.Reason)
	}
	return t.Print()
}

// missingPermissions returns an error that names the denied actions; nil if there are none.
func missingPermissions(role string, rows []trialJSON) error {
	var actions []string
	for _, r := range rows {
		if r.Allowed == admin.Refused {
			actions = append(actions, r.Permission)
		}
	}
	if len(actions) == 0 {
		return nil
	}
	return app.WithHint(fmt.Errorf("%w: the %s lacks %s", store.ErrDenied, role, strings.Join(actions, ", ")),
		"coffer policy "+role+" prints what is needed")
}
