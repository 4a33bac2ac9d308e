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
	if s.Backend.Value == "local" {
		return c.local(app, s)
	}
	site, err := app.site(ctx)
	if err != nil {
		return err
	}
	if c.Print != "" {
		return app.print(site.scope.Setup(c.AllowUnconditional))
	}
	parts, err := c.look(ctx, app, site)
	if err != nil {
		return err
	}
	return c.make(ctx, app, parts)
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

const probePrefix = "probe-"

// roundTrip writes a secret, reads it and deletes it, as everybody will. Nothing stays of it,
// nor of a run that was killed.
func (a *App) roundTrip(ctx context.Context) error {
	s, err := a.Open(ctx)
	if err != nil {
		return err
	}
	err = a.probe(ctx, s)
	for n := 0; n < 2 && errors.Is(err, store.ErrNotFound); n++ { // another init, which ends now, took it for one that was left
		err = a.probe(ctx, s)
	}
	if err != nil {
		return err
	}
	a.note("a secret was written, read and deleted")
	if err := forgetProbes(ctx, s); err != nil && !errors.Is(err, store.ErrUnsupported) {
		a.note("something of it may be left: %s", sentence(err))
	}
	return nil
}

func (a *App) probe(ctx context.Context, s store.Store) error {
	id := store.ID{Service: store.Scratch, Key: probePrefix + strings.ToLower(rand.Text())}
	value := store.NewValue(rand.Text())
	_, err := s.Write(ctx, id, value, store.WriteOptions{})
	var read store.Secret
	if err == nil {
		read, err = s.Read(ctx, id, store.Latest)
	}
	if err == nil && read.Value != value {
		err = fmt.Errorf("%w: the store gives back another value than it was given", store.ErrCorrupt)
	}
	// Whatever happened, the secret goes.
	_, deleteErr := s.Delete(context.WithoutCancel(ctx), id.Service, id.Key)
	if err != nil {
		return fmt.Errorf("checking with a secret: %w", err)
	}
	if errors.Is(deleteErr, store.ErrIndexBehind) && errors.Is(deleteErr, store.ErrDenied) { // the secret is gone
		a.note("the index of the check is left: %s", sentence(deleteErr))
	} else if deleteErr != nil {
		return fmt.Errorf("deleting the secret of the check: %w", deleteErr)
	}
	return nil
}

// forgetProbes removes what was left by runs that were killed, and what the bucket keeps of all.
func forgetProbes(ctx context.Context, s store.Store) error {
	p, ok := s.(store.Purger)
	if !ok {
		return nil
	}
	kept, err := p.Residue(ctx, store.Scratch)
	keys := slices.DeleteFunc(keysOf(kept), func(key string) bool { return !strings.HasPrefix(key, probePrefix) })
	if len(keys) > 0 {
		_, _, err = p.Purge(ctx, store.Scratch, keys...)
	}
	return err
}

// look finds out what is there. What a server knows nothing of is left out.
func (c *InitCmd) look(ctx context.Context, app *App, s *site) ([]part, error) {
	var parts []part
	if len(s.scope.Keys) > 0 {
		key, err := lookForKey(ctx, s)
		switch {
		case errors.Is(err, store.ErrUnsupported):
			app.note("left out: the key: %v", err)
		case err != nil:
			return nil, err
		default:
			parts = append(parts, key)
		}
	}
	bucket := s.scope.Bucket
	exists, err := s.buckets.Exists(ctx, bucket)
	if err != nil {
		return nil, err
	}
	parts = append(parts, part{
		Name: "bucket", State: bucket + " in " + s.scope.Region, Done: exists,
		make: func(ctx context.Context) error { return s.buckets.Create(ctx, bucket) },
	})
	for _, setting := range s.settings(c.AllowUnconditional) {
		if slices.Contains(c.Without, setting.name) {
			continue
		}
		p := part{Name: setting.title, State: setting.want, make: setting.make}
		if exists {
			p.Done, err = setting.holds(ctx)
		}
		switch {
		case errors.Is(err, store.ErrUnsupported):
			app.note("left out: %s", sentence(err))
		case err != nil:
			return nil, err
		default:
			parts = append(parts, p)
		}
	}
	return parts, nil
}

// lookForKey can make a key for an alias alone: an id is KMS's to give.
func lookForKey(ctx context.Context, s *site) (part, error) {
	alias := s.scope.Keys[0].Alias
	info, found, err := s.key(ctx)
	switch {
	case err != nil:
		return part{}, err
	case !found && (s.keyName != alias || store.IsKeyName(alias)):
		return part{}, fmt.Errorf("%w: there is no key %s", store.ErrConfiguration, s.keyName)
	case found && !info.Enabled:
		return part{}, hinted(fmt.Errorf("%w: the key of %s is %s", store.ErrConfiguration, alias, info.State),
			"who owns it must enable it, or another alias be taken")
	case found:
		return part{Name: "key " + alias, State: info.ARN, Done: true}, s.checkPin()
	case len(s.pinned) > 0:
		return part{}, hinted(fmt.Errorf("%w: there is no key %s, and one that is made now would not be pinned", store.ErrConfiguration, alias),
			"make the key and its alias, add its ARN to key_arns, and run it again")
	}
	return part{Name: "key " + alias, State: "a new key, and the alias for it", make: func(ctx context.Context) error {
		made, err := s.keys.Create(ctx, alias)
		s.keyARN = made.ARN
		if errors.Is(err, store.ErrUnknown) {
			err = hinted(err, "aws kms list-keys and describe-key show it; aws kms create-alias --alias-name "+alias+" --target-key-id ID takes it; coffer init again makes another one")
		}
		return err
	}}, nil
}
