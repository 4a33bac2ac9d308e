package formats

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What docs/formats.md says of readers beside what they read back, from the readers themselves.

// dotenvFacts are lines of a dotenv file and what its readers take them for; "" stands for all
// that the line does not name.
func dotenvFacts() []struct {
	name, shown, text string
	values            map[string]string
} {
	return []struct {
		name, shown, text string
		values            map[string]string
	}{
		{"DOUBLE", `"a$X"`, `"a$KEY_X"`, map[string]string{"": "a", "python-dotenv": "a$KEY_X", "node": "a$KEY_X", "dotenv": "a$KEY_X"}},
		{"SINGLE", `'a$X'`, `'a$KEY_X'`, map[string]string{"": "a$KEY_X", "dotenv-cli": "a", "vite": "a", "next": "a"}},
		{"BRACES", `'a${X}'`, `'a${KEY_X}'`, map[string]string{"": "a${KEY_X}", "python-dotenv": "a", "dotenv-cli": "a", "vite": "a", "next": "a"}},
		{"BACK", "`a b`", "`a b`", map[string]string{"": "a b", "python-dotenv": "`a b`", "compose-go": "`a b`", "godotenv": "`a b`", "ruby-dotenv": "`a b`"}},
		{"ESCAPE", `"a\tb"`, `"a\tb"`, map[string]string{"": `a\tb`, "python-dotenv": "a\tb", "dotenvx": "a\tb", "compose-go": "a\tb", "godotenv": "atb", "ruby-dotenv": "atb"}},
		{"BACKSLASH", `'a\\b'`, `'a\\b'`, map[string]string{"": `a\\b`, "python-dotenv": `a\b`}},
		{"HASH", `a#b`, `a#b`, map[string]string{"": "a", "python-dotenv": "a#b", "compose-go": "a#b", "godotenv": "a#b"}},
		{"CR", `"a⟨CR⟩b"`, "\"a\rb\"", map[string]string{"": "a\nb", "node": "ab", "vite": "ab", "compose-go": "a\rb", "godotenv": "a\rb", "ruby-dotenv": `"a`}},
		{"CRLF", `"a⟨CRLF⟩b"`, "\"a\r\nb\"", map[string]string{"": "a\nb", "compose-go": "a\r\nb", "ruby-dotenv": `"a`}},
		{"LINES", `'a⟨LF⟩b'`, "'a\nb'", map[string]string{"": "a\nb", "ruby-dotenv": "'a"}},
	}
}

func TestWhatReadersMakeOfDotenv(t *testing.T) {
	for _, c := range dotenvConsumers() {
		name := strings.TrimPrefix(strings.TrimPrefix(c.name, "npm's "), "node ")
		if name == "--env-file" || name == "util.parseEnv" {
			name = "node"
		}
		if c.format != "dotenv" {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, tool := range c.tools {
				needs(t, tool)
			}
			var file bytes.Buffer
			want := map[string]string{}
			for _, fact := range dotenvFacts() {
				fmt.Fprintf(&file, "KEY_%s=%s\n", fact.name, fact.text)
				value, named := fact.values[name]
				if !named {
					value = fact.values[""]
				}
				want["KEY_"+fact.name] = value
			}
			path := filepath.Join(t.TempDir(), "facts.env")
			if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, c.readOne(t, path)); diff != "" {
				t.Errorf("(-documented +read)\n%s", diff)
			}
		})
	}
}

// readOne reads one file, in whichever way the consumer reads.
func (c consumer) readOne(t *testing.T, file string) map[string]string {
	t.Helper()
	if c.reader != nil {
		return c.reader.strings(t, file)[0]
	}
	return c.read(t, file)
}

// factsTable is dotenvFacts for docs/formats.md.
func factsTable() string {
	var b strings.Builder
	b.WriteString("\n| a line has | its value, and who reads so |\n|---|---|\n")
	var names []string
	for _, c := range dotenvConsumers() {
		name := strings.TrimPrefix(c.name, "npm's ")
		if strings.HasPrefix(name, "node ") {
			name = "node"
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, fact := range dotenvFacts() {
		readers := map[string][]string{}
		for _, name := range names {
			value, named := fact.values[name]
			if !named {
				value = fact.values[""]
			}
			readers[value] = append(readers[value], name)
		}
		var parts []string
		for _, value := range slices.Sorted(maps.Keys(readers)) {
			shown := strings.NewReplacer("KEY_X", "X", "\r\n", "⟨CRLF⟩", "\r", "⟨CR⟩", "\n", "⟨LF⟩", "\t", "⟨TAB⟩").Replace(value)
			parts = append(parts, code(shown)+": "+strings.Join(readers[value], ", "))
		}
		b.WriteString("| " + code(fact.shown) + " | " + strings.Join(parts, "; ") + " |\n")
	}
	return b.String() + "\n"
}

func code(text string) string {
	if strings.Contains(text, "`") {
		return "`` " + text + " ``"
	}
	return "`" + text + "`"
}

func TestDockerAndPodmanKeepQuotesAndDropACarriageReturn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(file, []byte("KEY_A=\"q\"\nKEY_B='q'\nKEY_C= x \nKEY_D=x\r\nKEY_E=a\rb\nKEY_F=$KEY_A #\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"KEY_A": `"q"`, "KEY_B": "'q'", "KEY_C": " x ", "KEY_D": "x", "KEY_E": "a\rb", "KEY_F": "$KEY_A #"}
	for tool, read := range map[string]func(*testing.T, string) map[string]string{"docker": readDocker, "podman": readPodman} {
		t.Run(tool, func(t *testing.T) {
			needs(t, tool)
			if diff := cmp.Diff(want, read(t, file)); diff != "" {
				t.Errorf("(-documented +read)\n%s", diff)
			}
		})
	}
}

func TestCRLFInTOMLIsKeptAndTomllibMakesLFOfIt(t *testing.T) {
	const text = "a = \"\"\"x\r\ny\"\"\"\r\nb = '''x\r\ny'''\r\n"
	got, err := decode(text, "toml", Options{})
	if diff := cmp.Diff([]string{"a=x\r\ny", "b=x\r\ny"}, got); diff != "" || err != nil {
		t.Errorf("coffer: %v (-documented +read)\n%s", err, diff)
	}
	needs(t, "python3:tomllib")
	file := filepath.Join(t.TempDir(), "crlf.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	body := run(t, "python3", "-c", "import json,sys,tomllib\nprint(json.dumps(tomllib.load(open(sys.argv[1],'rb'))))", file)
	if diff := cmp.Diff(map[string]string{"a": "x\ny", "b": "x\ny"}, object(t, body)); diff != "" {
		t.Errorf("tomllib (-documented +read)\n%s", diff)
	}
}

func TestPythonCSVNeedsALargerFieldLimitAbove128KiB(t *testing.T) {
	needs(t, "python3")
	const script = "import csv,sys\nif sys.argv[2]: csv.field_size_limit(1<<30)\nprint(sum(len(v) for k,v in csv.reader(open(sys.argv[1],newline='',encoding='utf-8'))))"
	for _, test := range []struct {
		size   int
		raised string
		fails  bool
	}{{128 << 10, "", false}, {128<<10 + 1, "", true}, {128<<10 + 1, "raised", false}} {
		file := filepath.Join(t.TempDir(), "a.csv")
		pairs := pairsOf([]string{strings.Repeat("x", test.size)}, numbered)
		if err := os.WriteFile(file, encode(t, "csv", pairs, single), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("python3", "-c", script, file, test.raised).CombinedOutput(); (err != nil) != test.fails {
			t.Errorf("%d bytes, limit %q: %v\n%s", test.size, test.raised, err, out)
		}
	}
}

func TestAShellSetsMoreThanAProgramCanBeStartedWith(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("128 KiB for one variable is Linux's limit")
	}
	for _, shell := range []string{"bash", "dash"} {
		needs(t, shell)
		file := filepath.Join(t.TempDir(), "env.sh")
		pairs := pairsOf([]string{strings.Repeat("x", 128<<10)}, numbered)
		if err := os.WriteFile(file, encode(t, "shell", pairs, single), 0o600); err != nil {
			t.Fatal(err)
		}
		out := run(t, shell, "-c", `. "$1" && echo ${#KEY_0000} && { env >/dev/null 2>&1 || echo refused; }`, shell, file)
		if got, want := string(out), "131072\nrefused\n"; got != want {
			t.Errorf("%s: %q, want %q", shell, got, want)
		}
	}
}

func TestNoShellReadsEscapedStrings(t *testing.T) {
	for _, shell := range []string{"bash", "dash"} {
		needs(t, shell)
		file := filepath.Join(t.TempDir(), "env.sh")
		if err := os.WriteFile(file, encode(t, "shell-escaped", pairsOf([]string{"a\nb"}, numbered), single), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := sourced(shell)(t, file); got["KEY_0000"] != `a\nb` {
			t.Errorf("%s: %q", shell, got)
		}
	}
}

func TestHCLNormalisesStrings(t *testing.T) {
	if got := readHCL(t, []byte("a = \"e\u0301\"\n")); got["a"] != "\u00e9" {
		t.Errorf("%q", got)
	}
}
