package doctor

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// checksOfSource finds the kinds of findings in the source of an inspection, so that a new one is
// in no list that somebody must keep: what is given to finding and of, or as Check, and what
// judgeEntry returns first.
func checksOfSource(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "..", "store", "internal", "engine", "inspect", "findings*.go"))
	if err != nil || len(paths) != 3 {
		t.Fatalf("%q, error %v", paths, err)
	}
	names, checks := checkConstants(t), map[string]bool{}
	add := func(e ast.Expr) {
		if name, ok := e.(*ast.SelectorExpr); ok && strings.HasPrefix(name.Sel.Name, "Check") {
			checks[names[name.Sel.Name]] = true
		}
		if text, ok := e.(*ast.BasicLit); ok && text.Kind == token.STRING && text.Value != `""` {
			t.Errorf("the check %s isn't a constant of store/admin", text.Value)
		}
	}
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "finding" || f.Name == "of") {
					add(n.Args[0])
				}
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Check" {
					add(n.Value)
				}
			case *ast.AssignStmt:
				if to, ok := n.Lhs[0].(*ast.SelectorExpr); ok && to.Sel.Name == "Check" {
					add(n.Rhs[0])
				}
			case *ast.ReturnStmt:
				if len(n.Results) == 3 {
					add(n.Results[0])
				}
			}
			return true
		})
	}
	return slices.Sorted(maps.Keys(checks))
}

// checkConstants returns the names of checks in package admin, by the names of their constants.
func checkConstants(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", "store", "admin", "checks.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			if names[spec.Names[0].Name], err = strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value); err != nil {
				t.Fatal(err)
			}
		}
		return true
	})
	return names
}

// Whatever a finding is about, on whatever backend, it names a command, with everything filled in
// that can be known.
func TestEveryKindOfFindingNamesItsCommand(t *testing.T) {
	checks := checksOfSource(t)
	if len(checks) < 21 || !slices.Contains(checks, admin.CheckNameClash) || !slices.Contains(checks, admin.CheckGhost) || !slices.Contains(checks, admin.CheckRollback) {
		t.Fatalf("the source has the checks %q", checks)
	}
	for _, backend := range []string{"s3-kms", "s3", "local"} {
		a := &app.App{InForce: &app.Settings{
			Backend: app.Setting{Value: backend}, Bucket: app.Setting{Value: "b"}, KMSKeyAlias: app.Setting{Value: "alias/app"},
			Dir: app.Setting{Value: "/data"}, KeyDir: app.Setting{Value: "/keys"},
		}}
		for _, check := range checks {
			for _, f := range []admin.Finding{
				{ID: store.ID{Service: "api", Key: "k"}, Object: "api/k.json", KeyAlias: "alias/ops"},
				{ID: store.ID{Service: "api"}, Object: "api/__kms_alias_ops__latest.json", KeyAlias: "alias/ops"},
				{ID: store.ID{Service: "api"}, KeyAlias: "alias/ops"},
				{ID: store.ID{Service: "api"}},
			} {
				for _, f.Severity = range []admin.Severity{admin.Serious, admin.Warning, admin.Remark} {
					f.Check = check
					seen := &admin.Inspection{
						Service: "api", Foreign: []string{"api/notes.txt"}, Findings: []admin.Finding{f},
						Secrets: []admin.Inspected{{Meta: store.Meta{ID: store.ID{Service: "api", Key: "k"}, KeyAlias: "alias/app"}, KeyID: "K"}},
					}
					command := commandFor(a, &f, seen)
					if command == "" || strings.ContainsAny(command, "{}") || strings.HasPrefix(command, " ") {
						t.Errorf("%s: a %s of %q, %s: the command is %q", backend, check, subject(f), f.Severity, command)
					}
					if f.KeyAlias != "" && f.ID.Key != "" && strings.Contains(command, "''") {
						t.Errorf("%s: a %s of %q: something is not filled in: %q", backend, check, subject(f), command)
					}
				}
			}
		}
	}
	rows := map[string]bool{}
	for _, m := range commands {
		if m.onS3 == "" || rows[m.check] {
			t.Errorf("the row of %q is empty, or there twice", m.check)
		}
		rows[m.check] = true
	}
}

const teamOneIndex = "api/__kms_alias_team_one__latest.json"

var (
	nameClash   = admin.Finding{Check: admin.CheckNameClash, ID: inAPI(""), Object: teamOneIndex, KeyAlias: "alias/team_one"}
	deniedIndex = &store.Error{Err: store.ErrDenied}
)

// findingCommands are findings, each with the inspection that it stands in and the command that repairs it.
var findingCommands = map[string]struct {
	backend string
	finding admin.Finding
	seen    admin.Inspection
	want    string
}{
	"a stray value in an index of two aliases": {
		finding: admin.Finding{Check: admin.CheckStray, ID: inAPI("k"), Object: teamOneIndex, KeyAlias: "alias/team/one"},
		seen:    admin.Inspection{Findings: []admin.Finding{nameClash}},
		want:    "coffer rekey api --from alias/team_one --to ALIAS",
	},
	"an old entry beside a rollback": {
		finding: admin.Finding{Check: admin.CheckDrift, ID: inAPI("k"), Object: teamOneIndex, KeyAlias: "alias/app"},
		seen:    admin.Inspection{Findings: []admin.Finding{{Check: admin.CheckRollback, ID: inAPI("l"), KeyAlias: "alias/app"}}},
		want:    "coffer doctor --fix --allow-rollback api",
	},
	"an old entry beside a rollback of another alias": {
		finding: admin.Finding{Check: admin.CheckDrift, ID: inAPI("k"), Object: teamOneIndex, KeyAlias: "alias/ops"},
		seen:    admin.Inspection{Findings: []admin.Finding{{Check: admin.CheckRollback, ID: inAPI("l"), KeyAlias: "alias/app"}}},
		want:    "coffer doctor --fix api --kms-key-alias alias/ops",
	},
	"an index of nobody knows whom": {
		finding: admin.Finding{Check: admin.CheckGhost, ID: inAPI("k"), Object: teamOneIndex, KeyAlias: "alias/team_one"},
		want:    "coffer doctor --fix api --kms-key-alias alias/team_one",
	},
	"a secret in no index, of nobody knows whom": {
		finding: admin.Finding{Check: admin.CheckOrphan, ID: inAPI("")},
		want:    "coffer read -n api KEY | coffer write --adopt api KEY -",
	},
	"a secret that the index of another alias has no place for": {
		finding: admin.Finding{Check: admin.CheckOrphan, ID: inAPI(""), KeyAlias: "alias/team_one"},
		want:    "coffer rekey api --from alias/team_one --to ALIAS",
	},
	"a rekey that was interrupted": {
		finding: admin.Finding{Check: admin.CheckMoving, ID: inAPI("k"), KeyAlias: "alias/ops"},
		seen:    admin.Inspection{Secrets: []admin.Inspected{{Meta: store.Meta{ID: inAPI("k"), KeyAlias: "alias/app"}}}},
		want:    "coffer rekey api --from alias/app --to alias/ops",
	},
	"an index under a key that is not pinned": {
		finding: admin.Finding{Check: admin.CheckOtherKey, Severity: admin.Serious, ID: inAPI(""), Object: teamOneIndex, Useless: true},
		want:    "aws s3api delete-object --bucket b --key " + teamOneIndex + " && coffer doctor --fix api",
	},
	"a secret under a key that is not pinned": {
		finding: admin.Finding{Check: admin.CheckOtherKey, Severity: admin.Serious, ID: inAPI("k"), Object: "api/k.json", Older: "v1"},
		want:    "aws s3api delete-object --bucket b --key api/k.json && coffer restore api k --deleted --at v1",
	},
	"a key that is about to be deleted": {
		finding: admin.Finding{Check: admin.CheckDisabledKey, ID: inAPI("k"), Text: "KMS.KMSInvalidStateException"},
		seen:    admin.Inspection{Secrets: []admin.Inspected{{Meta: store.Meta{ID: inAPI("k")}, KeyID: "arn:k"}}},
		want:    "aws kms cancel-key-deletion --key-id arn:k && aws kms enable-key --key-id arn:k",
	},
	"a key that nobody tells": {
		finding: admin.Finding{Check: admin.CheckDisabledKey, ID: inAPI("k"), Text: "KMS.DisabledException"}, want: "coffer keys api",
	},
	"an index that somebody has named": {
		finding: admin.Finding{Check: admin.CheckCorruptIndex, ID: inAPI(""), Object: "api/__kms';x;'__latest.json", Useless: true},
		want:    `aws s3api delete-object --bucket b --key 'api/__kms'"'"';x;'"'"'__latest.json' && coffer doctor --fix api`,
	},
	"foreign objects": {
		finding: admin.Finding{Check: admin.CheckForeign, ID: inAPI("")},
		seen:    admin.Inspection{Foreign: []string{"api/notes.txt", "api/$(x)", "api/1", "api/2", "api/3", "api/4"}},
		want: "aws s3 mv s3://b/api/notes.txt . && aws s3 mv s3://b/'api/$(x)' . && aws s3 mv s3://b/api/1 . && " +
			"aws s3 mv s3://b/api/2 . && aws s3 mv s3://b/api/3 .",
	},
	"a foreign file": {
		backend: "local", finding: admin.Finding{Check: admin.CheckForeign, ID: inAPI("")}, seen: admin.Inspection{Foreign: []string{"api/Notes.txt"}},
		want: "mv '/my data/api/+notes.txt' .",
	},
	"a secret without an older version": {
		finding: admin.Finding{Check: admin.CheckUnsealed, Severity: admin.Serious, ID: inAPI("k"), Object: "api/k.json"},
		want:    "aws s3 cp s3://b/api/k.json .",
	},
	"an index that may have the only copy": {
		finding: admin.Finding{Check: admin.CheckUnsealed, Severity: admin.Serious, ID: inAPI(""), Object: teamOneIndex},
		want:    "aws s3 cp s3://b/" + teamOneIndex + " .",
	},
	"an object that was copied over a secret": {
		finding: admin.Finding{Check: admin.CheckCopied, Severity: admin.Serious, ID: inAPI("k"), Object: "api/k.json", Older: "v1"},
		want:    "aws s3api delete-object --bucket b --key api/k.json && coffer restore api k --deleted --at v1",
	},
	"an object that was copied over an index": {
		finding: admin.Finding{Check: admin.CheckCopied, Severity: admin.Serious, ID: inAPI(""), Object: teamOneIndex, Useless: true},
		want:    "aws s3api delete-object --bucket b --key " + teamOneIndex + " && coffer doctor --fix api",
	},
	"identities that are not here": {
		backend: "local", finding: admin.Finding{Check: admin.CheckHidden, ID: inAPI("")},
		seen: admin.Inspection{Indexes: []admin.InspectedIndex{{Object: teamOneIndex, Err: deniedIndex}, {Object: "api/__kms_alias_ops__latest.json", Err: deniedIndex}, {Object: "api/x"}}},
		want: "(umask 077; mkdir -p /keys; cat BACKUP/alias_team_one.age >> /keys/alias_team_one.age; cat BACKUP/alias_ops.age >> /keys/alias_ops.age)",
	},
	"an identity that is not here": {
		backend: "local", finding: admin.Finding{Check: admin.CheckDeniedIndex, ID: inAPI(""), Object: teamOneIndex},
		seen: admin.Inspection{Indexes: []admin.InspectedIndex{{Object: teamOneIndex, Err: deniedIndex}, {Object: "api/__kms_alias_ops__latest.json", Err: deniedIndex}}},
		want: "(umask 077; mkdir -p /keys; cat BACKUP/alias_team_one.age >> /keys/alias_team_one.age)",
	},
	"an identity that others can read": {
		backend: "local", finding: admin.Finding{Check: admin.CheckDisabledKey, ID: inAPI("k"), Text: "/keys/alias_app.age can be read by others (mode 0644): chmod 600 /keys/alias_app.age"},
		want: "chmod go-w /keys && chmod 600 /keys/*.age",
	},
	"an identity of another user": {
		backend: "local", finding: admin.Finding{Check: admin.CheckDisabledKey, ID: inAPI("k"), Text: "/keys/alias_app.age belongs to another user: chown 1000 /keys/alias_app.age"},
		want: `sudo chown -R "$(id -u)" /keys`,
	},
	"an identity that is none": {
		backend: "local", finding: admin.Finding{Check: admin.CheckDisabledKey, ID: inAPI("k"), Text: "/keys/alias_app.age is not a file of age identities"},
		want: "install -m 600 BACKUP /keys",
	},
}

// What is in the way comes first; and names that somebody else has chosen are words for the shell.
func TestCommandsOfFindings(t *testing.T) {
	for name, test := range findingCommands {
		if test.backend == "" {
			test.backend = "s3-kms"
		}
		a := &app.App{InForce: &app.Settings{
			Backend: app.Setting{Value: test.backend}, Bucket: app.Setting{Value: "b"}, KMSKeyAlias: app.Setting{Value: "alias/app"},
			Dir: app.Setting{Value: "/my data"}, KeyDir: app.Setting{Value: "/keys"},
		}}
		if got := commandFor(a, &test.finding, &test.seen); got != test.want {
			t.Errorf("%s: %s\nwant %s", name, got, test.want)
		}
	}
}

func inAPI(key string) store.ID { return store.ID{Service: "api", Key: key} }
