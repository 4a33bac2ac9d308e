package project

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const whole = `# a comment
services: [shared, api]
keys:
  db_password:
    description: The password of the user app.
    variable: PGPASSWORD
  port: {type: port, optional: true}
  tls_key:
variables:
  DATABASE_URL: "postgres://app:{{ coffer://api/db_password | url }}@db/app"
  BOTH: '{{coffer://api/db_password}}:{{ coffer://team/vault/other }}'
`

func TestAFileSaysWhatAProgramNeeds(t *testing.T) {
	f, err := Parse([]byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	want := &File{
		Name:     Name,
		Services: []string{"shared", "api"},
		Keys: []Key{
			{Name: "db_password", Description: "The password of the user app.", Variable: "PGPASSWORD", Line: 4},
			{Name: "port", Type: "port", Optional: true, Line: 7},
			{Name: "tls_key", Line: 8},
		},
		Variables: []Variable{{Name: "DATABASE_URL", Line: 10}, {Name: "BOTH", Line: 11}},
	}
	if diff := cmp.Diff(want, f, cmpopts.IgnoreUnexported(Variable{})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"shared", "api", "team/vault"}, f.Every()); diff != "" {
		t.Error(diff)
	}
}

// numbered repeats a line with a number.
func numbered(line string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, line, i)
	}
	return b.String()
}

// refused are files, each with what its error says. bySchema is false for what a schema of JSON can't say: what
// is of YAML, of the text within {{ }}, or about two entries.
var refused = []struct {
	file, want string
	bySchema   bool
}{
	{"", `it is empty; it must at least have "services"`, false},
	{"# nothing\n", "it is empty", false},
	{"keys: {}\n", `"services" is missing`, true},
	{"[api]\n", "line 1: the file must be a map", true},
	{"api\n", "line 1: the file must be a map", true},
	{"services: api\n", "line 1: \"services\" must be a list", true},
	{"services: []\n", "line 1: \"services\" must be a list of at least one", true},
	{"services: [" + strings.Repeat("a, ", 60) + "]\n", "the limit is 50", true},
	{"services: [api, api]\n", `line 1: service "api" is listed twice`, true},
	{"services: [12]\n", "line 1: a service must be a text", true},
	{"services: [[api]]\n", "line 1: a service must be a text", true},
	{"services: [a b]\n", `line 1: service "a b": ' ' is not allowed`, true},
	{"services: [../x]\n", "not a valid name", true},
	{"services: [a/__kms]\n", "reserved", true},
	{"services: [/a]\n", `begins with "/"`, true},
	{"services: ['api:prod']\n", "not allowed", true},
	{"services: ['']\n", "the service name is empty", true},
	{"services: [" + strings.Repeat("a", 1025) + "]\n", "the limit is 1024", true},
	{"services: [api]\nsevices: [x]\n", `line 2: unknown field "sevices" (nearest: "services")`, true},
	{"services: [api]\n? [a]\n: b\n", "line 2: the names in the file must be plain text", false},
	{"services: [api]\nservices: [web]\n", `line 2: "services" is already on line 1`, false},
	{"services: [api]\nkeys: [a]\n", `line 2: "keys" must be a map`, true},
	{"services: [api]\nkeys:\n  a:\n  b:\n  a:\n", `line 5: "a" is already on line 3`, false},
	{"services: [api]\nkeys: {a b: }\n", "line 2: key \"a b\"", true},
	{"services: [api]\nkeys: {__a: }\n", "reserved", true},
	{"services: [api]\nkeys: {'': }\n", "the key name is empty", true},
	{"services: [api]\nkeys: {" + strings.Repeat("k", 256) + ": }\n", "the limit is 255", true},
	{"services: [api]\nkeys: {a: url}\n", `line 2: the value of the key "a" must be a map`, true},
	{"services: [api]\nkeys: {a: {typ: url}}\n", `line 2: unknown field "typ" (nearest: "type")`, true},
	{"services: [api]\nkeys: {a: {type: prt}}\n", `line 2: unknown type "prt" (nearest: "port")`, true},
	{"services: [api]\nkeys: {a: {type: 1}}\n", `"type" must be a text`, true},
	{"services: [api]\nkeys: {a: {type: [url]}}\n", `"type" must be a text`, true},
	{"services: [api]\nkeys: {a: {optional: yes}}\n", `"optional" must be true or false`, true},
	{"services: [api]\nkeys: {a: {optional: 'true'}}\n", `"optional" must be true or false`, true},
	{"services: [api]\nkeys: {a: {description: }}\n", `"description" must be a text`, true},
	{"services: [api]\nkeys: {a: {description: 2026-08-01}}\n", `"description" must be a text`, true},
	{"services: [api]\nkeys: {a: {variable: 1A}}\n", `line 2: "1A" is not a name of a variable`, true},
	{"services: [api]\nkeys: {a: {variable: 'A=b'}}\n", "is not a name of a variable", true},
	{"services: [api]\nkeys: {a: {variable: ''}}\n", "is not a name of a variable", true},
	{"services: [api]\nkeys: {a: {variable: É}}\n", "is not a name of a variable", true},
	{"services: [api]\nkeys: {a: {variable: Coffer_S3_BUCKET}}\n", "can't set Coffer_S3_BUCKET", true},
	{"services: [api]\nvariables: {CHAMBER_X: '{{ coffer://a/b }}'}\n", "can't set CHAMBER_X", true},
	{"services: [api]\nvariables: [A]\n", `"variables" must be a map`, true},
	{"services: [api]\nvariables: {A: 1}\n", "must be a text", true},
	{"services: [api]\nvariables: {A: {b: c}}\n", "must be a text", true},
	{"services: [api]\nvariables: {A: text}\n", "line 2: A has no reference", true},
	{"services: [api]\nvariables: {A: 'x coffer://a/b y'}\n", "line 2: A: put a reference in braces", true},
	{"services: [api]\nvariables: {A: '{{ cofer://a/b }}'}\n", "line 2: A: what is in {{ }} must be a reference", true},
	{"services: [api]\nvariables: {A: '{{ coffer://a/b?version=2 }}'}\n", "names a version", true},
	{"services: [api]\nvariables: {A: '{{ coffer://a:b/c }}'}\n", "names a label", false},
	{"services: [api]\nvariables: {A: '{{ coffer://a/b | jsn }}'}\n", `line 2: A:1:1: unknown filter "jsn" (nearest: "json")`, false},
	{"services: [api]\nvariables: {A: '{{ coffer://a/b }} {{ x }}'}\n", "what is in {{ }} must be a reference", false},
	{"services: [api]\nkeys: {b: {variable: A}}\nvariables: {A: '{{ coffer://a/b }}'}\n", "line 3: the variable A is already set on line 2", false},
	{"services: [api]\nkeys: {a-b: , a_b: }\n", "line 2: the variable A_B is already set on line 2", false},
	{"services: [api]\n---\nservices: [web]\n", "a second document begins here", false},
	{"services: &s [api]\n", "line 1: anchors and aliases", false},
	{"services: [api]\nkeys: {a: *s}\n", "not YAML", false},
	{"services: !!seq [api]\n", "line 1: tags (!) are not allowed", false},
	{"services: [!!binary YQ==]\n", "line 1: tags (!) are not allowed", false},
	{"services: [api\nkeys: {}\n", "this is not YAML", false},
	{"services: [\"\xff\"]\n", "it is not UTF-8", false},
	{"services: [\"\x01\"]\n", "not YAML", false},
	{"\tservices: [api]\n", "not YAML", false},
	{"services: [api]\nkeys:\n" + numbered("  k%d:\n", 1001), "line 3: 1001 keys are listed; the limit is 1000", true},
	{strings.Repeat("# a long comment\n", 20_000), "it is longer than 262144 bytes", false},
}

func TestAFileIsRefusedWithTheLineAndTheReason(t *testing.T) {
	for _, c := range refused {
		f, err := Parse([]byte(c.file))
		var problems Problems
		if f != nil || !errors.As(err, &problems) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.80q: %v; want %q", c.file, err, c.want)
		}
	}
}

// What could send secrets elsewhere, or run something, is refused with the reason, however it is spelled.
func TestAFileCanSetNothingOfTheStore(t *testing.T) {
	for _, name := range []string{
		"bucket", "endpoint", "endpoint_url", "endpoint-url", "region", "kms_key_alias", "key_arns", "context", "contexts", "backend", "Backend", "profile", "config", "dir", "allow_http",
	} {
		_, err := Parse([]byte("services: [api]\n" + name + ": x\n"))
		if err == nil || !strings.Contains(err.Error(), "line 2: \""+name+"\" can't be set here: whoever changes this repository could send you to another store") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"command", "run", "hooks", "include", "file", "allow_env"} {
		_, err := Parse([]byte("services: [api]\nkeys: {a: {" + name + ": x}}\n"))
		if err == nil || !strings.Contains(err.Error(), "line 2: \""+name+"\" can't be set here: a project's file runs nothing") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAllProblemsOfAFileAreNamedInOrder(t *testing.T) {
	_, err := Parse([]byte("services: [a b, api]\nkeys:\n  x: {type: prt, optional: 1}\n  __y:\nvariables: {A: b}\nbucket: c\n"))
	var problems Problems
	if !errors.As(err, &problems) {
		t.Fatal(err)
	}
	var lines []int
	for _, p := range problems {
		lines = append(lines, p.Line)
	}
	if diff := cmp.Diff([]int{1, 3, 3, 4, 5, 6}, lines); diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	_, err = Parse([]byte("services: [api]\n" + strings.Repeat("? [a]\n: b\n", 500)))
	if text := err.Error(); !strings.HasSuffix(text, "and 490 more") || len(text) > 1000 {
		t.Errorf("%s", text)
	}
}

// An error names fields and lines, and quotes nothing else: the file may be another one than was meant.
func TestAnErrorQuotesNoContentOfAFile(t *testing.T) {
	const canary = "Xq7zCanary9"
	for _, file := range []string{
		"services: [api]\nkeys: {a: " + canary + "}\n", "services: " + canary + "\n", "services: [api]\nkeys: {a: {optional: " + canary + "}}\n", canary, "'" + canary, "a: b: " + canary, "services: [api]\nvariables: {A: " + canary + "}\n",
		"services: [api]\nvariables: {A: '" + canary + " coffer://a/b'}\n", "-----BEGIN KEY-----\n" + canary + "\n", "services: [api]\nunknown: " + canary + "\n", "password=" + canary + "\n",
	} {
		if _, err := Parse([]byte(file)); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%q: %v", file, err)
		}
	}
}

func TestVariablesThatSteerProgramsNeedTheConsentOfTheCommandLine(t *testing.T) {
	names := []string{"LD_PRELOAD", "PATH", "NODE_OPTIONS", "GIT_SSH_COMMAND", "HTTPS_PROXY", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE", "aws_config_file", "KUBECONFIG", "BASH_ENV", "HOME"}
	for _, name := range names {
		for _, file := range []string{"services: [api]\nkeys: {a: {variable: " + name + "}}\n", "services: [api]\nvariables: {" + name + ": '{{ coffer://a/b }}'}\n"} {
			f, err := Parse([]byte(file))
			if err != nil {
				t.Fatal(err)
			}
			errs := f.RefuseVariables([]string{"OTHER"})
			if len(errs) != 1 || !strings.Contains(errs[0].Error(), "line 2: a project's file can't set "+name) {
				t.Errorf("%s: %v", name, errs)
			}
			if errs := f.RefuseVariables([]string{strings.ToLower(name)}); len(errs) > 0 {
				t.Errorf("%s, allowed: %v", name, errs)
			}
		}
	}
	f, err := Parse([]byte("services: [api]\nkeys: {a: {variable: AWS_SECRET_ACCESS_KEY}, b: {variable: PGPASSWORD}}\n"))
	if errs := f.RefuseVariables(nil); err != nil || len(errs) > 0 {
		t.Errorf("%v, %v", err, errs)
	}
}

// A file of a stranger makes no long work, whatever it has.
func TestNoFileMakesParsingLong(t *testing.T) {
	for name, text := range map[string]string{
		"references": "services: [api]\nvariables:\n" + numbered("  V%d: '{{ coffer://api/k }}'\n", 6000),
		"one text":   "services: [api]\nvariables: {A: '" + strings.Repeat("{{ coffer://api/k }}", 10_000) + "'}\n",
		"braces":     "services: [api]\nvariables: {A: '" + strings.Repeat("{{", 100_000) + "'}\n",
		"services":   "services: [api]\nvariables:\n" + numbered("  V%d: '{{ coffer://s%[1]d/k }}'\n", 6000),
		"flow":       strings.Repeat("[", 200_000),
		"maps":       strings.Repeat("{a: ", 60_000),
		"questions":  strings.Repeat("? ", 120_000),
		"dashes":     strings.Repeat("- ", 120_000),
		"lines":      "services: [" + strings.Repeat("\n", 200_000) + "]",
		"one name":   "services: [api]\nkeys: {" + strings.Repeat("k", 200_000) + ": }\n",
	} {
		if len(text) > MaxBytes {
			t.Fatalf("%s: %d bytes", name, len(text))
		}
		var f *File
		var err error
		if n := testing.AllocsPerRun(1, func() { f, err = Parse([]byte(text)) }); n > 1<<21 {
			t.Errorf("%s: %v allocations", name, n)
		}
		if err != nil && len(err.Error()) > 4000 {
			t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
		}
		if f != nil && len(f.Compare([]Listing{{Service: "api", Keys: []string{"x"}}})) > 2 {
			t.Errorf("%s: more rows than keys", name)
		}
	}
}

// FuzzParse: a file is valid or refused with a reason on one line, and a file whose aliases make it large is not
// expanded.
func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	for _, c := range refused {
		if len(c.file) < 2000 {
			f.Add([]byte(c.file))
		}
	}
	f.Add([]byte("a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b]\nservices: [*c]\n"))
	f.Add([]byte(strings.Repeat("[", 5000)))
	f.Fuzz(func(t *testing.T, body []byte) {
		file, err := Parse(body)
		var problems Problems
		switch {
		case err == nil && (file == nil || len(file.Services) == 0 || len(file.Every()) > MaxServices):
			t.Errorf("%q is valid: %+v", body, file)
		case err != nil && (!errors.As(err, &problems) || len(problems) == 0 || strings.ContainsAny(err.Error(), "\n\x1b\x00")):
			t.Errorf("%q: %q", body, err)
		case err == nil:
			file.Compare([]Listing{{Service: "api", Keys: []string{"a"}}})
			file.RefuseVariables(nil)
		}
	})
}

func TestADraftIsAValidFile(t *testing.T) {
	body, err := Draft([]Listing{{"API", []string{"db_url", "on", "0x1", "1e3", "-a", "null", "a.b"}}, {"rds!cluster-1", []string{"db_url", "true"}}, {"012", nil}})
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse(body)
	if err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	var keys []string
	for _, k := range f.Keys {
		keys = append(keys, k.Name)
	}
	if diff := cmp.Diff([]string{"-a", "0x1", "1e3", "a.b", "db_url", "null", "on", "true"}, keys); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"API", "rds!cluster-1", "012"}, f.Services); diff != "" {
		t.Error(diff)
	}
	// What is commented out is valid without the marks.
	more := strings.NewReplacer("\n#   ", "\n  ", "\n# variables", "\nvariables").Replace(string(body))
	if f, err := Parse([]byte(more)); err != nil || len(f.Keys) != len(keys)+1 || len(f.Variables) != 1 {
		t.Errorf("%v\n%s", err, more)
	}
	if _, err := os.Stat("../../docs/coffer.schema.json"); err != nil || !strings.HasSuffix(SchemaURL, "/docs/coffer.schema.json") {
		t.Errorf("%v: %s", err, SchemaURL)
	}
}
