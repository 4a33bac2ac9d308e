package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// RestoreCmd makes an old version of a secret the newest, or brings a deleted secret back.
type RestoreCmd struct {
	Service string `arg:"" help:"The service."`
	Key     string `arg:"" optional:"" help:"The key."`

	Version *int   `short:"v" placeholder:"N" help:"Write the value of this version as the newest."`
	Deleted bool   `help:"Restore a deleted secret with its versions. Needs a bucket with versioning. Without a key, list what can be restored."`
	At      string `placeholder:"STATE" help:"With --deleted: restore this state, by its id or its newest version, instead of the last one."`
	Adopt   bool   `help:"Overwrite a secret whose key alias is unknown."`
}

// Run restores a secret, or lists the deleted ones that can be restored.
func (c *RestoreCmd) Run(ctx context.Context, a *app.App) error {
	switch {
	case c.Deleted && c.Version != nil:
		return app.WithHint(app.Usage("--version is for a secret that exists"), "--at chooses the version of a deleted one")
	case !c.Deleted && c.Version == nil:
		return app.WithHint(app.Usage("no version to restore"), "use --version N, or --deleted for a deleted secret")
	case c.At != "" && (!c.Deleted || c.Key == ""):
		return app.Usage("--at needs --deleted and a key")
	case !c.Deleted && c.Key == "":
		return twoWords(app.Usage("name the key to restore"), "restore", c.Service, fmt.Sprintf(" --version %d", *c.Version))
	case c.Deleted:
		return c.undelete(ctx, a)
	}
	return c.version(ctx, a, *c.Version)
}

// version writes the value of an old version as a new version, unless the newest already has that
// value. If another writer comes first, that is a conflict and nothing is written.
func (c *RestoreCmd) version(ctx context.Context, a *app.App, version int) error {
	if _, err := app.NewID(c.Service, c.Key); err != nil {
		return err
	}
	if version < 1 {
		return app.Usage("--version %d: versions begin at 1", version)
	}
	s, err := a.Open(ctx)
	if err != nil {
		return err
	}
	newest, err := app.InService(ctx, s, c.Service, func(service string) (store.Secret, error) {
		return s.Read(ctx, store.ID{Service: service, Key: c.Key}, store.Latest)
	})
	if err != nil {
		return err
	}
	old, err := s.Read(ctx, newest.ID, version)
	if err != nil {
		return err
	}
	// The store compares the values: after a rollback it must write even an equal one.
	result, err := s.Write(ctx, newest.ID, old.Value, store.WriteOptions{IfVersion: &newest.Version, SkipUnchanged: true, Adopt: c.Adopt})
	if result.Outcome == "" || result.Err != nil {
		return err
	}
	if printErr := a.PrintResults([]store.Result{result}); printErr != nil {
		return printErr
	}
	if result.Outcome == store.Unchanged {
		return err
	}
	a.Note("version %d has the value of version %d", result.Meta.Version, version)
	return err
}

// undelete lists the deleted secrets of a service, or brings one back.
func (c *RestoreCmd) undelete(ctx context.Context, a *app.App) error {
	var keys []string
	if c.Key != "" {
		keys = []string{c.Key}
		if _, err := app.NewID(c.Service, c.Key); err != nil {
			return err
		}
	}
	if err := store.CheckService(c.Service); err != nil {
		return err
	}
	s, err := a.Open(ctx)
	if err != nil {
		return err
	}
	restorer, ok := s.(admin.Restorer)
	if !ok {
		return noVersions(a)
	}
	service := c.Service
	found, err := app.InService(ctx, s, c.Service, func(name string) ([]admin.Candidate, error) {
		found, err := restorer.Deleted(ctx, name, keys...)
		if err == nil && len(found) == 0 {
			return nil, app.NoSecrets("restore", name, "")
		}
		service = name
		return found, err
	})
	if errors.Is(err, store.ErrNotFound) {
		err = nil // nothing is kept
	}
	if errors.Is(err, store.ErrUnsupported) && !ignoresVersions(err) {
		return noVersions(a)
	}
	if err != nil {
		return err
	}
	if c.Key == "" {
		return printCandidates(a, service, found)
	}
	for _, f := range found {
		a.Note("%s", candidateLine(f))
	}
	return c.restoreDeleted(ctx, a, restorer, store.ID{Service: service, Key: c.Key})
}

// noVersions is the error for a backend or a server that keeps no versions of objects.
func noVersions(a *app.App) error {
	err := fmt.Errorf("%w: %s doesn't keep deleted secrets", store.ErrUnsupported, backendOrServer(a))
	return app.WithHint(err, app.JoinNames(app.BackendsThat(func(b app.Backend) bool { return b.Versions }))+" can restore them, from a bucket with versioning")
}

// backendOrServer names the one that keeps no versions.
func backendOrServer(a *app.App) string {
	if b := a.InForce.Kind(); !b.Versions {
		return "the " + b.String() + " backend"
	}
	return "this server"
}

func (c *RestoreCmd) restoreDeleted(ctx context.Context, a *app.App, restorer admin.Restorer, id store.ID) error {
	result, err := restorer.Undelete(ctx, id, admin.UndeleteOptions{At: c.At, Adopt: c.Adopt})
	if errors.Is(err, store.ErrNotFound) {
		err = app.WithHint(err, "only a bucket with versioning keeps deleted secrets, until its lifecycle rules remove them; coffer restore "+id.Service+" --deleted lists it")
	}
	if result.Outcome == "" {
		return err
	}
	if printErr := a.PrintResults([]store.Result{result}); printErr != nil {
		return printErr
	}
	return err
}

// candidateLine describes a state that can be restored, on one line.
func candidateLine(c admin.Candidate) string {
	if c.Err != nil {
		return fmt.Sprintf("available: a version that can't be read (--at %s): %s", c.State, app.Sentence(c.Err))
	}
	line := fmt.Sprintf("available: version %d of %s", c.Version, c.Created.UTC().Format(time.RFC3339))
	if c.CreatedBy != "" {
		line += " by " + c.CreatedBy
	}
	if c.KeyAlias != "" {
		line += " under " + c.KeyAlias
	}
	return line + fmt.Sprintf(" (--at %s)", c.State)
}

// candidateJSON is a state that can be restored as --json prints it.
type candidateJSON struct {
	app.SecretJSON
	State    string    `json:"state"`
	Versions int       `json:"versions,omitempty"`
	Stored   time.Time `json:"stored"`
	Deleted  time.Time `json:"deleted"`
	Error    string    `json:"error,omitempty"`
}

func printCandidates(a *app.App, service string, found []admin.Candidate) error {
	if len(found) == 0 {
		err := &store.Error{Op: "restore", ID: store.ID{Service: service}, Err: fmt.Errorf("%w: no version of a deleted secret is kept", store.ErrNotFound)}
		return app.WithHint(err, "only a bucket with versioning keeps deleted secrets, until its lifecycle rules remove them")
	}
	if a.Globals.JSON {
		out := make([]candidateJSON, len(found))
		for i, c := range found {
			out[i] = candidateJSON{app.NewSecretJSON(c.Meta), c.State, c.Versions, c.Stored, c.Deleted, app.ErrorText(c.Err)}
		}
		return cmp.Or(render.JSON(a.Stdout, out), noteUnread(a, found))
	}
	t := a.Table("Key", "Version", "Last modified", "User", "Key alias", "Deleted", "State").
		Drops("Key alias", "User", "Last modified", "Deleted")
	for _, c := range found {
		t.Row(c.ID.Key, app.VersionCell(c.Version), c.Created, c.CreatedBy, c.KeyAlias, c.Deleted, c.State)
	}
	return cmp.Or(t.Print(), noteUnread(a, found))
}

// noteUnread prints which states can't be read. Its error has the exit code of the worst.
func noteUnread(a *app.App, found []admin.Candidate) error {
	unread := slices.DeleteFunc(slices.Clone(found), func(c admin.Candidate) bool { return c.Err == nil })
	if len(unread) > 0 {
		a.SayFailed("%d of %s can't be read:", len(unread), app.Count(len(found), "state"))
	}
	var worst error
	for _, c := range unread {
		a.SayFailed("%s: %s", c.State, app.Sentence(c.Err))
		worst = app.Worst(worst, c.Err)
	}
	return app.Told(worst)
}
