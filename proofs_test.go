package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// whole is a run of tests in make prove, with COFFER_PROVE set.
type whole struct {
	folder string // "store/..." has those below it too
	tests  *regexp.Regexp
}

func (w whole) runs(folder, test string) bool {
	above, all := strings.CutSuffix(w.folder, "/...")
	return (folder == above || all && strings.HasPrefix(folder, above+"/")) && w.tests.MatchString(test)
}

// wholes reads them in the Makefile.
func wholes(t *testing.T) (all []whole) {
	t.Helper()
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^\t\$\(call walks,(.*),\./(.*)\)$`).FindAllStringSubmatch(string(makefile), -1) {
		all = append(all, whole{m[2], regexp.MustCompile(strings.ReplaceAll(m[1], "$$", "$"))})
	}
	for _, m := range regexp.MustCompile(`(?m)^\tCOFFER_PROVE=1 go test [^|]* \./(\S+)$`).FindAllStringSubmatch(string(makefile), -1) {
		if !strings.Contains(m[0], "-run") {
			all = append(all, whole{m[1], regexp.MustCompile("")})
		}
	}
	if len(all) != 4 {
		t.Fatalf("the Makefile has %d runs of whole proofs", len(all))
	}
	return all
}

// TestProveRunsWhatTestBounds: a test of which make test runs a part is run whole by make prove.
func TestProveRunsWhatTestBounds(t *testing.T) {
	runs, folders := wholes(t), map[string]bool{}
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".go") {
			folders[filepath.Dir(path)] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	// Those that packages of tests export, then the tests.
	bounded := map[string]bool{"proof.Whole": true, "proof.Bounded": true, "proof.Sample": true}
	for folder := range folders {
		for name := range boundedIn(t, folder, bounded) {
			if strings.HasPrefix(folder, "internal/testing/") && ast.IsExported(name) {
				bounded[filepath.Base(folder)+"."+name] = true
			}
		}
	}
	tests := 0
	for folder := range folders {
		for name := range boundedIn(t, folder, bounded) {
			if !strings.HasPrefix(name, "Test") || folder == "internal/testing/proof" {
				continue
			}
			tests++
			found := false
			for _, w := range runs {
				found = found || w.runs(folder, name)
			}
			if !found {
				t.Errorf("%s: %s is bounded, and make prove does not run it", folder, name)
			}
		}
	}
	if tests < 20 {
		t.Errorf("%d tests are bounded", tests)
	}
}

// TestTheRaceDetectorLeavesOutTestsThatExist, and never the scripts, which run every command.
func TestTheRaceDetectorLeavesOutTestsThatExist(t *testing.T) {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	list := regexp.MustCompile(`(?m)^without_race := \\\n((?:\t.*\n)+)`).FindStringSubmatch(string(makefile))
	if list == nil {
		t.Fatal("the Makefile has no list")
	}
	files, err := filepath.Glob("cmd/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	tests := ""
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		tests += string(text)
	}
	for _, name := range regexp.MustCompile(`\w+`).FindAllString(list[1], -1) {
		if !strings.Contains(tests, "\nfunc "+name+"(t *testing.T) {\n") || name == "TestScripts" {
			t.Errorf("%s is no test of cmd that may be left out", name)
		}
	}
}

// boundedIn returns the functions of a folder that call one of those given, or one another that does.
func boundedIn(t *testing.T, folder string, given map[string]bool) map[string]bool {
	t.Helper()
	calls := map[string]map[string]bool{} // by function
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				calls[f.Name.Name] = called(f)
			}
		}
	}
	found := map[string]bool{}
	for grown := true; grown; {
		grown = false
		for name, callees := range calls {
			for callee := range callees {
				if (given[callee] || found[callee]) && !found[name] {
					found[name], grown = true, true
				}
			}
		}
	}
	return found
}

// called are the functions that one calls, those of other packages with their package's name.
func called(f *ast.FuncDecl) map[string]bool {
	names := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			fun := call.Fun
			if generic, ok := fun.(*ast.IndexExpr); ok {
				fun = generic.X
			}
			switch fun := fun.(type) {
			case *ast.Ident:
				names[fun.Name] = true
			case *ast.SelectorExpr:
				if of, ok := fun.X.(*ast.Ident); ok {
					names[of.Name+"."+fun.Sel.Name] = true
				}
			}
		}
		return true
	})
	return names
}
