package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The most lines of each.
const (
	maxFile     = 400
	maxCommand  = 250 // a file of cmd/ that is no test: what is more than a command belongs in internal/
	maxFunction = 60
)

// TestFilesAndFunctionsStaySmall: a reader sees a function on one screen, and finds a file's end.
func TestFilesAndFunctionsStaySmall(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && (d.Name() == ".git" || isModule(path)):
			return filepath.SkipDir
		case !d.IsDir() && strings.HasSuffix(path, ".go"):
			files++
			return checkSizes(t, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 200 {
		t.Errorf("there are %d files", files)
	}
}

// isModule reports whether a folder has a go.mod of its own.
func isModule(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, "go.mod"))
	return err == nil
}

// checkSizes fails for a file that is too long, and for each function in it that is.
func checkSizes(t *testing.T, path string) error {
	t.Helper()
	source, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	limit := maxFile
	if strings.HasPrefix(filepath.ToSlash(path), "cmd/") && !strings.HasSuffix(path, "_test.go") {
		limit = maxCommand
	}
	if lines := bytes.Count(source, []byte("\n")); lines > limit {
		t.Errorf("%s:1: the file has %d lines; the limit is %d", path, lines, limit)
	}
	positions := token.NewFileSet()
	file, err := parser.ParseFile(positions, path, source, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n.(type) {
		case *ast.FuncDecl, *ast.FuncLit: // a literal within a function is part of it
			first, last := positions.Position(n.Pos()).Line, positions.Position(n.End()).Line
			if lines := last - first + 1; lines > maxFunction {
				t.Errorf("%s:%d: the function has %d lines; the limit is %d", path, first, lines, maxFunction)
			}
			return false
		}
		return true
	})
	return nil
}
