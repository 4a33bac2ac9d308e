package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// programTexts are all texts in the source of the program, with "…" for what it fills in.
func programTexts(t *testing.T) string {
	t.Helper()
	var texts strings.Builder
	verb := regexp.MustCompile(`%[+#0-9.\[\]]*[a-zA-Z]`)
	set := token.NewFileSet()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (path == "internal/testing" || d.Name() == "testdata") {
			return filepathSkip(err)
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				text, _ := strconv.Unquote(literal.Value)
				texts.WriteString(verb.ReplaceAllString(strings.ReplaceAll(text, "%q", `"…"`), "…") + "\n")
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts.String()
}

func filepathSkip(err error) error {
	if err != nil {
		return err
	}
	return filepath.SkipDir
}

// TestTroubleshootingQuotesTheProgram: each error in the tables of docs/troubleshooting.md is a text of
// the program, and each exit code from 2 to 8 has its section.
func TestTroubleshootingQuotesTheProgram(t *testing.T) {
	page, err := os.ReadFile("docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	texts, rows := programTexts(t), 0
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(string(page), -1) {
		rows++
		if !strings.Contains(texts, m[1]) {
			t.Errorf("docs/troubleshooting.md explains %q, which the program never prints", m[1])
		}
	}
	if rows < 30 {
		t.Errorf("%d errors are explained", rows)
	}
	for code := 2; code <= 8; code++ {
		if !strings.Contains(string(page), "exit code "+strconv.Itoa(code)+"\n") {
			t.Errorf("docs/troubleshooting.md has no section for exit code %d", code)
		}
	}
}
