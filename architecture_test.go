package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// docs/design/architecture.md says what the tree and the lint rules are: neither changes alone.

const (
	architecture = "docs/design/architecture.md"
	module       = "github.com/coffer-secrets/coffer"
)

// TestEveryPackageHasItsRoom: the list of rooms has each package of `go list ./...`, and each room of
// it is a package, the roof of some, or a folder without Go code of this module. Files that it names
// are there.
func TestEveryPackageHasItsRoom(t *testing.T) {
	output, err := exec.CommandContext(t.Context(), "go", "list", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := map[string]bool{}
	for name := range strings.FieldsSeq(string(output)) {
		if name != module {
			packages[strings.TrimPrefix(name, module+"/")] = true
		}
	}
	rooms := map[string]bool{}
	for _, room := range listedRooms(t) {
		if rooms[room] {
			t.Errorf("%s lists %s twice", architecture, room)
		}
		rooms[room] = true
		info, err := os.Stat(room)
		switch {
		case err != nil:
			t.Errorf("%s lists %s, which does not exist", architecture, room)
		case info.IsDir() && !packages[room] && hasCode(t, room):
			t.Errorf("%s lists %s, which has Go code and is no package", architecture, room)
		}
	}
	for name := range packages {
		if !rooms[name] {
			t.Errorf("%s has no room for %s", architecture, name)
		}
	}
}

// hasCode reports whether a folder has Go code of this module that is in none of its subfolders.
func hasCode(t *testing.T, folder string) bool {
	t.Helper()
	code, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = os.Stat(filepath.Join(folder, "go.mod"))
	return len(code) > 0 && err != nil
}

// listedRooms are the folders and files of the list, with their paths. What stands deeper is in the
// room above it, or in the last of several on one line.
func listedRooms(t *testing.T) (rooms []string) {
	t.Helper()
	_, list, _ := strings.Cut(section(t, "## The rooms"), "```\n")
	list, _, _ = strings.Cut(list, "```")
	entry := regexp.MustCompile(`^( *)((?:[\w./-]+(?:/|\.go) )*[\w./-]+(?:/|\.go))(?:  |$)`)
	type above struct {
		indent int
		path   string
	}
	var roof []above
	for line := range strings.Lines(list) {
		m := entry.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			t.Errorf("%s lists no room: %q", architecture, line)
			continue
		}
		for len(roof) > 0 && roof[len(roof)-1].indent >= len(m[1]) {
			roof = roof[:len(roof)-1]
		}
		folder := ""
		if len(roof) > 0 {
			folder = roof[len(roof)-1].path
		}
		for name := range strings.FieldsSeq(m[2]) {
			rooms = append(rooms, path.Join(folder, name))
		}
		roof = append(roof, above{len(m[1]), rooms[len(rooms)-1]})
	}
	return rooms
}

// section is the part of the document below a heading.
func section(t *testing.T, heading string) string {
	t.Helper()
	text, err := os.ReadFile(architecture)
	if err != nil {
		t.Fatal(err)
	}
	_, below, found := strings.Cut(string(text), "\n"+heading+"\n")
	if !found {
		t.Fatalf("%s has no %q", architecture, heading)
	}
	below, _, _ = strings.Cut(below, "\n## ")
	return below
}

// rule is one of depguard's.
type rule struct {
	Mode  string   `yaml:"list-mode"`
	Files []string `yaml:"files"`
	Allow []string `yaml:"allow"`
	Deny  []struct {
		Package string `yaml:"pkg"`
	} `yaml:"deny"`
}

// TestArrowsAreTheLintRules: the table of arrows has a row for each rule of depguard, and each row says
// what its rule does. COFFER_REWRITE_DOCS=1 writes the table anew.
func TestArrowsAreTheLintRules(t *testing.T) {
	want := "| rule | holds in | imports only | never imports |\n|---|---|---|---|\n"
	rules := depguard(t)
	for i := 0; i < len(rules.Content); i += 2 {
		var r rule
		if err := rules.Content[i+1].Decode(&r); err != nil {
			t.Fatal(err)
		}
		want += r.row(rules.Content[i].Value)
	}
	below := section(t, "## Imports go downwards only")
	got := regexp.MustCompile(`(?m)^\| rule \|.*\n(?:\|.*\n)+`).FindString(below)
	if diff := cmp.Diff(want, got); diff != "" && os.Getenv("COFFER_REWRITE_DOCS") != "" {
		text, err := os.ReadFile(architecture)
		if err != nil || got == "" {
			t.Fatal("no table to replace: ", err)
		}
		if err := os.WriteFile(architecture, []byte(strings.Replace(string(text), got, want, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if diff != "" {
		t.Errorf("%s says something else than .golangci.yml (-rules +document); COFFER_REWRITE_DOCS=1 go test -run Arrows . rewrites it:\n%s", architecture, diff)
	}
}

// depguard are its rules, in their order.
func depguard(t *testing.T) yaml.Node {
	t.Helper()
	text, err := os.ReadFile(".golangci.yml")
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Linters struct {
			Settings struct {
				Depguard struct {
					Rules yaml.Node `yaml:"rules"`
				} `yaml:"depguard"`
			} `yaml:"settings"`
		} `yaml:"linters"`
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	rules := config.Linters.Settings.Depguard.Rules
	if len(rules.Content) < 20 {
		t.Fatalf("depguard has %d rules", len(rules.Content)/2)
	}
	return rules
}

// row is a rule as the document has it.
func (r rule) row(name string) string {
	var in, but, never []string
	for _, pattern := range r.Files {
		if rest, excluded := strings.CutPrefix(pattern, "!"); excluded {
			but = append(but, files(rest))
		} else {
			in = append(in, files(pattern))
		}
	}
	holds := "everywhere"
	if len(in) > 0 {
		holds = strings.Join(in, ", ")
	}
	if len(but) > 0 {
		holds += " but " + strings.Join(but, ", ")
	}
	for _, d := range r.Deny {
		never = append(never, imported(d.Package))
	}
	var only string
	forbidden := strings.Join(never, ", ")
	allowed := make([]string, len(r.Allow))
	for i, name := range r.Allow {
		allowed[i] = imported(name)
	}
	switch {
	case r.Mode == "strict":
		only = strings.Join(allowed, ", ")
	case len(allowed) > 0:
		forbidden += " but " + strings.Join(allowed, ", ")
	}
	return fmt.Sprintf("| %s | %s | %s | %s |\n", name, holds, only, forbidden)
}

// files says what a pattern of files is of: folders, `...` for all below one.
func files(pattern string) string {
	if pattern == "$test" {
		return "tests"
	}
	pattern = strings.TrimSuffix(strings.TrimPrefix(pattern, "**/"), "/*.go")
	return "`" + strings.ReplaceAll(pattern, "**", "...") + "`"
}

// imported says which packages a pattern means: `$` ends a name, else it is the beginning of one.
func imported(pattern string) string {
	if pattern == "$gostd" {
		return "the standard library"
	}
	own, ours := strings.CutPrefix(pattern, module+"/")
	exact, whole := strings.CutSuffix(own, "$")
	if ours && !whole {
		exact = strings.TrimSuffix(exact, "/") + "/..."
	}
	return "`" + exact + "`"
}

// TestRulesNameFoldersThatExist: a rule for a folder that has moved holds nowhere.
func TestRulesNameFoldersThatExist(t *testing.T) {
	rules := depguard(t)
	for i := 0; i < len(rules.Content); i += 2 {
		name := rules.Content[i].Value
		var r rule
		if err := rules.Content[i+1].Decode(&r); err != nil {
			t.Fatal(err)
		}
		named := slices.Clone(r.Allow)
		for _, d := range r.Deny {
			named = append(named, d.Package)
		}
		for _, p := range named {
			folder, ours := strings.CutPrefix(strings.TrimSuffix(strings.TrimSuffix(p, "$"), "/"), module+"/")
			if _, err := os.Stat(folder); ours && err != nil {
				t.Errorf("%s: %s does not exist", name, folder)
			}
		}
		for _, pattern := range r.Files {
			folder := strings.TrimSuffix(strings.Trim(files(strings.TrimPrefix(pattern, "!")), "`"), "/...")
			if found, err := fs.Glob(os.DirFS("."), folder); folder != "tests" && !strings.HasPrefix(folder, "*") && (err != nil || len(found) == 0) {
				t.Errorf("%s: %s does not exist", name, folder)
			}
		}
	}
}
