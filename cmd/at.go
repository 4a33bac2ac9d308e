package cmd

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/coffer-secrets/coffer/environ"
	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/asof"
	"github.com/coffer-secrets/coffer/internal/lockfile"
	"github.com/coffer-secrets/coffer/store"
)

// AtFlag lets a command read the secrets as they were at a time.
type AtFlag struct {
	At string `filled:"" placeholder:"TIME" help:"Use the versions that were the newest at this time: 2026-08-01T12:00Z, 2026-08-01, or 7d for seven days ago."`
}

// use makes a read the services as they were at --at, if it is given.
func (f AtFlag) use(a *app.App, services []string, o asof.Options) error {
	if f.At == "" {
		return nil
	}
	at, err := pastTime("--at", f.At, a.Now())
	if err == nil {
		err = noLabel("--at", services)
	}
	if err != nil {
		return err
	}
	a.Wrap = func(s store.Store) (store.Store, error) { return asOf(s, at, o) }
	a.Note("secrets as of %s", at.Format(time.RFC3339))
	return nil
}

func asOf(s store.Store, at time.Time, o asof.Options) (store.Store, error) {
	past, err := asof.New(s, at, o)
	if err != nil {
		return nil, err
	}
	return past, nil
}

// noLabel refuses service:label, which names versions already.
func noLabel(flag string, services []string) error {
	for _, name := range services {
		if _, label := app.CutLabel(name); label != "" {
			return app.Usage("%s and the label %q can't be used together", flag, label)
		}
	}
	return nil
}

// VersionFlags let exec use older versions.
type VersionFlags struct {
	AtFlag
	Locked string `filled:"" placeholder:"FILE" help:"Use exactly the versions in this lock file, which coffer lock writes. If you name no service and there is no coffer.yaml, the services in the lock file are used."`
}

// versions sets which versions are read: the newest, those of a time, or those of a lock file. It returns the
// services to load.
func (c *ExecCmd) versions(a *app.App, p *app.Project) ([]string, error) {
	services := c.Services
	if p != nil {
		services = p.Every()
	}
	switch {
	case c.At != "" && c.Locked != "":
		return nil, app.Usage("--at and --locked can't be used together")
	case c.At != "":
		o := asof.Options{AllowEmpty: c.AllowEmpty}
		if p == nil && !c.Resolve && len(c.ResolveSecret) == 0 { // else secrets are used that the filters leave out
			o.Needs = c.needs(c.ReadFlags)
		}
		return c.Services, c.use(a, services, o)
	case c.Locked == "":
		return c.Services, nil
	}
	locked, err := c.lock(a, services, c.rules())
	if p != nil {
		locked = c.Services
	}
	return locked, err
}

// lock makes a read the versions of the lock file. It returns the services to load.
func (f VersionFlags) lock(a *app.App, services []string, rules environ.Rules) ([]string, error) {
	if err := noLabel("--locked", services); err != nil {
		return nil, err
	}
	file, err := readLock(f.Locked)
	if err != nil {
		return nil, err
	}
	if len(services) == 0 {
		services = file.Services
		a.Note("%s: %s", f.Locked, strings.Join(services, ", "))
	}
	needed := map[string]map[string]bool{}
	var named []string
	for _, name := range services {
		if service, err := store.Match("service", name, file.Services); err == nil {
			name = service
		}
		if needed[name], err = selectedKeys(name, slices.Collect(maps.Keys(file.Of(name))), rules); err != nil {
			return nil, err
		}
		named = append(named, name)
	}
	a.Wrap = func(s store.Store) (store.Store, error) {
		locked, err := lockfile.Use(s, file, func(id store.ID) bool { return needed[id.Service][id.Key] })
		if err != nil {
			return nil, err
		}
		return locked, nil
	}
	return named, nil
}

// needs is for [asof.Options]: the secrets that the filters select; all if there are no filters, or if keys are
// required, filtered or not.
func (f EnvFlags) needs(r app.ReadFlags) func(service string, keys []string) (map[string]bool, error) {
	if len(f.Only)+len(f.Except)+len(f.Skip) == 0 || len(r.Require) > 0 {
		return nil
	}
	return func(service string, keys []string) (map[string]bool, error) {
		return selectedKeys(service, keys, f.rules())
	}
}

// selectedKeys returns which keys of a service the rules select.
func selectedKeys(service string, keys []string, rules environ.Rules) (map[string]bool, error) {
	layer := environ.Layer{Service: service}
	for _, key := range keys {
		layer.Vars = append(layer.Vars, environ.Var{Key: key})
	}
	rules.AllowUnmatched = true // of this service alone
	selected, _, err := environ.Select([]environ.Layer{layer}, rules)
	if err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for _, v := range selected[0].Vars {
		wanted[v.Key] = true
	}
	return wanted, nil
}

// readLock reads a lock file. One that is missing is [store.ErrNotFound].
func readLock(name string) (lockfile.File, error) {
	file, err := lockfile.Read(name)
	if errors.Is(err, fs.ErrNotExist) {
		err = app.WithHint(fmt.Errorf("%w: no lock file %s", store.ErrNotFound, name), "coffer lock SERVICE... -o "+name+" writes it")
	}
	return file, err
}
