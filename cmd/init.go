package cmd

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/policy"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/internal/term"
	"github.com/coffer-secrets/coffer/store"
)

// InitCmd makes what a store needs.
type InitCmd struct {
	Yes   bool   `short:"y" help:"Do not ask."`
	Print string `enum:",terraform" default:"" placeholder:"FORMAT" help:"Make nothing; print it all as terraform."`

	Without            []string `placeholder:"PART" enum:"encryption,public-access,versions,policy,lifecycle,check" help:"Leave a part to others: encryption, public-access, versions, policy, lifecycle, check."`
	AllowUnconditional bool     `help:"Let other programs put without conditions, as chamber does: what they do not see they overwrite."`
}

// part is one thing that a store needs.
type part struct {
	Name  string `json:"name"`
	State string `json:"state"` // as it is, or will be
	Done  bool   `json:"done"`
	make  func(context.Context) error
}

// Run shows what is there and what is to be made, asks, makes it, and stores, reads and
// deletes a secret. Where everything is there, it makes nothing.
func (c *InitCmd) Run(ctx context.Context, app *App) error {
	s, err := app.settings()
	if err != nil {
		return err
	}
	if err := s.check(); err != nil {
		return err
	}
	switch s.Backend.Value {
	case "local":
		return c.local(app, s)
	case "s3-kms", "s3":
	default:
		return fmt.Errorf("%w: the %s backend needs nothing that could be made", store.ErrUnsupported, s.Backend.Value)
	}
	cfg, err := app.aws(ctx, s)
	if err != nil {
		return err
	}
	scope := policy.Scope{Region: cfg.Region, Bucket: s.Bucket.Value}
	if s.Backend.Value == "s3-kms" {
		alias, err := store.NormalizeAlias(s.KMSKeyAlias.Value)
		if err != nil {
			return err
		}
		scope.Keys = []policy.Key{{Alias: alias}}
	}
	if c.Print != "" {
		return app.print(scope.Setup(c.AllowUnconditional))
	}
	site := &site{app: app, scope: scope, keys: awsconf.NewKeys(cfg), buckets: awsconf.NewBuckets(cfg), unconditional: c.AllowUnconditional, without: c.Without}
	if name, ok := s.file.Keys[s.KMSKeyAlias.Value]; ok && len(scope.Keys) > 0 {
		site.keyName = name
	}
	if err := site.look(ctx); err != nil {
		return err
	}
	return c.make(ctx, app, site.parts)
}

// local tells where things are. They are made by the first write.
func (c *InitCmd) local(app *App, s *settings) error {
	if c.Print != "" {
		return usage("the local backend needs nothing of Terraform")
	}
	alias := s.KMSKeyAlias.Value
	if alias == "" {
		alias = "alias/default"
	}
	alias, err := store.NormalizeAlias(alias)
	if err != nil {
		return err
	}
	parts := []part{
		{Name: "secrets", State: s.Dir.Value},
		{Name: "identity of " + alias, State: filepath.Join(s.KeyDir.Value, strings.ReplaceAll(alias, "/", "_")+".age")},
	}
	for i, p := range parts {
		_, err := os.Lstat(p.State)
		if parts[i].Done = err == nil; !parts[i].Done {
			parts[i].State += " (made at the first write)"
		}
	}
	return app.printParts(parts)
}

func (c *InitCmd) make(ctx context.Context, app *App, parts []part) error {
	if !app.globals.JSON {
		if err := app.printParts(parts); err != nil {
			return err
		}
	}
	open := 0
	for _, p := range parts {
		if !p.Done {
			open++
		}
	}
	if open > 0 && !c.Yes {
		ok, err := term.Confirm(app.Stdin, app.Stderr, fmt.Sprintf("Make these %d?", open))
		if errors.Is(err, term.ErrNoTerminal) {
			return hinted(usage("nobody is there to confirm it"), "--yes makes it without asking")
		}
		if err == nil && !ok {
			err = errors.New("nothing was made")
		}
		if err != nil {
			return err
		}
	}
	for i, p := range parts {
		if p.Done {
			continue
		}
		if err := p.make(ctx); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		parts[i].Done = true
		app.note("made: %s", p.Name)
	}
	if !slices.Contains(c.Without, "check") {
		if err := app.roundTrip(ctx); err != nil {
			return err
		}
	}
	if app.globals.JSON {
		return app.printParts(parts)
	}
	return nil
}

func (a *App) printParts(parts []part) error {
	if a.globals.JSON {
		return render.JSON(a.Stdout, parts)
	}
	t := a.table("Part", "There", "What")
	for _, p := range parts {
		there := "yes"
		if !p.Done {
			there = "no"
		}
		t.row(p.Name, there, p.State)
	}
	return t.print()
}

// roundTrip writes a secret, reads it and deletes it, as everybody will.
func (a *App) roundTrip(ctx context.Context) error {
	s, err := a.Open(ctx)
	if err != nil {
		return err
	}
	id := store.ID{Service: "coffer-init-check", Key: "probe-" + strings.ToLower(rand.Text())}
	value := store.NewValue(rand.Text())
	_, err = s.Write(ctx, id, value, store.WriteOptions{})
	var read store.Secret
	if err == nil {
		read, err = s.Read(ctx, id, store.Latest)
	}
	if err == nil && read.Value != value {
		err = fmt.Errorf("%w: the store gives back another value than it was given", store.ErrCorrupt)
	}
	// Whatever happened, nothing stays.
	_, deleteErr := s.Delete(context.WithoutCancel(ctx), id.Service, id.Key)
	if err != nil {
		return fmt.Errorf("checking with a secret: %w", err)
	}
	if deleteErr != nil {
		return fmt.Errorf("deleting the secret of the check: %w", deleteErr)
	}
	a.note("a secret was written, read and deleted")
	return nil
}

// site looks for the parts of a store on AWS.
type site struct {
	app           *App
	scope         policy.Scope
	keys          *awsconf.Keys
	buckets       *awsconf.Buckets
	unconditional bool
	without       []string
	keyName       string // another server's name for the key
	keyARN        string // once it is there

	exists bool // the bucket
	parts  []part
}

func (s *site) add(name, state string, done bool, makeIt func(context.Context) error) {
	s.parts = append(s.parts, part{Name: name, State: state, Done: done, make: makeIt})
}

func (s *site) look(ctx context.Context) error {
	if len(s.scope.Keys) > 0 {
		if err := s.lookForKey(ctx); err != nil {
			return err
		}
	}
	bucket := s.scope.Bucket
	var err error
	if s.exists, err = s.buckets.Exists(ctx, bucket); err != nil {
		return err
	}
	s.add("bucket", bucket+" in "+s.scope.Region, s.exists, func(ctx context.Context) error { return s.buckets.Create(ctx, bucket) })
	for _, p := range []struct {
		name string
		look func(context.Context, string) error
	}{
		{"encryption", s.lookAtEncryption},
		{"public-access", s.lookAtPublicAccess},
		{"versions", s.lookAtVersions},
		{"policy", s.lookAtPolicy},
		{"lifecycle", s.lookAtLifecycle},
	} {
		if slices.Contains(s.without, p.name) {
			continue
		}
		err := p.look(ctx, bucket)
		if errors.Is(err, store.ErrUnsupported) {
			s.app.note("left out: %s", sentence(err))
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lookForKey can make a key for an alias alone: an id is KMS's to give.
func (s *site) lookForKey(ctx context.Context) error {
	alias := s.scope.Keys[0].Alias
	name := alias
	if s.keyName != "" {
		name = s.keyName
	}
	info, found, err := s.keys.Find(ctx, name)
	switch {
	case errors.Is(err, store.ErrUnsupported):
		s.app.note("left out: the key: %v", err)
		return nil
	case err != nil:
		return err
	case !found && name != alias, !found && store.IsKeyName(alias):
		return fmt.Errorf("%w: there is no key %s", store.ErrConfiguration, name)
	case found && !info.Enabled:
		return hinted(fmt.Errorf("%w: the key of %s is %s", store.ErrConfiguration, alias, info.State), "who owns it must enable it, or another alias be taken")
	}
	state := "a new key, and the alias for it"
	if found {
		s.keyARN, state = info.ARN, info.ARN
	}
	s.add("key "+alias, state, found, func(ctx context.Context) error {
		made, err := s.keys.Create(ctx, alias)
		s.keyARN = made.ARN
		return err
	})
	return nil
}

// lookAtEncryption takes every KMS key for good: each put names its own.
func (s *site) lookAtEncryption(ctx context.Context, bucket string) error {
	want, method := "AES256", ""
	if len(s.scope.Keys) > 0 {
		want = "aws:kms"
	}
	if s.exists {
		var err error
		if method, _, err = s.buckets.Encryption(ctx, bucket); err != nil {
			return err
		}
	}
	done := method == want || method == "aws:kms" || method == "aws:kms:dsse"
	s.add("default encryption", want, done, func(ctx context.Context) error { return s.buckets.SetEncryption(ctx, bucket, s.keyARN) })
	return nil
}

func (s *site) lookAtPublicAccess(ctx context.Context, bucket string) (err error) {
	done := false
	if s.exists {
		if done, err = s.buckets.PublicAccessBlocked(ctx, bucket); err != nil {
			return err
		}
	}
	s.add("public access", "blocked", done, func(ctx context.Context) error { return s.buckets.BlockPublicAccess(ctx, bucket) })
	return nil
}

func (s *site) lookAtVersions(ctx context.Context, bucket string) (err error) {
	done := false
	if s.exists {
		if done, err = s.buckets.Versioned(ctx, bucket); err != nil {
			return err
		}
	}
	s.add("versions", "kept by the bucket, so that what is deleted can be restored", done, func(ctx context.Context) error {
		return s.buckets.KeepVersions(ctx, bucket)
	})
	return nil
}

// lookAtPolicy leaves every other statement of the policy as it is.
func (s *site) lookAtPolicy(ctx context.Context, bucket string) (err error) {
	existing := ""
	if s.exists {
		if existing, err = s.buckets.Policy(ctx, bucket); err != nil {
			return err
		}
	}
	merged, changed, err := policy.Merge(existing, s.scope.BucketPolicy(s.unconditional))
	if err != nil {
		return fmt.Errorf("%w: %w", store.ErrConfiguration, err)
	}
	state := "TLS alone; no put without a condition (chamber can then read, and not write)"
	if s.unconditional {
		state = "TLS alone"
	}
	s.add("bucket policy", state, !changed, func(ctx context.Context) error { return s.buckets.SetPolicy(ctx, bucket, merged) })
	return nil
}

func (s *site) lookAtLifecycle(ctx context.Context, bucket string) (err error) {
	rules := []awsconf.Rule{
		{ID: policy.RuleNoncurrent, NoncurrentDays: policy.NoncurrentDays},
		{ID: policy.RuleShares, Prefix: "__share/", Days: policy.ShareDays},
	}
	done := false
	if s.exists {
		if done, err = s.buckets.HasRules(ctx, bucket, rules...); err != nil {
			return err
		}
	}
	state := fmt.Sprintf("old versions go after %d days, shares after %d", policy.NoncurrentDays, policy.ShareDays)
	s.add("lifecycle", state, done, func(ctx context.Context) error { return s.buckets.SetRules(ctx, bucket, rules...) })
	return nil
}
