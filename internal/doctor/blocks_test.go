package doctor

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/internal/site"
	"github.com/coffer-secrets/coffer/store/admin"
)

// checks returns the names of all checks, as store/admin declares them.
func checks(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../store/admin/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("no source of store/admin: ", err)
	}
	var all []string
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			for i, name := range spec.Names {
				if value, ok := at(spec.Values, i).(*ast.BasicLit); ok && strings.HasPrefix(name.Name, "Check") {
					text, err := strconv.Unquote(value.Value)
					if err != nil {
						t.Fatal(err)
					}
					all = append(all, text)
				}
			}
			return true
		})
	}
	return all
}

func at(values []ast.Expr, i int) ast.Expr {
	if i < len(values) {
		return values[i]
	}
	return nil
}

func TestEachCheckOfDoctorSaysWhyItMatters(t *testing.T) {
	all := checks(t)
	if len(all) < 30 {
		t.Fatalf("only %d checks found: %v", len(all), all)
	}
	for _, kind := range app.BackendRows() {
		of := map[string]string{}
		for _, check := range all {
			why := reasonOf(kind, check)
			if why == "" {
				t.Errorf("%s has no reason", check)
			} else if other := of[why]; other != "" {
				t.Errorf("%s: %s and %s have the same reason", kind, check, other)
			}
			of[why] = check
			if strings.Contains(why, "chamber") && !kind.Chamber() {
				t.Errorf("%s: chamber reads nothing there: %s", kind, why)
			}
		}
	}
	if len(reasons) != len(all) {
		t.Errorf("%d reasons for %d checks", len(reasons), len(all))
	}
}

// What is as it should be has no reason to worry, and nothing to repair.
func TestWhatIsFineHasNoReasonAndNoFix(t *testing.T) {
	found := []site.Finding{{Severity: admin.Remark, Check: admin.CheckPermission, About: "api", Text: "you have s3:GetObject", Fine: true}}
	if got, want := Blocks(render.Style{}, app.Backend{}, found), "note: api (permission)\n  What: you have s3:GetObject\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	found[0].Fine = false
	if got := Blocks(render.Style{}, app.Backend{}, found); !strings.Contains(got, "Why:") {
		t.Errorf("%q has no reason", got)
	}
}
