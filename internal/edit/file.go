package edit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/coffer-secrets/coffer/environ"
	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/formats"
	"github.com/coffer-secrets/coffer/internal/runfiles"
)

// encode returns the text to edit.
func (e *Edit) encode() ([]byte, error) {
	var body bytes.Buffer
	fmt.Fprintf(&body, "# Secrets of service %s. Coffer writes what you change and deletes what you remove, after you confirm.\n", e.before.Service)
	body.WriteString("# An empty file changes nothing.\n")
	if n := len(e.before.Hidden); n > 0 {
		fmt.Fprintf(&body, "# %s hidden from you, and not changed.\n", app.Count(n, "secret"))
	}
	pairs := make([]formats.Pair, len(e.before.Secrets))
	e.keys = map[string]string{}
	for i, s := range e.before.Secrets {
		pairs[i] = formats.Pair{Key: s.ID.Key, Value: s.Value}
		if e.Format == "dotenv" {
			name, err := environ.Name(s.ID.Key, "")
			if err != nil {
				return nil, app.WithHint(err, "--format yaml can represent every key")
			}
			e.keys[name] = s.ID.Key
		}
	}
	if len(pairs) == 0 {
		return body.Bytes(), nil
	}
	format := e.Format
	if format == "dotenv" { // only this program reads the file
		format = "dotenv-literal"
	}
	err := formats.Encode(&body, format, pairs, formats.Options{})
	if err != nil && e.Format != "yaml" {
		err = app.WithHint(err, "--format yaml can represent every key and every value")
	}
	return body.Bytes(), err
}

// create creates the file in a new directory that only the caller can read, in memory if possible.
func (e *Edit) create(body []byte) error {
	dir, memory := runfiles.TempDir(e.app.Getenv)
	if !memory {
		e.app.Note("no directory in memory is available: the values are on the disk, below %s, until you leave the editor", dir)
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

// remove removes the directory with the file and the backup files of the editor.
func (e *Edit) remove() error { return os.RemoveAll(filepath.Dir(e.path)) }
