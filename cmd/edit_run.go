package cmd

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/environ"
	"github.com/coffer-secrets/coffer/internal/formats"
	"github.com/coffer-secrets/coffer/internal/run"
	"github.com/coffer-secrets/coffer/internal/term"
	"github.com/coffer-secrets/coffer/store"
)

// edit is one run of the command.
type edit struct {
	*EditCmd
	app    *app.App
	before store.Contents
	keys   map[string]string // the names of a dotenv file -> their keys
	path   string            // of the file
}

// errUnchanged ends an edit that changes nothing.
var errUnchanged = errors.New("nothing was changed")

// run edits until the file makes sense, asks, and writes. kept means: the file is worth more
// than the risk of leaving it where it is.
func (e *edit) run(s store.Store) (kept bool, err error) {
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
func (e *edit) edited() (todo edits, kept bool, err error) {
	for {
		if err := run.Editor(e.app, e.path, e.remove); err != nil {
			return edits{}, false, err
		}
		todo, err := e.read()
		if err == nil || !e.app.Interactive() {
			return todo, err != nil, err
		}
		e.app.Say("%s", app.Sentence(err))
		again, askErr := term.Confirm(e.app.Stdin, e.app.Stderr, "Edit again?")
		if askErr != nil || !again {
			return edits{}, true, err
		}
	}
}

// edits is what an editor made of a service.
type edits struct {
	writes  []app.Change
	deletes []store.Secret
}

// read finds out what was changed in the file.
func (e *edit) read() (edits, error) {
	body, err := os.ReadFile(e.path)
	if err != nil {
		return edits{}, err
	}
	pairs, err := formats.Decode(bytes.NewReader(body), e.Format, formats.Options{})
	if err != nil {
		return edits{}, err
	}
	if len(pairs) == 0 {
		return edits{}, nil // emptied to give up, as in other programs
	}
	return e.compare(pairs)
}

// compare holds the pairs of the file against what was read.
func (e *edit) compare(pairs []formats.Pair) (edits, error) {
	var todo edits
	stays := map[string]string{} // the key -> its name in the file
	for _, p := range pairs {
		name := cmp.Or(e.keys[p.Key], p.Key)
		id, err := store.NewID(e.before.Service, name)
		if err == nil {
			err = p.Value.Check()
		}
		if err != nil {
			return edits{}, &store.Error{Op: "edit", ID: store.ID{Service: e.before.Service, Key: name}, Err: err}
		}
		stands, err := app.Twin(id, e.before)
		if err != nil {
			return edits{}, err
		}
		c := app.Change{Key: name, Value: p.Value}
		if stands != nil {
			c.Key, c.Version = stands.ID.Key, stands.Version
		} else if !e.PreserveCase {
			c.Key = strings.ToLower(name)
		}
		if other, ok := stays[c.Key]; ok {
			return edits{}, fmt.Errorf("%w: %q and %q name the same secret, %q", store.ErrInvalid, other, p.Key, c.Key)
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
func (e *edit) confirm(todo edits) error {
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
func (e *edit) apply(ctx context.Context, s store.Store, todo edits) error {
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
func (e *edit) delete(ctx context.Context, s store.Store, secrets []store.Secret) ([]store.Result, error) {
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

// encode makes the text to edit.
func (e *edit) encode() ([]byte, error) {
	var body bytes.Buffer
	fmt.Fprintf(&body, "# Secrets of service %s. What you change is written, what you remove is deleted, after a question.\n", e.before.Service)
	body.WriteString("# A file without secrets changes nothing.\n")
	if n := len(e.before.Hidden); n > 0 {
		fmt.Fprintf(&body, "# %s hidden from you; they stay as they are.\n", app.Count(n, "secret"))
	}
	pairs := make([]formats.Pair, len(e.before.Secrets))
	e.keys = map[string]string{}
	for i, s := range e.before.Secrets {
		pairs[i] = formats.Pair{Key: s.ID.Key, Value: s.Value}
		if e.Format == "dotenv" {
			name, err := environ.Name(s.ID.Key, "")
			if err != nil {
				return nil, app.Hinted(err, "--format yaml carries every key")
			}
			e.keys[name] = s.ID.Key
		}
	}
	if len(pairs) == 0 {
		return body.Bytes(), nil
	}
	format := e.Format
	if format == "dotenv" { // nobody else reads it
		format = "dotenv-literal"
	}
	err := formats.Encode(&body, format, pairs, formats.Options{})
	if err != nil && e.Format != "yaml" {
		err = app.Hinted(err, "--format yaml carries every key and every value")
	}
	return body.Bytes(), err
}

// create makes the file: in a directory that only the caller may enter, in memory where there is one.
func (e *edit) create(body []byte) error {
	dir, memory := workplace(e.app)
	if !memory {
		e.app.Note("there is no directory in memory: the values are on the disk, below %s, until you leave the editor", dir)
	}
	dir, err := os.MkdirTemp(dir, "coffer-")
	if err != nil {
		return err
	}
	e.path = filepath.Join(dir, "secrets"+map[string]string{"yaml": ".yaml", "dotenv": ".env"}[e.Format])
	if err := os.WriteFile(e.path, body, 0o600); err != nil {
		return errors.Join(err, e.remove())
	}
	return nil
}

// remove takes the directory away, with what the editor has left beside the file.
func (e *edit) remove() error { return os.RemoveAll(filepath.Dir(e.path)) }

// workplace returns the first directory that is in memory, or the one for temporary files.
func workplace(a *app.App) (dir string, memory bool) {
	candidates := []string{a.Getenv("XDG_RUNTIME_DIR"), "/dev/shm"}
	at := slices.IndexFunc(candidates, func(dir string) bool { return filepath.IsAbs(dir) && run.InMemory(dir) })
	if at >= 0 {
		return candidates[at], true
	}
	return os.TempDir(), false
}
