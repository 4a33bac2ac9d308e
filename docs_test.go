package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Documents that say which test holds a promise.
var promises = []string{"docs/guarantees.md", "docs/threat-model.md"}

// TestNamedTestsExist: a promise whose test was renamed or removed is held by nothing.
func TestNamedTestsExist(t *testing.T) {
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	exists := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range function.FindAllSubmatch(source, -1) {
			exists[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range promises {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		named := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllSubmatch(text, -1)
		for _, m := range named {
			if !exists[string(m[1])] {
				t.Errorf("%s names %s, which does not exist", document, m[1])
			}
		}
		if len(named) < 20 {
			t.Errorf("%s names %d tests", document, len(named))
		}
		for row := range strings.Lines(string(text)) {
			// Every row of a table ends with a test, or says why there is none.
			if cells := strings.Split(strings.TrimSpace(row), "|"); strings.HasPrefix(row, "| ") && !strings.Contains(row, "held by") &&
				!strings.Contains(cells[len(cells)-2], "`") && !strings.Contains(cells[len(cells)-2], "none") {
				t.Errorf("%s: a row names no test: %s", document, cells[1])
			}
		}
	}
}

// TestWalkedFilesExist: the walk through the code names files as they are.
func TestWalkedFilesExist(t *testing.T) {
	text, err := os.ReadFile("docs/layout.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:[a-z0-9]+/)*[a-z0-9_*]+\\.go)`").FindAllSubmatch(text, -1)
	folder := ""
	for _, m := range named {
		name := string(m[1])
		if strings.Contains(name, "/") {
			folder = filepath.Dir(name)
		} else if name != "main.go" {
			name = filepath.Join(folder, name) // beside the one named before
		}
		if found, err := filepath.Glob(name); err != nil || len(found) == 0 {
			t.Errorf("docs/layout.md names %s, which does not exist", name)
		}
	}
	if len(named) < 20 {
		t.Errorf("docs/layout.md names %d files", len(named))
	}
}
