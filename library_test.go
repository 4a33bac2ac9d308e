package main

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// publicPackages are the folders that another module can import.
func publicPackages(t *testing.T) []string {
	t.Helper()
	folders := slices.DeleteFunc(packages(t), func(folder string) bool { return isInternal(folder) || folder == "cmd" })
	if len(folders) < 10 {
		t.Fatalf("only %d public packages: %v", len(folders), folders)
	}
	return folders
}

func isInternal(folder string) bool { return strings.Contains("/"+folder+"/", "/internal/") }

// packages are the folders of all packages but main.
func packages(t *testing.T) (folders []string) {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{if ne .Name \"main\"}}{{.ImportPath}}{{end}}", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.FieldsSeq(string(output)) {
		folders = append(folders, strings.TrimPrefix(name, module+"/"))
	}
	return folders
}

// documented is the documentation of a public package, with the files that it was made of.
func documented(t *testing.T, folder string) (*doc.Package, []*ast.File) {
	t.Helper()
	set := token.NewFileSet()
	var files []*ast.File
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		file, err := parser.ParseFile(set, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	p, err := doc.NewFromFiles(set, files, module+"/"+folder)
	if err != nil {
		t.Fatal(err)
	}
	return p, files
}

// TestPublicDocumentationNeedsNoInternalPackage: what go doc shows of a public package names no
// package that its reader can't import, neither in words nor as a type.
func TestPublicDocumentationNeedsNoInternalPackage(t *testing.T) {
	internal := internalNames(t)
	for _, folder := range publicPackages(t) {
		p, _ := documented(t, folder)
		for _, text := range texts(p) {
			for _, name := range regexp.MustCompile(`\[\*?([a-z0-9]+)\.[A-Z]\w*`).FindAllStringSubmatch(text, -1) {
				if internal[name[1]] {
					t.Errorf("%s: its documentation points to %s", folder, name[0])
				}
			}
			if strings.Contains(text, "internal/") {
				t.Errorf("%s: its documentation names an internal package: %s", folder, text)
			}
		}
		for name, where := range exportedSelectors(p) {
			if internal[name] {
				t.Errorf("%s: %s uses a type of the internal package %s", folder, where, name)
			}
		}
	}
}

// internalNames are the names of the internal packages that no public one has.
func internalNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, folder := range packages(t) {
		if isInternal(folder) {
			names[filepath.Base(folder)] = true
		}
	}
	for _, folder := range publicPackages(t) {
		delete(names, filepath.Base(folder))
	}
	if !names["engine"] || !names["awsconf"] {
		t.Fatalf("the internal packages are missing: %v", slices.Sorted(maps.Keys(names)))
	}
	return names
}

// texts are all comments that go doc shows of a package.
func texts(p *doc.Package) []string {
	all := []string{p.Doc}
	values := func(vs []*doc.Value) {
		for _, v := range vs {
			all = append(all, v.Doc, comments(v.Decl))
		}
	}
	functions := func(fs []*doc.Func) {
		for _, f := range fs {
			all = append(all, f.Doc)
		}
	}
	values(p.Consts)
	values(p.Vars)
	functions(p.Funcs)
	for _, typ := range p.Types {
		all = append(all, typ.Doc, comments(typ.Decl))
		values(typ.Consts)
		values(typ.Vars)
		functions(typ.Funcs)
		functions(typ.Methods)
	}
	return all
}

// comments are those within a declaration, such as of fields.
func comments(decl ast.Node) string {
	var text strings.Builder
	ast.Inspect(decl, func(n ast.Node) bool {
		if group, ok := n.(*ast.CommentGroup); ok {
			text.WriteString(group.Text())
		}
		return true
	})
	return text.String()
}

// exportedSelectors are the package names in the exported declarations of a package, with one
// declaration that has each. doc has removed bodies and unexported fields.
func exportedSelectors(p *doc.Package) map[string]string {
	found := map[string]string{}
	note := func(where string, node ast.Node) {
		ast.Inspect(node, func(n ast.Node) bool {
			if selector, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := selector.X.(*ast.Ident); ok {
					found[x.Name] = where
				}
			}
			return true
		})
	}
	for _, f := range p.Funcs {
		note(f.Name, f.Decl.Type)
	}
	for _, typ := range p.Types {
		note(typ.Name, typ.Decl)
		for _, f := range slices.Concat(typ.Funcs, typ.Methods) {
			note(typ.Name+"."+f.Name, f.Decl.Type)
		}
	}
	return found
}

// TestExamplesOfALibraryRun: reading, loading, writing, listing, errors and the environment each have
// an example, and every example has an output, so that go test runs it.
func TestExamplesOfALibraryRun(t *testing.T) {
	found := map[string]bool{}
	for _, folder := range publicPackages(t) {
		_, files := documented(t, folder)
		for _, file := range files {
			for _, example := range doc.Examples(file) {
				found[folder+" "+example.Name] = true
				if example.Output == "" {
					t.Errorf("%s: Example%s has no output", folder, example.Name)
				}
			}
		}
	}
	for _, want := range []string{
		"store Store_read", "store Store_load", "store Store_write", "store Lister", "store Error", "store Value",
		"environ Build", "store/s3kms Read", "store/s3kms Open", "store/local New",
	} {
		if !found[want] {
			t.Errorf("no example %q", want)
		}
	}
}

// TestProgramsOfTheLibraryPageCompile: each Go program of docs/library.md, and its table of sentinels.
func TestProgramsOfTheLibraryPageCompile(t *testing.T) {
	page, err := os.ReadFile("docs/library.md")
	if err != nil {
		t.Fatal(err)
	}
	programs := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatch(page, -1)
	if len(programs) < 2 {
		t.Fatalf("%d programs", len(programs))
	}
	for _, program := range programs {
		name := filepath.Join(t.TempDir(), "main.go")
		if err := os.WriteFile(name, program[1], 0o600); err != nil {
			t.Fatal(err)
		}
		if output, err := exec.CommandContext(t.Context(), "go", "vet", name).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s\n%s", err, output, program[1])
		}
	}
	p, _ := documented(t, "store")
	for _, v := range p.Vars {
		for _, name := range v.Names {
			if strings.HasPrefix(name, "Err") && !strings.Contains(string(page), "`"+name+"`") {
				t.Errorf("docs/library.md doesn't explain store.%s", name)
			}
		}
	}
}
