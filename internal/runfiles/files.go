package runfiles

import (
	"fmt"

	"github.com/coffer-secrets/coffer/environ"
	"github.com/coffer-secrets/coffer/internal/outfile"
	"github.com/coffer-secrets/coffer/store"
)

// Wanted are secrets that a program gets in files instead of variables.
type Wanted struct {
	Pattern string // which ones: a key or a glob
	Path    string // where the file of the only one is written and stays; "" for a file that ends with the run
	Inherit bool   // a [MemoryFile]
}

// Files are the files of one run. A run whose program is started again, with new values, has the same.
type Files struct {
	getenv func(string) string
	wanted []Wanted
	rules  environ.Rules
	dir    *Dir
	memory map[string]*MemoryFile // by the name of the variable
}

// New returns the files of a run. Nothing is written before [Files.Pass].
func New(getenv func(string) string, wanted []Wanted, rules environ.Rules) *Files {
	return &Files{getenv: getenv, wanted: wanted, rules: rules, memory: map[string]*MemoryFile{}}
}

// Pass writes the files, and returns the environment of the program: without the secrets that are in files,
// and with the variables that name these. notes are sentences about it for a person. On an error, too, the
// caller calls [Files.Remove] in the end.
func (f *Files) Pass(env environ.Environment) (passed environ.Environment, notes []string, err error) {
	for _, w := range f.wanted {
		if w.Path != "" {
			v, err := env.SelectOne(w.Pattern)
			if err != nil {
				return nil, nil, err
			}
			notes = append(notes, fmt.Sprintf("%s contains %s/%s. The file stays after the program ends: delete it when you no longer need it", w.Path, v.Service, v.Key))
		}
		var notices []environ.Notice
		env, notices, err = env.PassInFiles(w.Pattern, f.rules, func(v environ.Variable) (string, error) {
			path, err := f.write(v, w)
			if err != nil {
				err = &store.Error{Op: "pass", ID: store.ID{Service: v.Service, Key: v.Key}, Err: err}
			}
			return path, err
		})
		if err != nil {
			return nil, nil, err
		}
		for _, n := range notices {
			notes = append(notes, n.Text)
		}
	}
	if f.dir != nil && !f.dir.InMemory() {
		notes = append(notes, fmt.Sprintf("no directory in memory is available: the files are on the disk, in %s, until the program ends", f.dir.path))
	}
	return env, notes, nil
}

// write writes the file of a secret, and returns its path for the program.
func (f *Files) write(v environ.Variable, w Wanted) (path string, err error) {
	value := []byte(v.Value.Reveal())
	switch {
	case w.Path != "":
		_, err = outfile.Update(w.Path, value)
		return w.Path, err
	case w.Inherit:
		m := f.memory[v.Name]
		if m == nil {
			if m, err = NewMemoryFile(v.Name); err != nil {
				return "", err
			}
			f.memory[v.Name] = m
		}
		return m.Path(), m.Write(value)
	}
	if f.dir == nil {
		if f.dir, err = Create(f.getenv); err != nil {
			return "", err
		}
	}
	return f.dir.Path(v.Name), f.dir.Write(v.Name, value)
}

// Stays reports whether somebody must call [Files.Remove] when the program has ended.
func (f *Files) Stays() bool { return f != nil && f.dir != nil }

// Remove removes the files that end with the run.
func (f *Files) Remove() error {
	if !f.Stays() {
		return nil
	}
	err := f.dir.Remove()
	f.dir = nil
	return err
}
