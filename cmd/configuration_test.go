//go:build unix

package cmd

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/app"
)

// documented is a row of the table in docs/configuration.md.
type documented struct {
	name, flag, fallback, example string
	variables                     []string
}

var codeSpan = regexp.MustCompile("`([^`]*)`")

// firstSpan returns the first text between backquotes; "" if there is none.
func firstSpan(cell string) string {
	if m := codeSpan.FindStringSubmatch(cell); m != nil {
		return m[1]
	}
	return ""
}

func readConfigurationPage(t *testing.T) (page string, rows []documented) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", "configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	table, _, _ := strings.Cut(string(text), "\n## ")
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		if len(cells) != 6 {
			t.Fatalf("not six cells: %s", line)
		}
		row := documented{name: firstSpan(cells[0]), flag: firstSpan(cells[2]), fallback: strings.TrimSpace(cells[3]), example: firstSpan(cells[4])}
		for _, m := range codeSpan.FindAllStringSubmatch(cells[1], -1) {
			row.variables = append(row.variables, m[1])
		}
		rows = append(rows, row)
	}
	return string(text), rows
}

// TestTheConfigurationPageHasEverySetting holds the page against the types that the file and the
// command line are parsed into, and against every variable that the code names.
func TestTheConfigurationPageHasEverySetting(t *testing.T) {
	page, rows := readConfigurationPage(t)
	var names, want []string
	for _, row := range rows {
		names = append(names, row.name)
	}
	want = append(want, tagged(reflect.TypeFor[app.FileSettings]())...)
	want = append(want, tagged(reflect.TypeFor[app.FileConfig]())...)
	slices.Sort(names)
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("documented are %q\nin the file there are %q", names, want)
	}
	for _, flag := range globalFlags() {
		if !strings.Contains(page, "`"+flag) {
			t.Errorf("the flag %s is not documented", flag)
		}
	}
	code := map[string]bool{}
	variable := regexp.MustCompile(`"((?:COFFER|CHAMBER)_[A-Z0-9_]*[A-Z0-9])"`)
	for _, room := range []string{".", filepath.Join("..", "internal", "app")} {
		files, err := filepath.Glob(filepath.Join(room, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range variable.FindAllSubmatch(source, -1) {
				code[string(m[1])] = true
			}
		}
	}
	for name := range code {
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("the variable %s is not documented", name)
		}
	}
	for _, m := range regexp.MustCompile("`((?:COFFER|CHAMBER)_[A-Z0-9_]*[A-Z0-9])`").FindAllStringSubmatch(page, -1) {
		if !code[m[1]] {
			t.Errorf("the variable %s is documented, and read nowhere", m[1])
		}
	}
}

func tagged(of reflect.Type) []string {
	var names []string
	for i := range of.NumField() {
		if name, options, _ := strings.Cut(of.Field(i).Tag.Get("yaml"), ","); name != "" && options != "inline" {
			names = append(names, name)
		}
	}
	return names
}

// globalFlags are those of every command, as they are written.
func globalFlags() []string {
	capital := regexp.MustCompile(`([a-z])([A-Z])`)
	var flags []string
	of := reflect.TypeFor[app.Globals]()
	for i := range of.NumField() {
		field := of.Field(i)
		if _, hidden := field.Tag.Lookup("hidden"); hidden || !field.IsExported() {
			continue
		}
		name := field.Tag.Get("name")
		if name == "" {
			name = strings.ToLower(capital.ReplaceAllString(field.Name, "$1-$2"))
		}
		flags = append(flags, "--"+name)
	}
	return flags
}

// examples returns the example of each setting but those of contexts: as lines of a file, as flags
// and as variables, in the page's first spelling and in its second.
func examples(rows []documented) (file, flags []string, variables [2][]string) {
	for _, row := range rows {
		if row.name == "context" || row.name == "contexts" {
			continue
		}
		value := row.example
		if row.name == "key_arns" || row.name == "mcp_allow" { // lists
			value = "[" + value + "]"
		}
		file = append(file, row.name+": "+value)
		for i, name := range row.variables {
			variables[i] = append(variables[i], name+"="+row.example)
		}
		switch {
		case row.flag != "" && row.example == "true":
			flags = append(flags, row.flag)
		case row.flag != "":
			flags = append(flags, row.flag, row.example)
		}
	}
	return file, flags, variables
}

// TestTheConfigurationPageHoldsTrue gives each example in each way that the page names, and sees
// that it is in force and said to come from there; and that the defaults are those of the page.
func TestTheConfigurationPageHoldsTrue(t *testing.T) {
	_, rows := readConfigurationPage(t)
	home := t.TempDir()
	config := filepath.Join(home, "all.yaml")
	file, flags, variables := examples(rows)
	if err := os.WriteFile(config, []byte(strings.Join(file, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fromFile := configured(t, home, []string{"COFFER_CONFIG=" + config})
	fromVariables := []map[string]app.ConfigRow{configured(t, home, variables[0]), configured(t, home, variables[1])}
	fromFlags := configured(t, home, nil, flags...)
	defaults := []map[string]app.ConfigRow{configured(t, home, nil), configured(t, home, []string{"COFFER_S3_BUCKET=b"})}
	for _, row := range rows {
		if row.name == "context" || row.name == "contexts" {
			continue
		}
		if name, value, ok := strings.Cut(strings.Trim(row.example, "{}"), ": "); (row.name == "keys" || row.name == "key_ids") && ok {
			row.name, row.example = row.name+"."+name, value
		}
		want := app.ConfigRow{Name: row.name, Value: row.example, From: config}
		if got := fromFile[row.name]; got != want {
			t.Errorf("in the file: %+v, want %+v", got, want)
		}
		for i, name := range row.variables {
			want.From = "$" + name
			if got := fromVariables[i][row.name]; got != want {
				t.Errorf("as a variable: %+v, want %+v", got, want)
			}
		}
		if want.From = row.flag; row.flag != "" && fromFlags[row.name] != want {
			t.Errorf("as a flag: %+v, want %+v", fromFlags[row.name], want)
		}
		fallback := firstSpan(row.fallback)
		if strings.HasPrefix(row.fallback, "none") || row.fallback == "false" {
			fallback = ""
		}
		fallback = strings.NewReplacer("$XDG_DATA_HOME", home+"/data", "$XDG_CONFIG_HOME", home+"/config").Replace(fallback)
		if a, b := defaults[0][row.name].Value, defaults[1][row.name].Value; a != fallback && (b != fallback || row.name == "bucket") {
			t.Errorf("%s: the default is %q, with a bucket %q; documented is %q", row.name, a, b, row.fallback)
		}
	}
	wantContextsFrom(t, home)
}

// wantContextsFrom gives the context in each way that the page names.
func wantContextsFrom(t *testing.T, home string) {
	t.Helper()
	inContexts := filepath.Join(home, "contexts.yaml")
	if err := os.WriteFile(inContexts, []byte("context: prod\ncontexts: {prod: {bucket: acme-secrets}, dev: {bucket: dev-secrets}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]struct {
		env, args []string
		bucket    string
	}{
		inContexts:        {bucket: "acme-secrets"},
		"$COFFER_CONTEXT": {env: []string{"COFFER_CONTEXT=dev"}, bucket: "dev-secrets"},
		"--context":       {env: []string{"COFFER_CONTEXT=prod"}, args: []string{"--context", "dev"}, bucket: "dev-secrets"},
	} {
		got := configured(t, home, append(want.env, "COFFER_CONFIG="+inContexts), want.args...)
		if got["bucket"].Value != want.bucket || got["context"].From != from {
			t.Errorf("context from %s: %+v", from, got)
		}
	}
}

// configured returns the settings in force by their names.
func configured(t *testing.T, home string, env []string, args ...string) map[string]app.ConfigRow {
	t.Helper()
	program, err := exec.LookPath("coffer") // put there by TestMain
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), program, append([]string{"config", "--json"}, args...)...)
	c.Env = append([]string{"HOME=" + home, "XDG_DATA_HOME=" + home + "/data", "XDG_CONFIG_HOME=" + home + "/config", "AWS_EC2_METADATA_DISABLED=true"}, env...)
	out, err := c.Output()
	if err != nil {
		t.Fatal(fmt.Errorf("%w: %s", err, out))
	}
	var rows []app.ConfigRow
	if err := json.Unmarshal(out, &rows); err != nil {
		t.Fatal(err)
	}
	byName := map[string]app.ConfigRow{}
	for _, r := range rows {
		byName[r.Name] = r
	}
	return byName
}
