package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// narrow says what a narrow terminal does with the columns of a table.
type narrow struct{ Cut, Drop []string }

// printsTableOf has the functions that print a table with columns that may be cut or left out, and the rows of
// docs/design/cli.md that are about it.
var printsTableOf = map[string][]string{
	"cmd/list.go ListCmd.print":                       {"list"},
	"cmd/list.go HistoryCmd.Run":                      {"history"},
	"cmd/keys.go printKeyUses":                        {"keys"},
	"cmd/keys_members.go KeysMembersCmd.Run":          {"keys members"},
	"cmd/keys_revoke.go KeysRevokeCmd.plan":           {"plan of keys revoke"},
	"cmd/cache.go printCache":                         {"cache list"},
	"cmd/lock.go printMoved":                          {"lock --check"},
	"cmd/audit.go printWrites":                        {"audit"},
	"cmd/audit.go printAccesses":                      {"audit --cloudtrail"},
	"cmd/diff_print.go DiffCmd.print":                 {"diff"},
	"cmd/restore.go printCandidates":                  {"restore --deleted"},
	"cmd/config_cmd.go ConfigCmd.Run":                 {"config"},
	"cmd/whoami.go whoamiJSON.print":                  {"whoami"},
	"cmd/policy_check.go printTrials":                 {"policy check"},
	"cmd/doctor.go printServer":                       {"doctor --probe"},
	"cmd/check.go CheckCmd.print":                     {"check"},
	"cmd/tag.go printTags":                            {"tag read"},
	"cmd/rekey.go RekeyCmd.print":                     {"plan of rekey"},
	"internal/app/results.go App.PrintPlannedChanges": {"plan of import", "plan of copy"},
	"internal/migrate/report.go Migration.Report":     {"plan of migrate"},
}

// TestColumnsOfNarrowTerminals holds the table of docs/design/cli.md to the code: the columns that are cut, and
// those that are left out, in their order.
func TestColumnsOfNarrowTerminals(t *testing.T) {
	inCode := map[string]narrow{}
	for function, columns := range narrowTables(t) {
		commands, known := printsTableOf[function]
		if !known {
			t.Errorf("%s prints a table with columns that may be cut or left out: name its command in printsTableOf", function)
		}
		for _, command := range commands {
			inCode[command] = columns
		}
	}
	if diff := cmp.Diff(inCode, documentedColumns(t)); diff != "" {
		t.Errorf("docs/design/cli.md, \"Tables\" (-code +document):\n%s", diff)
	}
}

// documentedColumns returns the rows of the table in docs/design/cli.md by command.
func documentedColumns(t *testing.T) map[string]narrow {
	t.Helper()
	text, err := os.ReadFile("docs/design/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "\n| command | may be cut | left out, in this order |\n|---|---|---|\n")
	if !found {
		t.Fatal("docs/design/cli.md has no table of columns")
	}
	rows := map[string]narrow{}
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(line, "|\n"), "|")
		if len(cells) != 3 {
			break
		}
		plan := ""
		if strings.HasPrefix(cells[0], " plan of ") {
			plan = "plan of "
		}
		for _, command := range regexp.MustCompile("`[^`]+`").FindAllString(cells[0], -1) {
			rows[plan+strings.Trim(command, "`")] = narrow{columnList(cells[1]), columnList(cells[2])}
		}
	}
	return rows
}

func columnList(cell string) []string {
	if cell = strings.TrimSpace(cell); cell == "" {
		return nil
	}
	return strings.Split(cell, ", ")
}

// narrowTables returns what the calls of Cuts, Drops and PrintPlan say, by the function that calls them.
func narrowTables(t *testing.T) map[string]narrow {
	t.Helper()
	found := map[string]narrow{}
	for _, root := range []string{"cmd", "internal"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			for _, decl := range file.Decls {
				f, ok := decl.(*ast.FuncDecl)
				if !ok || f.Name.Name == "PrintPlan" {
					continue
				}
				if columns := narrowIn(f.Body); len(columns.Cut)+len(columns.Drop) > 0 {
					found[filepath.ToSlash(path)+" "+functionName(f)] = columns
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// narrowIn returns the columns that the calls in a function's body name. PrintPlan cuts the column Change.
func narrowIn(body ast.Node) (columns narrow) {
	ast.Inspect(body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		method, ok := call.Fun.(*ast.SelectorExpr)
		switch {
		case !ok:
		case method.Sel.Name == "Cuts":
			columns.Cut = literals(call.Args)
		case method.Sel.Name == "Drops":
			columns.Drop = literals(call.Args)
		case method.Sel.Name == "PrintPlan":
			columns.Cut, columns.Drop = []string{"Change"}, literals(call.Args[1].(*ast.CompositeLit).Elts)
		}
		return true
	})
	return columns
}

func literals(args []ast.Expr) (out []string) {
	for _, arg := range args {
		text := fmt.Sprintf("%T", arg) // a column that is no text is in no document
		if literal, ok := arg.(*ast.BasicLit); ok {
			text, _ = strconv.Unquote(literal.Value)
		}
		out = append(out, text)
	}
	return slices.Clip(out)
}

// functionName returns the name of a function, with the type of its receiver.
func functionName(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	of := f.Recv.List[0].Type
	if star, ok := of.(*ast.StarExpr); ok {
		of = star.X
	}
	return of.(*ast.Ident).Name + "." + f.Name.Name
}
