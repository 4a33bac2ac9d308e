package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/policy"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/store"
)

// PolicyCmd prints and checks permissions.
type PolicyCmd struct {
	Reader   PolicyReaderCmd   `cmd:"" reads:"" help:"Print the policies of a role that reads services."`
	Writer   PolicyWriterCmd   `cmd:"" reads:"" help:"Print the policies of a role that reads and writes services."`
	Operator PolicyOperatorCmd `cmd:"" reads:"" help:"Print the policies of a role that operates services."`
	Check    PolicyCheckCmd    `cmd:"" help:"Try each permission of a role with your credentials."`
}

// PolicyFlags are the flags of the commands that print policies.
type PolicyFlags struct {
	Services []string `arg:"" name:"service" help:"The services. Each includes the services below it."`

	Format    string   `enum:"json,terraform" default:"json" help:"json or terraform (default json)."`
	Part      string   `enum:"all,identity,key,bucket" default:"all" help:"Print only one part of the JSON: identity, key or bucket."`
	Keys      []string `name:"key" sep:"none" placeholder:"ALIAS" help:"Another key alias that the role uses."`
	Tags      bool     `help:"Include the permissions for tags."`
	Principal string   `placeholder:"ARN" help:"The principal in the key policies."`
}

// PolicyReaderCmd prints the policies of a reader.
type PolicyReaderCmd struct{ PolicyFlags }

// PolicyWriterCmd prints the policies of a writer.
type PolicyWriterCmd struct{ PolicyFlags }

// PolicyOperatorCmd prints the policies of an operator.
type PolicyOperatorCmd struct{ PolicyFlags }

// Run prints the policies.
func (c *PolicyReaderCmd) Run(ctx context.Context, a *app.App) error {
	return c.print(ctx, a, policy.Reader)
}

// Run prints the policies.
func (c *PolicyWriterCmd) Run(ctx context.Context, a *app.App) error {
	return c.print(ctx, a, policy.Writer)
}

// Run prints the policies.
func (c *PolicyOperatorCmd) Run(ctx context.Context, a *app.App) error {
	return c.print(ctx, a, policy.Operator)
}

func (c *PolicyFlags) print(ctx context.Context, a *app.App, role policy.Role) error {
	if c.Format == "terraform" && c.Part != "all" {
		return app.Usage("--part is for JSON: in Terraform each part has a name")
	}
	scope, err := policyScope(ctx, a, c.Services, c.Keys)
	if err != nil {
		return err
	}
	scope.Tags, scope.Principal = c.Tags, c.Principal
	if texts := scope.Placeholders(); len(texts) > 0 && c.Format == "json" {
		a.Note("replace the placeholders: %s", strings.Join(texts, ", "))
	}
	if scope.PlainHTTP {
		a.Note("left out: the bucket policy that refuses requests without TLS: this connection uses none, so it would be refused")
	}
	if scope.OtherServer && role == policy.Operator {
		a.Note("left out: %s, which not every server other than AWS knows; MinIO refuses a policy with it", policy.PublicAccess)
	}
	if c.Format == "terraform" {
		return a.Print(scope.Terraform(role))
	}
	d := scope.For(role)
	switch c.Part {
	case "identity":
		return render.JSON(a.Stdout, d.Identity)
	case "key":
		return render.JSON(a.Stdout, d.Keys)
	case "bucket":
		return render.JSON(a.Stdout, d.Bucket)
	}
	return render.JSON(a.Stdout, d)
}

// bucketBackends lists the backends that policies are for: "s3-kms, s3 and s3-envelope".
func bucketBackends() string {
	return app.JoinNames(app.BackendsThat(func(b app.Backend) bool { return b.Bucket }))
}

// policyScope returns the bucket, region and keys of the settings, for the services given. The keys
// are that of the settings and those of aliases.
func policyScope(ctx context.Context, a *app.App, services, aliases []string) (policy.Scope, error) {
	s, err := a.Settings()
	if err != nil {
		return policy.Scope{}, err
	}
	if err := cmp.Or(s.Check(), s.RefuseAlias()); err != nil {
		return policy.Scope{}, err
	}
	if !s.Kind().Bucket {
		return policy.Scope{}, fmt.Errorf("%w: policies are for the %s backends, not for %s", store.ErrUnsupported, bucketBackends(), s.Kind())
	}
	out := policy.Scope{Bucket: s.Bucket.Value, Sealed: s.Kind().Sealed}
	st, err := a.Open(ctx)
	if err != nil {
		return out, err
	}
	for _, service := range services {
		if err := store.CheckService(service); err != nil {
			return out, err
		}
		stored, err := app.StoredName(ctx, st, service)
		switch {
		case errors.Is(err, store.ErrAmbiguousName), ctx.Err() != nil:
			return out, err
		case err != nil:
			a.Note("the services can't be listed (%s): the policy is for %s", app.Sentence(err), stored)
		}
		out.Services = append(out.Services, stored)
	}
	cfg, err := a.AWS(ctx, s)
	if err != nil {
		return out, err
	}
	out.Region, out.PlainHTTP, out.OtherServer = cfg.Region, awsconf.PlainHTTP(cfg), awsconf.OtherServer(cfg) != ""
	switch {
	case s.Kind().Teams:
		out.Teams, err = normalAliases(append([]string{s.KMSKeyAlias.Value}, aliases...))
	case s.Kind().KMS:
		out.Keys, err = policyKeys(ctx, a, awsconf.NewKeys(cfg), append([]string{s.KMSKeyAlias.Value}, aliases...))
		out.ListAliases = store.IsKeyName(s.KMSKeyAlias.Value)
	case len(aliases) > 0:
		err = noKeys(s)
	}
	return out, err
}

func noKeys(s *app.Settings) error {
	return app.Usage("the %s backend has no KMS key: omit --key, or use s3-kms", s.Kind())
}

// normalAliases returns aliases as a store has them, each once.
func normalAliases(names []string) (all []string, err error) {
	for _, name := range names {
		alias, err := store.NormalizeAlias(name)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(all, alias) {
			all = append(all, alias)
		}
	}
	return all, nil
}

// policyKeys finds the keys of aliases. If KMS doesn't describe a key, it prints a note and leaves
// the ARN empty.
func policyKeys(ctx context.Context, a *app.App, kms *awsconf.Keys, names []string) ([]policy.Key, error) {
	var keys []policy.Key
	for _, name := range names {
		alias, err := store.NormalizeAlias(name)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(keys, func(k policy.Key) bool { return k.Alias == alias }) {
			continue
		}
		key := policy.Key{Alias: alias}
		if other, ok := a.InForce.File.Keys[alias]; ok {
			alias = other
		}
		limited, cancel := context.WithTimeout(ctx, 3*time.Second)
		info, err := kms.Describe(limited, alias)
		cancel()
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			a.Note("can't look up the key of %s (%v); the policy has a placeholder for it", key.Alias, err)
		}
		key.ARN = info.ARN
		keys = append(keys, key)
	}
	return keys, nil
}
