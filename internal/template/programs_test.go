package template

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/need"
)

// awkward are values that a program reads wrongly if they stand in its file as they are.
func awkward() []string {
	return []string{
		"plain", "", "yes", "0123", "1e3", "~", "null", "=x", "- a", "? a", "a: b", "a #b", "#a", "&a", "*a", "!a", "%a", "@a", "`a`", "|", ">",
		`"`, `'`, `\`, `a"b'c\d`, `\"`, `$(touch x)`, "${HOME}", "`id`", "!!", "%(x)s", "%%", "a;b", "{{ coffer://a/b }}", "{% x %}",
		"a\nb", "a\n\nb\n", "\ta\t", " a ", "a\r\nb", "\u0085", "a\u2028b", "\ufeffa", "\x7f", "\x01", "größe", "😀", "\uffff",
	}
}

// reads fails unless a program that gets a file as its last argument, and prints a JSON string or array of
// them, has read the values.
func reads(t *testing.T, file string, want []string, command ...string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), command[0], append(command[1:], path)...)
	c.Stderr = os.Stderr
	output, err := c.Output()
	var got []string
	if err == nil {
		err = json.Unmarshal(output, &got)
	}
	if err != nil || len(got) != len(want) {
		t.Fatalf("%s: %v\n%s\n%s", command[0], err, output, file)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%s reads %q for %q", command[0], got[i], want[i])
		}
	}
}

// TestEveryValueIsReadBackByTheProgramsOfItsPlace writes values in the midst of files, and lets the programs
// that the files are for read them.
func TestEveryValueIsReadBackByTheProgramsOfItsPlace(t *testing.T) {
	python := need.Program(t, "python3", "apt-get install python3 python3-yaml")
	node := need.Program(t, "node", "apt-get install nodejs")
	const printed = "import json, sys; v = read(open(sys.argv[1], newline='', encoding='utf-8')); print(json.dumps(v))"
	var asJSON, asYAML, asShell strings.Builder
	for _, v := range awkward() {
		for b, line := range map[*strings.Builder]string{
			&asJSON: `, {"a": {{ coffer://a/b | json }}}`, &asYAML: "- k: {{ coffer://a/b | yaml }} # c\n", &asShell: "v={{ coffer://a/b | shell }}; printf '%s\\0' \"$v\"\n",
		} {
			text, errs := render(t, line, v)
			if len(errs) > 0 {
				t.Fatalf("%q: %v", v, errs)
			}
			b.WriteString(text)
		}
	}
	list := "[" + asJSON.String()[1:] + "]"
	reads(t, list, awkward(), python, "-c", "import json\ndef read(f): return [x['a'] for x in json.load(f)]\n"+printed)
	reads(t, list, awkward(), node, "-e", "process.stdout.write(JSON.stringify(JSON.parse(require('fs').readFileSync(process.argv[1], 'utf8')).map(x => x.a)))")
	reads(t, asYAML.String(), awkward(), python, "-c", "import yaml\ndef read(f): return [x['k'] for x in yaml.safe_load(f)]\n"+printed)
	script := "{ " + asShell.String() + "} | python3 -c 'import json, sys; print(json.dumps(sys.stdin.buffer.read().decode().split(chr(0))[:-1]))'\n"
	reads(t, script, awkward(), need.Program(t, "sh", "apt-get install dash"))
}

// TestAnINIFileIsReadBackWholly: Python and git, which differ about comments, escapes and quotes, have the
// values that the filter accepts.
func TestAnINIFileIsReadBackWholly(t *testing.T) {
	python := need.Program(t, "python3", "apt-get install python3")
	need.Program(t, "git", "apt-get install git")
	var file strings.Builder
	var accepted []string
	for i, v := range append(awkward(), "a  b", "it's", "a=b", "[x]", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY=", "a b", "{x}", "a|b&c!") {
		if text, errs := render(t, fmt.Sprintf("[s%d]\nk = {{ coffer://a/b | ini }}\n", i), v); len(errs) == 0 {
			file.WriteString(text)
			accepted = append(accepted, v)
		}
	}
	if len(accepted) < 20 {
		t.Errorf("only these are accepted: %q", accepted)
	}
	reads(t, file.String(), accepted, python, "-c", `
import configparser, json, sys
c = configparser.ConfigParser()
c.read(sys.argv[1], encoding="utf-8")
print(json.dumps([c[s]["k"] for s in c.sections()]))`)
	reads(t, file.String(), accepted, python, "-c", `
import json, subprocess, sys
out = subprocess.run(["git", "config", "--file", sys.argv[1], "--null", "--list"], stdout=subprocess.PIPE, check=True).stdout.decode()
print(json.dumps([e.split("\n", 1)[1] for e in out.split("\0")[:-1]]))`)
}

// TestAYAMLBlockHasEveryLine: a text of several lines, below its key.
func TestAYAMLBlockHasEveryLine(t *testing.T) {
	python := need.Program(t, "python3", "apt-get install python3 python3-yaml")
	const pem = "-----BEGIN KEY-----\nMIIB: # x\n\n'\"\\{}\n-----END KEY-----\n"
	file, errs := render(t, "tls:\n  key: |\n    {{ coffer://api/tls_key | lines \"    \" }}\n  port: \"{{ coffer://api/p | base64 }}\"\n", pem)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	reads(t, file, []string{pem}, python, "-c", "import json, sys, yaml; print(json.dumps([yaml.safe_load(open(sys.argv[1]))['tls']['key']]))")
}
