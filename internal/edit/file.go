package edit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/environ"
	"github.com/coffer-secrets/coffer/internal/formats"
	"github.com/coffer-secrets/coffer/internal/run"
)

// encode makes the text to edit.
func (e *Edit) encode() ([]byte, error) {
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
				return nil, app.WithHint(err, "--format yaml carries every key")
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
		err = app.WithHint(err, "--format yaml carries every key and every value")
	}
	return body.Bytes(), err
}

// create makes the file: in a directory that only the caller may enter, in memory where there is one.
func (e *Edit) create(body []byte) error {
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
func (e *Edit) remove() error { return os.RemoveAll(filepath.Dir(e.path)) }

// workplace returns the first directory that is in memory, or the one for temporary files.
func workplace(a *app.App) (dir string, memory bool) {
	candidates := []string{a.Getenv("XDG_RUNTIME_DIR"), "/dev/shm"}
	at := slices.IndexFunc(candidates, func(dir string) bool { return filepath.IsAbs(dir) && run.InMemory(dir) })
	if at >= 0 {
		return candidates[at], true
	}
	return os.TempDir(), false
}
