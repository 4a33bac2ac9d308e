// Package edit changes the secrets of a service in an editor. It writes them to a file that only the
// caller can read, and stores what was changed, if each secret still has the version that was read.
package edit

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/formats"
	"github.com/coffer-secrets/coffer/internal/run"
	"github.com/coffer-secrets/coffer/store"
)

// Options are the options of an edit.
type Options struct {
	Format       string // yaml or dotenv
	Yes          bool   // write without asking
	PreserveCase bool   // store new keys as written, not in lower case
	Adopt        bool   // take over secrets whose key alias cannot be told
}

// Edit is one edit of the secrets of a service, in an editor.
type Edit struct {
	Options
	app     *app.App
	before  app.Contents
	changed bool              // something was changed in the editor
	keys    map[string]string // name in a dotenv file -> key
	path    string            // of the file
}

// New returns an edit of the secrets of a service. before is what was read of it.
func New(a *app.App, before app.Contents, o Options) *Edit {
	return &Edit{Options: o, app: a, before: before}
}

// Run opens the editor, asks, and writes the changes. If they could not be read or written, it keeps
// the file, so that they are not lost, and returns its path; else "".
func (e *Edit) Run(s store.Store) (path string, err error) {
	body, err := e.encode()
	if err != nil {
		return "", err
	}
	if err := e.create(body); err != nil {
		return "", err
	}
	keep, err := e.run(s)
	if keep {
		return e.path, err
	}
	return "", errors.Join(err, e.remove())
}

// Changed reports whether something was changed in the editor.
func (e *Edit) Changed() bool { return e.changed }

// errUnchanged ends an edit that changes nothing.
var errUnchanged = errors.New("nothing was changed")

// run is Run without the file. keep reports whether to keep the file.
func (e *Edit) run(s store.Store) (keep bool, err error) {
	todo, keep, err := e.openEditor()
	if err != nil {
		return keep, err
	}
	if len(todo.writes)+len(todo.deletes) == 0 {
		if e.app.Globals.JSON {
			return false, e.app.PrintResults(nil)
		}
		e.app.Note("%s: nothing was changed", e.before.Service)
		return false, nil
	}
	e.changed = true
	if err := e.confirm(todo); err != nil {
		return false, err
	}
	// A new context, as a Ctrl-C in the editor has ended the first one.
	ctx, stop := run.UntilInterrupted(e.app.Watch)
	defer stop()
	err = e.apply(ctx, s, todo)
	return err != nil, err
}

// openEditor runs the editor until the file parses, or the person gives up.
func (e *Edit) openEditor() (todo changes, keep bool, err error) {
	for {
		if err := run.Editor(e.app, e.path, e.remove); err != nil {
			return changes{}, false, err
		}
		todo, err := e.read()
		if err == nil || !e.app.Interactive() {
			return todo, err != nil, err
		}
		e.app.Say("%s", app.Sentence(err))
		again, askErr := e.app.Confirm("Edit again?")
		if askErr != nil || !again {
			return changes{}, true, err
		}
	}
}

// changes are the changes that were made in the editor.
type changes struct {
	writes  []app.Change
	deletes []store.Secret
}

// read parses the file and returns what was changed.
func (e *Edit) read() (changes, error) {
	body, err := os.ReadFile(e.path)
	if err != nil {
		return changes{}, err
	}
	pairs, err := formats.Decode(bytes.NewReader(body), e.Format, formats.Options{})
	if err != nil {
		return changes{}, err
	}
	if len(pairs) == 0 {
		return changes{}, nil // an empty file cancels the edit, as in git
	}
	return e.compare(pairs)
}

// compare compares the pairs of the file with what was read.
func (e *Edit) compare(pairs []formats.Pair) (changes, error) {
	var todo changes
	inFile := map[string]string{} // key -> name in the file
	for _, p := range pairs {
		name := cmp.Or(e.keys[p.Key], p.Key)
		id, err := store.NewID(e.before.Service, name)
		if err == nil {
			err = p.Value.Check()
		}
		if err != nil {
			return changes{}, &store.Error{Op: "edit", ID: store.ID{Service: e.before.Service, Key: name}, Err: err}
		}
		existing, err := e.before.Existing(id)
		if err != nil {
			return changes{}, err
		}
		c := app.Change{Key: name, Value: p.Value}
		if existing != nil {
			c.Key, c.Version = existing.ID.Key, existing.Version
		} else if !e.PreserveCase {
			c.Key = strings.ToLower(name)
		}
		if other, ok := inFile[c.Key]; ok {
			return changes{}, fmt.Errorf("%w: %q and %q are the same secret, %q", store.ErrInvalid, other, p.Key, c.Key)
		}
		inFile[c.Key] = p.Key
		if existing == nil || existing.Value != p.Value {
			todo.writes = append(todo.writes, c)
		}
	}
	for _, s := range e.before.Secrets {
		if _, ok := inFile[s.ID.Key]; !ok {
			todo.deletes = append(todo.deletes, s)
		}
	}
	return todo, nil
}

// confirm prints the changes, without values, and asks.
func (e *Edit) confirm(todo changes) error {
	for _, c := range todo.writes {
		what := "changed"
		if c.Version == 0 {
			what = "new"
		}
		e.app.Say("%s/%s: %s", e.before.Service, c.Key, what)
	}
	for _, s := range todo.deletes {
		e.app.Say("%s: will be deleted with all its versions", s.ID)
	}
	if e.Yes {
		return nil
	}
	var parts []string
	if n := len(todo.writes); n > 0 {
		parts = append(parts, "write "+app.Count(n, "secret"))
	}
	if n := len(todo.deletes); n > 0 {
		parts = append(parts, "delete "+app.Count(n, "secret"))
	}
	question := strings.Join(parts, " and ") + "?"
	ok, err := e.app.Confirm(strings.ToUpper(question[:1]) + question[1:])
	if err == nil && !ok {
		err = errUnchanged
	}
	return err
}

// apply writes the changed secrets and, if that succeeds, deletes those that were removed.
func (e *Edit) apply(ctx context.Context, s store.Store, todo changes) error {
	service := e.before.Service
	results, err := app.WriteChanges(ctx, s, service, todo.writes, store.WriteOptions{PreserveCase: e.PreserveCase, Adopt: e.Adopt})
	if len(results) == 0 && err != nil {
		return err
	}
	if err == nil && len(todo.deletes) > 0 {
		var deleted []store.Result
		deleted, err = e.delete(ctx, s, todo.deletes)
		results = append(results, deleted...)
	}
	if err != nil && len(todo.writes) > 0 && len(todo.deletes) > 0 {
		e.app.Say("%s: nothing was deleted, because not everything was written", service)
	}
	if printErr := e.app.ReportChanges(service, results, err); printErr != nil {
		return printErr
	}
	return err
}

// delete deletes the secrets, after it has checked that each still has the version that was read.
// Deletes of a store are not conditional, so a write between check and delete is lost.
func (e *Edit) delete(ctx context.Context, s store.Store, secrets []store.Secret) ([]store.Result, error) {
	keys := make([]string, len(secrets))
	for i, was := range secrets {
		now, err := s.Read(ctx, was.ID, store.Latest)
		if err == nil && now.Version != was.Version {
			err = &store.Error{Op: "delete", ID: was.ID, Err: &store.VersionError{Have: now.Version, Want: was.Version}}
		}
		if err != nil {
			return nil, err
		}
		keys[i] = was.ID.Key
	}
	return s.Delete(ctx, e.before.Service, keys...)
}
