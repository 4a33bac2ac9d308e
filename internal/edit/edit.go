// Package edit changes the secrets of a service in an editor: a file that only the caller can read,
// and what was changed in it, each secret on the condition that it is still as it was read.
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
	"github.com/coffer-secrets/coffer/internal/term"
	"github.com/coffer-secrets/coffer/store"
)

// Options say how an edit is done.
type Options struct {
	Format       string // yaml or dotenv
	Yes          bool   // write without asking
	PreserveCase bool   // of new keys
	Adopt        bool   // take over secrets whose key alias cannot be told
}

// Edit is one edit of the secrets of a service, in an editor.
type Edit struct {
	Options
	app    *app.App
	before store.Contents
	keys   map[string]string // the names of a dotenv file -> their keys
	path   string            // of the file
}

// New returns an edit of what was read of a service.
func New(a *app.App, before store.Contents, o Options) *Edit {
	return &Edit{Options: o, app: a, before: before}
}

// Run has a person edit the secrets, asks, and writes. kept is the file, where it is worth more than the risk of leaving it.
func (e *Edit) Run(s store.Store) (kept string, err error) {
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

// errUnchanged ends an edit that changes nothing.
var errUnchanged = errors.New("nothing was changed")

// run edits until the file can be read, asks, and writes. kept means: the file is worth more
// than the risk of leaving it where it is.
func (e *Edit) run(s store.Store) (kept bool, err error) {
	todo, kept, err := e.edited()
	if err != nil {
		return kept, err
	}
	if len(todo.writes)+len(todo.deletes) == 0 {
		if e.app.Globals.JSON {
			return false, e.app.PrintResults(nil)
		}
		e.app.Note("%s: nothing was changed", e.before.Service)
		return false, nil
	}
	if err := e.confirm(todo); err != nil {
		return false, err
	}
	// A Ctrl-C in the editor was meant for the editor.
	ctx, stop := run.UntilInterrupted(e.app.Watch)
	defer stop()
	err = e.apply(ctx, s, todo)
	return err != nil, err
}

// edited runs the editor, again as long as the file does not parse and somebody wants to correct it.
func (e *Edit) edited() (todo changes, kept bool, err error) {
	for {
		if err := run.Editor(e.app, e.path, e.remove); err != nil {
			return changes{}, false, err
		}
		todo, err := e.read()
		if err == nil || !e.app.Interactive() {
			return todo, err != nil, err
		}
		e.app.Say("%s", app.Sentence(err))
		again, askErr := term.Confirm(e.app.Stdin, e.app.Stderr, "Edit again?")
		if askErr != nil || !again {
			return changes{}, true, err
		}
	}
}

// changes is what an editor made of a service.
type changes struct {
	writes  []app.Change
	deletes []store.Secret
}

// read finds out what was changed in the file.
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
		return changes{}, nil // emptied to give up, as in other programs
	}
	return e.compare(pairs)
}

// compare holds the pairs of the file against what was read.
func (e *Edit) compare(pairs []formats.Pair) (changes, error) {
	var todo changes
	stays := map[string]string{} // the key -> its name in the file
	for _, p := range pairs {
		name := cmp.Or(e.keys[p.Key], p.Key)
		id, err := store.NewID(e.before.Service, name)
		if err == nil {
			err = p.Value.Check()
		}
		if err != nil {
			return changes{}, &store.Error{Op: "edit", ID: store.ID{Service: e.before.Service, Key: name}, Err: err}
		}
		stands, err := app.Existing(id, e.before)
		if err != nil {
			return changes{}, err
		}
		c := app.Change{Key: name, Value: p.Value}
		if stands != nil {
			c.Key, c.Version = stands.ID.Key, stands.Version
		} else if !e.PreserveCase {
			c.Key = strings.ToLower(name)
		}
		if other, ok := stays[c.Key]; ok {
			return changes{}, fmt.Errorf("%w: %q and %q name the same secret, %q", store.ErrInvalid, other, p.Key, c.Key)
		}
		stays[c.Key] = p.Key
		if stands == nil || stands.Value != p.Value {
			todo.writes = append(todo.writes, c)
		}
	}
	for _, s := range e.before.Secrets {
		if _, ok := stays[s.ID.Key]; !ok {
			todo.deletes = append(todo.deletes, s)
		}
	}
	return todo, nil
}

// confirm shows what was changed, without values, and asks.
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
	ok, err := term.Confirm(e.app.Stdin, e.app.Stderr, strings.ToUpper(question[:1])+question[1:])
	if err == nil && !ok {
		err = errUnchanged
	}
	return err
}

// apply writes, and deletes when all was written.
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
	if printErr := e.app.ReportChanges(service, results, err); printErr != nil {
		return printErr
	}
	return err
}

// delete deletes secrets that are still in the version that was read. A store has no condition
// for a delete: of a write in the same instant, the later wins.
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
