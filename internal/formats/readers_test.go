package formats

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// What make installs of readers/: packages of npm, and a program with libraries of Go.
const readersVariable = "COFFER_TEST_READERS"

// answer is what a program of readers/ took a file for.
type answer struct {
	Value any    `json:"value"`
	Error string `json:"error"`
}

// reader is a command of readers/ that reads files: one process reads them all.
type reader struct {
	tool    string
	command []string
}

func npm(name string) *reader { return &reader{"readers", []string{"node", "readers/read.mjs", name}} }
func ruby() *reader           { return &reader{"ruby:dotenv", []string{"ruby", "readers/read.rb"}} }
func golib(name string) *reader {
	return &reader{"readers", []string{filepath.Join(os.Getenv(readersVariable), "readers"), name}}
}

func python(name string) *reader {
	return &reader{"python3:" + name, []string{"python3", "readers/read.py", name}}
}

func (r *reader) files(t *testing.T, files ...string) []answer {
	t.Helper()
	needs(t, r.tool)
	var answers []answer
	body := run(t, r.command[0], append(r.command[1:], files...)...)
	if err := json.Unmarshal(body, &answers); err != nil || len(answers) != len(files) {
		t.Fatalf("%v: %d answers, %v in %.200q", r.command, len(answers), err, body)
	}
	return answers
}

// strings reads files that have nothing but strings.
func (r *reader) strings(t *testing.T, files ...string) []map[string]string {
	t.Helper()
	all := make([]map[string]string, len(files))
	for i, a := range r.files(t, files...) {
		if a.Error != "" {
			t.Fatalf("%v: %.500s", r.command, a.Error)
		}
		body, err := json.Marshal(a.Value)
		if err != nil {
			t.Fatal(err)
		}
		all[i] = object(t, body)
	}
	return all
}
