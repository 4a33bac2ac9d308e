package integrations_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/need"
)

// block returns the first block of docs/scan.md that begins with a line.
func block(t *testing.T, first string) string {
	t.Helper()
	page, err := os.ReadFile("../docs/scan.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(page), "```"+first)
	text, _, ended := strings.Cut(text, "```")
	if !found || !ended {
		t.Fatalf("docs/scan.md has no block %q", first)
	}
	return first[strings.Index(first, "\n")+1:] + text
}

// project returns a machine with an empty git repository in project.
func project(t *testing.T) *machine {
	t.Helper()
	need.Program(t, "git", "apt-get install git")
	m := newMachine(t)
	m.file(".gitconfig", "[user]\nname = ann\nemail = ann@example.com\n[init]\ndefaultBranch = main\n[advice]\ndetachedHead = false\n", 0o600)
	m.mustRun("git", "init", "-q", "project")
	return m
}

// commits tries to commit a file of the project, and reports whether git did. No value may be printed.
func (m *machine) commits(t *testing.T, name, text string) (bool, string) {
	t.Helper()
	m.file(filepath.Join("project", name), text, 0o600)
	code, output := m.run("sh", "-c", `cd project && git add -- "$1" && git commit -q -m "add $1"`, "sh", name)
	hidden(t, output)
	return code == 0, output
}

// wantsAHook tries commits with and without secrets.
func (m *machine) wantsAHook(t *testing.T) {
	t.Helper()
	if ok, output := m.commits(t, "clean", "nothing\n"); !ok {
		t.Errorf("a commit without secrets was refused:\n%s", output)
	}
	ok, output := m.commits(t, "leaks.yml", "a: 1\npassword: "+canaries["db_password"]+"\n")
	if ok || !strings.Contains(output, "leaks.yml:2: api/db_password (value)\n") {
		t.Errorf("a commit with a secret: made %v\n%s", ok, output)
	}
	// The index counts: a secret that is only in the work tree isn't committed.
	if code, output := m.run("sh", "-c", "cd project && git reset -q leaks.yml && echo more >>clean && git commit -q -a -m more"); code != 0 {
		t.Errorf("a secret that isn't staged stopped a commit:\n%s", output)
	}
}

func TestPreCommitRunsTheHook(t *testing.T) {
	need.Program(t, "pre-commit", "apt-get install pre-commit")
	m := project(t)
	hooks, err := os.ReadFile("../.pre-commit-hooks.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m.file("hooks/.pre-commit-hooks.yaml", string(hooks), 0o600)
	m.mustRun("sh", "-c", "cd hooks && git init -q && git add . && git commit -q -m hooks && git tag v0.1.0")
	config := strings.Replace(block(t, "yaml\n"), "https://github.com/coffer-secrets/coffer", filepath.Join(m.home, "hooks"), 1)
	m.file("project/.pre-commit-config.yaml", config, 0o600)
	m.mustRun("sh", "-c", "cd project && git add . && pre-commit install")
	m.wantsAHook(t)
}

func TestTheHookOfGitItself(t *testing.T) {
	m := project(t)
	m.mustRun("sh", "-c", "cd project\n"+block(t, "sh\ncat >.git/hooks"))
	m.wantsAHook(t)
}
