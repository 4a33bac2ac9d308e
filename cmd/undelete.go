package cmd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/store"
)

// undelete lists the deleted secrets of a service, or brings one back.
func (c *RestoreCmd) undelete(ctx context.Context, app *App) error {
	service := serviceName(c.Service)
	var keys []string
	if c.Key != "" {
		keys = []string{c.Key}
		if _, err := newID(c.Service, c.Key); err != nil {
			return err
		}
	}
	s, err := app.Open(ctx)
	if err != nil {
		return err
	}
	restorer, ok := s.(store.Restorer)
	if !ok {
		return app.keepsNothing()
	}
	found, err := restorer.Deleted(ctx, service, keys...)
	if errors.Is(err, store.ErrUnsupported) && !notKept(err) {
		return app.keepsNothing()
	}
	if err != nil {
		return err
	}
	if c.Key == "" {
		return app.printCandidates(service, found)
	}
	for _, f := range found {
		app.note("%s", candidateLine(f))
	}
	return c.bringBack(ctx, app, restorer, store.ID{Service: service, Key: c.Key})
}

// keepsNothing is for a backend, or a server, that has no versions of objects.
func (a *App) keepsNothing() error {
	err := fmt.Errorf("%w: %s keeps nothing of what is deleted", store.ErrUnsupported, a.storage())
	return hinted(err, "s3-kms and s3 can bring it back, from a bucket with versioning")
}

// storage says what it is that cannot: the backend, or a server that has no versions.
func (a *App) storage() string {
	if name := a.inForce.Backend.Value; name != "s3" && name != "s3-kms" {
		return "the " + name + " backend"
	}
	return "this server"
}

func (c *RestoreCmd) bringBack(ctx context.Context, app *App, restorer store.Restorer, id store.ID) error {
	result, err := restorer.Undelete(ctx, id, store.UndeleteOptions{At: c.At, Adopt: c.Adopt})
	if errors.Is(err, store.ErrNotFound) {
		err = hinted(err, "only a bucket with versioning keeps what is deleted, until its lifecycle removes it; coffer restore "+id.Service+" --deleted lists it")
	}
	if result.Outcome == "" {
		return err
	}
	if printErr := app.printResults([]store.Result{result}); printErr != nil {
		return printErr
	}
	return err
}

// candidateLine says in a line what can be restored.
func candidateLine(c store.Candidate) string {
	if c.Err != nil {
		return fmt.Sprintf("kept: a state that cannot be read (--at %s): %s", c.State, sentence(c.Err))
	}
	line := fmt.Sprintf("kept: version %d of %s", c.Version, c.Created.UTC().Format(time.RFC3339))
	if c.CreatedBy != "" {
		line += " by " + c.CreatedBy
	}
	if c.KeyAlias != "" {
		line += " under " + c.KeyAlias
	}
	return line + fmt.Sprintf(" (--at %s)", c.State)
}

// candidateJSON is how a state that can be restored is printed with --json.
type candidateJSON struct {
	secretJSON
	State    string    `json:"state"`
	Versions int       `json:"versions,omitempty"`
	Stored   time.Time `json:"stored"`
	Deleted  time.Time `json:"deleted"`
	Error    string    `json:"error,omitempty"`
}

func (a *App) printCandidates(service string, found []store.Candidate) error {
	if len(found) == 0 {
		err := &store.Error{Op: "restore", ID: store.ID{Service: service}, Err: fmt.Errorf("%w: nothing is kept of a deleted secret", store.ErrNotFound)}
		return hinted(err, "only a bucket with versioning keeps what is deleted, until its lifecycle removes it")
	}
	if a.globals.JSON {
		out := make([]candidateJSON, len(found))
		for i, c := range found {
			out[i] = candidateJSON{described(c.Meta), c.State, c.Versions, c.Stored, c.Deleted, errorText(c.Err)}
		}
		return render.JSON(a.Stdout, out)
	}
	t := a.table("Key", "Version", "Last modified", "User", "Key alias", "Deleted", "State")
	var unread []store.Candidate
	for _, c := range found {
		if c.Err != nil {
			unread = append(unread, c)
		}
		t.row(c.ID.Key, orNone(c.Version), c.Created, c.CreatedBy, c.KeyAlias, c.Deleted, c.State)
	}
	if err := t.print(); err != nil {
		return err
	}
	if len(unread) > 0 {
		a.note("%d of %s cannot be read:", len(unread), count(len(found), "state"))
	}
	for _, c := range unread {
		a.note("%s: %s", c.State, sentence(c.Err))
	}
	return nil
}
