package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/policy"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// PolicyCheckCmd tries permissions.
type PolicyCheckCmd struct {
	Role    string   `arg:"" enum:"reader,writer,operator" help:"The role: reader, writer or operator."`
	Service string   `arg:"" help:"The service."`
	Keys    []string `name:"key" sep:"none" placeholder:"ALIAS" help:"Another key alias that the role uses."`
	Tags    bool     `help:"Include the permissions for tags."`
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
	scope, aliases, err := c.scope(ctx, a)
	if err != nil {
		return err
	}
	rows, err := c.rows(ctx, prober, scope, service)
	if err != nil {
		return err
	}
	for i, alias := range aliases {
		own, err := c.keyRows(ctx, a, s, scope, service, alias, i > 0)
		if err != nil {
			return err
		}
		rows = append(rows, own...)
	}
	return errors.Join(printTrials(a, rows), missingPermissions(c.Role, rows))
}

// scope returns what the permissions are for, without the services, and the aliases: that in force, and those of
// --key. A backend without keys has none.
func (c *PolicyCheckCmd) scope(ctx context.Context, a *app.App) (policy.Scope, []string, error) {
	kind := a.InForce.Kind()
	cfg, err := a.AWS(ctx, a.InForce)
	if err != nil {
		return policy.Scope{}, nil, err
	}
	scope := policy.Scope{Bucket: a.InForce.Bucket.Value, Tags: c.Tags, Sealed: kind.Sealed, OtherServer: awsconf.OtherServer(cfg) != ""}
	if !kind.KMS && !kind.Teams {
		if len(c.Keys) > 0 {
			err = noKeys(a.InForce)
		}
		return scope, nil, err
	}
	if kind.KMS {
		scope.Keys = []policy.Key{{Alias: a.InForce.KMSKeyAlias.Value}}
	}
	aliases, err := normalAliases(append([]string{a.InForce.KMSKeyAlias.Value}, c.Keys...))
	return scope, aliases, err
}

// rows tries the permissions for a service, under the key alias of the store.
func (c *PolicyCheckCmd) rows(ctx context.Context, s admin.Prober, scope policy.Scope, service string) ([]trialJSON, error) {
	permissions := scope.Permissions(policy.Role(c.Role), service)
	trials, err := s.Try(ctx, service, actionsOf(permissions))
	return trialRows(permissions, trials), err
}

// keyRows tries the permissions for the key object of an alias or, of another alias than that of the store, for
// its KMS key.
func (c *PolicyCheckCmd) keyRows(ctx context.Context, a *app.App, s store.Store, scope policy.Scope, service, alias string, another bool) ([]trialJSON, error) {
	if keys, ok := s.(admin.KeyProber); ok {
		scope.Teams = []string{alias}
		permissions := scope.KeyPermissions(policy.Role(c.Role))
		trials, err := keys.TryKey(ctx, alias, actionsOf(permissions))
		return trialRows(permissions, trials), err
	}
	if !another {
		return nil, nil
	}
	a.InForce.KMSKeyAlias = app.Setting{Value: alias, From: "--key"}
	scope.Keys = []policy.Key{{Alias: alias}}
	opened, err := a.Open(ctx)
	if err != nil {
		return nil, err
	}
	prober, ok := opened.(admin.Prober)
	if !ok {
		return nil, nil
	}
	rows, err := c.rows(ctx, prober, scope, service)
	return slices.DeleteFunc(rows, func(r trialJSON) bool { return r.On != alias }), err
}

func actionsOf(permissions []policy.Permission) []string {
	actions := make([]string, len(permissions))
	for i, p := range permissions {
		actions[i] = p.Action
	}
	return actions
}

func trialRows(permissions []policy.Permission, trials []admin.Trial) []trialJSON {
	rows := make([]trialJSON, len(trials))
	for i, t := range trials {
		rows[i] = trialJSON{t.Action, permissions[i].On, t.Verdict, t.Reason}
	}
	return rows
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
