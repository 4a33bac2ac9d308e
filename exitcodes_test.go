package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/app"
)

// TestExitCodesAreDocumented holds the exit codes of the program and the tables of the documents
// together.
func TestExitCodesAreDocumented(t *testing.T) {
	codes := exitCodes(t)
	if len(codes) < 12 {
		t.Fatalf("the program has the codes %q", codes)
	}
	inHelp := map[string]bool{}
	for _, code := range app.ExitCodes() {
		inHelp[strconv.Itoa(code.Code)] = true
	}
	for name, code := range codes {
		if !inHelp[code] {
			t.Errorf("coffer help exit-codes doesn't have the exit code %s (%s)", code, name)
		}
	}
	if len(inHelp) != len(codes) {
		t.Errorf("coffer help exit-codes has %d codes, the program %d", len(inHelp), len(codes))
	}
	for _, path := range []string{"README.md", "docs/design/architecture.md"} {
		documented := documentedCodes(t, path)
		for name, code := range codes {
			if !slices.Contains(documented, code) {
				t.Errorf("%s doesn't have the exit code %s (%s)", path, code, name)
			}
		}
		for _, code := range documented {
			if code != "128+N" && !slices.Contains(slices.Collect(maps.Values(codes)), code) { // of the command that exec runs
				t.Errorf("%s has the exit code %s, which the program doesn't", path, code)
			}
		}
		if !slices.Contains(documented, "128+N") {
			t.Errorf("%s doesn't have the exit codes of signals, 128+N", path)
		}
	}
}

// exitCodes returns the constants of the program for exit codes.
func exitCodes(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "internal/app/explain.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 || !strings.HasPrefix(strings.ToLower(spec.Names[0].Name), "exit") {
			return true
		}
		if value, ok := spec.Values[0].(*ast.BasicLit); ok && value.Kind == token.INT {
			codes[spec.Names[0].Name] = value.Value
		}
		return true
	})
	return codes
}

// documentedCodes returns the codes in the first column of a document's table of exit codes.
func documentedCodes(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "| 0 | success |")
	if !found {
		t.Fatalf("%s has no table of exit codes", path)
	}
	table, _, _ = strings.Cut("| 0 | success |"+table, "\n\n")
	var codes []string
	for _, row := range regexp.MustCompile(`(?m)^\| ([^|]*) \|`).FindAllStringSubmatch(table, -1) {
		codes = append(codes, strings.Split(row[1], ", ")...)
	}
	return codes
}
