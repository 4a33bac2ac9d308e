package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/coffer-secrets/coffer/environ"
	"github.com/coffer-secrets/coffer/internal/project"
	"github.com/coffer-secrets/coffer/internal/project/locate"
	"github.com/coffer-secrets/coffer/store"
)

// ProjectFlags are the flags of commands that use a project's file.
type ProjectFlags struct {
	Project string `filled:"" placeholder:"FILE" help:"The project's file to use. Without it: coffer.yaml in this directory or above it, up to the root of the repository."`
}

// Project is the project's file in use.
type Project struct {
	*project.File
	Path string
}

// FindProject returns the project's file: the one that is named, or else the one that is found from the
// working directory; nil if there is none.
func (a *App) FindProject(named string) (*Project, error) {
	path, body, err := a.readProject(named)
	if path == "" || err != nil {
		return nil, err
	}
	file, err := project.Parse(body)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", store.ErrConfiguration, path, err)
	}
	file.Name = filepath.Base(path)
	return &Project{File: file, Path: path}, nil
}

// readProject returns the path of the project's file and what it has; "" if there is none.
func (a *App) readProject(named string) (path string, body []byte, err error) {
	if path = named; named != "" {
		body, err = locate.ReadNamed(path)
	} else {
		if path, err = foundProject(); path == "" || err != nil {
			return "", nil, err
		}
		body, err = locate.Read(path, a.user())
	}
	if err != nil {
		return path, nil, fmt.Errorf("%w: %w", store.ErrConfiguration, err)
	}
	return path, body, nil
}

// foundProject returns the path of the file for the working directory; "" if there is none.
func foundProject() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("the working directory can't be found: %w", err)
	}
	path, ok, err := locate.Find(dir)
	if !ok || err != nil {
		return "", err
	}
	return path, nil
}

// user returns who runs the program.
func (a *App) user() locate.User {
	u := locate.User{UID: os.Geteuid(), Sudo: -1}
	if n, err := strconv.Atoi(a.Getenv("SUDO_UID")); err == nil && u.UID == 0 {
		u.Sudo = n
	}
	return u
}

// ProjectRow returns a row of the project's file for coffer config; none if there is none.
func (a *App) ProjectRow() []ConfigRow {
	path, err := foundProject()
	if path == "" || err != nil {
		return nil
	}
	from := "found from the working directory"
	if _, err := a.FindProject(""); err != nil {
		from = "not usable: coffer check says why"
	}
	return []ConfigRow{{Name: "project", Value: path, From: from}}
}

// ProjectOf returns the project's file for a command with services. With services and without a name there
// is none. With neither, there must be one.
func (a *App) ProjectOf(services []string, named string) (*Project, error) {
	if len(services) > 0 && named == "" {
		return nil, nil
	}
	p, err := a.FindProject(named)
	switch {
	case err != nil:
		return nil, err
	case p == nil:
		return nil, WithHint(Usage("no service given, and %s", NoProject()), "name a service, or create the file: coffer check --init SERVICE")
	}
	if len(services) > 0 {
		p.Services = nil
		for _, name := range services {
			service, _ := CutLabel(name)
			p.Services = append(p.Services, service)
		}
	}
	return p, nil
}

// NoProject says that there is no project's file.
func NoProject() string {
	return "no " + project.Name + " in this directory or above it, up to the root of the repository"
}

// Announce says that a project's file is used, and which services it reads: a file of somebody else must
// not do that silently. It returns an error for variables that the file may not set.
func (p *Project) Announce(a *App, allowed []string) error {
	p.Introduce(a)
	return a.Report(p.RefuseVariables(allowed)...)
}

// Introduce says that a project's file is used, and which services it reads, for a command that sets no variables.
func (p *Project) Introduce(a *App) {
	a.Note("using %s: %s %s", p.Path, map[bool]string{true: "service", false: "services"}[len(p.Every()) == 1], strings.Join(p.Every(), ", "))
}

// Names returns the services to read for those of a command line. Without a file, p is nil.
func (p *Project) Names(services []string) []string {
	switch {
	case p == nil:
		return services
	case len(services) == 0:
		return p.Every()
	}
	return append(slices.Clone(services), p.Every()[len(p.Services):]...)
}

// LoadProject is [App.LoadComplete] that also refuses what a project's file requires and that is missing or of
// the wrong type. Without a file, p is nil.
func (a *App) LoadProject(ctx context.Context, p *Project, services []string, f ReadFlags) ([]store.Contents, error) {
	if p == nil {
		return a.LoadComplete(ctx, services, f)
	}
	a.Unverified = f.Unverified
	all, failed, err := a.LoadReadable(ctx, p.Names(services), true) // of a service without secrets every key is named
	if err != nil {
		return nil, a.Report(append(failed, err)...)
	}
	return all, a.RefuseIncompleteProject(p, all, f, failed...)
}

// RefuseIncompleteProject is [App.RefuseIncomplete] that also refuses what [App.LoadProject] does.
func (a *App) RefuseIncompleteProject(p *Project, all []store.Contents, f ReadFlags, failed ...error) error {
	if p != nil && len(failed) == 0 && !a.InForce.Kind().Nowhere { // else a key may be in what failed
		failed = p.Check(all)
	}
	return a.RefuseIncomplete(all, f, failed...)
}

// Layers returns the variables of the services, as the project's file says; as they are without one.
func (p *Project) Layers(a *App, all []store.Contents) ([]environ.Layer, error) {
	if p == nil || a.InForce.Kind().Nowhere {
		return environ.Layers(all...), nil
	}
	layers, errs := p.File.Layers(all)
	return layers, a.Report(errs...)
}

// WithParts returns an environment with the secrets that are only parts of variables, for what hides secrets.
func (p *Project) WithParts(env environ.Environment, all []store.Contents) environ.Environment {
	if p == nil {
		return env
	}
	return p.File.WithParts(env, all)
}

// Listings lists the keys of services, without a value where the backend has such a listing. A missing service
// has none.
func (a *App) Listings(ctx context.Context, s store.Store, names []string) ([]project.Listing, error) {
	all := make([]project.Listing, len(names))
	failed, err := Each(ctx, 16, len(names), func(ctx context.Context, i int) (err error) {
		all[i], err = inService(ctx, s, names[i], func(service string) (project.Listing, error) { return a.listing(ctx, s, service) })
		if IsMissingService(err) {
			all[i], err = project.Listing{Service: names[i]}, nil
		}
		return err
	})
	return all, a.Report(append(failed, err)...)
}

// listing lists the keys of the service of exactly this name.
func (a *App) listing(ctx context.Context, s store.Store, service string) (project.Listing, error) {
	out := project.Listing{Service: service}
	if reviser, ok := s.(store.Reviser); ok && !a.InForce.Kind().Grouped {
		revisions, err := reviser.Revisions(ctx, service)
		if err != nil {
			return out, err
		}
		out.Keys = slices.Sorted(maps.Keys(revisions))
	} else { // the keys of a service are in its value
		contents, err := s.Load(ctx, service)
		if err != nil {
			return out, err
		}
		out.Keys = contents.Keys()
	}
	if len(out.Keys) == 0 {
		return out, NoSecrets("list", service, "")
	}
	return out, nil
}

// WriteProject writes a new project's file that needs all keys of services. Without a name it goes into the
// working directory. An existing file, or a link of that name, is left alone.
func (a *App) WriteProject(named string, services []project.Listing) error {
	path := cmp.Or(named, project.Name)
	body, err := project.Draft(services)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // it has no secret, and belongs into a repository
	if errors.Is(err, fs.ErrExist) {
		return WithHint(fmt.Errorf("%w: %s exists already", store.ErrConflict, path), "coffer check compares it with its services; --project FILE writes another file")
	}
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	if err = cmp.Or(err, f.Close()); err != nil {
		_ = os.Remove(path) // half a file
		return err
	}
	a.NoteDone("%s written; it is read by: coffer exec -- COMMAND", path)
	return nil
}
