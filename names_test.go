package main_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Names of objects are made of the constants in store, store/admin and index, so that no two places
// can spell one differently.
func TestNamesOfObjectsHaveOneSpelling(t *testing.T) {
	spelled := regexp.MustCompile(`__(kms|latest|probe|share)|^"__"$`)
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		test := strings.HasSuffix(path, "_test.go") || strings.Contains(filepath.ToSlash(path), "test/")
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || test {
			return err
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			text, ok := n.(*ast.BasicLit)
			if ok && text.Kind == token.STRING && spelled.MatchString(text.Value) && filepath.ToSlash(path) != "store/id.go" {
				t.Errorf("%s: %s is spelled out; use store.ReservedPrefix, admin.ProbeDir, admin.SharePrefix or package index", files.Position(text.Pos()), text.Value)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
