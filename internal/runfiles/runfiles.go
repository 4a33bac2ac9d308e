// Package runfiles keeps secrets in files for as long as a program runs: in a private directory for each
// run, in memory where the system has a place for that.
package runfiles

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coffer-secrets/coffer/internal/outfile"
)

// The beginnings of the names of directories: of one that is in use, and of one that isn't locked yet and
// has no files.
const (
	runPrefix = "run-"
	newPrefix = "new-"
)

// Dir is the private directory of one run, with mode 0700. It exists until [Dir.Remove], and is locked
// until then: what a process left that was killed, isn't, and [Sweep] removes it.
type Dir struct {
	path   string
	memory bool
	parent *os.Root
	lock   *os.File
}

// Create creates a directory, in memory if possible. getenv looks up XDG_RUNTIME_DIR. Programs that this
// process starts hold the lock, too: even if this process is killed, the files stay while one of them lives.
func Create(getenv func(string) string) (*Dir, error) {
	var failed []error
	for _, p := range places(getenv) {
		if p.memory && !InMemory(filepath.Dir(p.path)) {
			continue
		}
		d, err := createIn(p)
		if err == nil {
			return d, nil
		}
		failed = append(failed, err)
	}
	return nil, fmt.Errorf("can't create a private directory for the files: %w", errors.Join(failed...))
}

// createIn creates a directory in a place, which it creates too if needed.
func createIn(p place) (d *Dir, err error) {
	err = os.Mkdir(p.path, 0o700)
	if err == nil {
		err = os.Chmod(p.path, 0o700) //nolint:gosec // a directory, independent of the umask
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	parent, err := openPlace(p.path)
	if err != nil {
		return nil, err
	}
	id := rand.Text()
	d = &Dir{path: filepath.Join(p.path, newPrefix+id), memory: p.memory, parent: parent}
	if err = parent.Mkdir(newPrefix+id, 0o700); err == nil {
		err = parent.Chmod(newPrefix+id, 0o700)
	}
	if err == nil {
		d.lock, err = lock(d.path)
	}
	if err == nil {
		d.lock, err = share(d.lock)
	}
	if err == nil {
		// From now on Sweep looks at it, and finds it locked.
		if err = parent.Rename(newPrefix+id, runPrefix+id); err == nil {
			d.path = filepath.Join(p.path, runPrefix+id)
		}
	}
	if err != nil {
		return nil, errors.Join(err, d.Remove())
	}
	return d, nil
}

// InMemory reports whether the files are in memory, or in swap, and never on a disk.
func (d *Dir) InMemory() bool { return d.memory }

// Path returns the path of a file of the directory. name is not a path.
func (d *Dir) Path(name string) string { return filepath.Join(d.path, name) }

// Write creates or replaces a file, atomically, with mode 0600.
func (d *Dir) Write(name string, data []byte) error { return outfile.Write(d.Path(name), data) }

// Remove removes the directory, with all that is in it.
func (d *Dir) Remove() error {
	err := d.parent.RemoveAll(filepath.Base(d.path))
	if d.lock != nil {
		err = errors.Join(err, unlock(d.lock))
	}
	return errors.Join(err, d.parent.Close())
}

// Sweep removes the directories of processes that were killed. It never removes one in use, and reports no
// error: what it can't remove, the next one may.
func Sweep(getenv func(string) string, now time.Time) {
	for _, p := range places(getenv) {
		if _, err := os.Lstat(p.path); err == nil { // mostly there is none
			sweep(p.path, now)
		}
	}
}

func sweep(path string, now time.Time) {
	parent, err := openPlace(path)
	if err != nil {
		return
	}
	defer func() { _ = parent.Close() }()
	entries, err := fs.ReadDir(parent.FS(), ".")
	if err != nil {
		return
	}
	for _, e := range entries {
		switch {
		case strings.HasPrefix(e.Name(), newPrefix):
			if info, err := e.Info(); err == nil && now.Sub(info.ModTime()) > time.Hour {
				_ = parent.Remove(e.Name()) // it is empty
			}
		case strings.HasPrefix(e.Name(), runPrefix):
			if dead, err := lock(filepath.Join(path, e.Name())); err == nil {
				_ = parent.RemoveAll(e.Name())
				_ = unlock(dead)
			}
		}
	}
}

// place is where the directories of runs are.
type place struct {
	path   string
	memory bool
}

// places returns the places of this user, the best first.
func places(getenv func(string) string) []place {
	var all []place
	if dir := getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		all = append(all, place{filepath.Join(dir, "coffer"), true})
	}
	own := "coffer-" + strconv.Itoa(os.Geteuid())
	return append(all, place{filepath.Join("/dev/shm", own), true}, place{filepath.Join(os.TempDir(), own), false})
}

// TempDir returns a directory for temporary files: in memory or, if there is none, on the disk.
func TempDir(getenv func(string) string) (dir string, memory bool) {
	all := places(getenv)
	i := slices.IndexFunc(all, func(p place) bool { return !p.memory || InMemory(filepath.Dir(p.path)) })
	return filepath.Dir(all[i].path), all[i].memory
}

// openPlace opens a place. It refuses one that another user made, to read the files or to replace them.
func openPlace(path string) (*os.Root, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() || !private(info) {
		return nil, fmt.Errorf("%s is not a directory that only you can use", path)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	if opened, err := root.Stat("."); err != nil || !os.SameFile(info, opened) {
		return nil, errors.Join(fmt.Errorf("%s was replaced", path), err, root.Close())
	}
	return root, nil
}
