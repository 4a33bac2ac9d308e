package formats

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// consumer is a program that reads a format for real.
type consumer struct {
	name, format string
	tools        []string                                          // programs that must be there
	read         func(t *testing.T, file string) map[string]string // what it takes the file for
	reader       *reader                                           // instead of read: it reads several files at once
	keys         func(i int) string                                // nil: numbered
	batch        int                                               // values in one file; 0: all
	longest      int                                               // longest value it can be asked about; 0: any
}

func consumers() []consumer {
	script := func(script string) func(*testing.T, string) map[string]string {
		return func(t *testing.T, file string) map[string]string {
			return object(t, run(t, "python3", "-c", "import json,sys\nf=sys.argv[1]\n"+script, file))
		}
	}
	const csvScript = "import csv\nprint(json.dumps(dict(csv.reader(open(f,newline='',encoding='utf-8'),dialect='%'))))"
	return slices.Concat(dotenvConsumers(), shellConsumers(), []consumer{
		{name: "jq", format: "json", tools: []string{"jq"}, read: func(t *testing.T, f string) map[string]string { return object(t, run(t, "jq", "-c", ".", f)) }},
		{name: "Python json", format: "json", tools: []string{"python3"}, read: script("print(json.dumps(json.load(open(f,encoding='utf-8'))))")},
		{name: "PyYAML (1.1)", format: "yaml", reader: python("yaml")},
		{name: "go.yaml.in (1.2)", format: "yaml", read: byRules(readGoYAML)},
		{name: "go.yaml.in v4", format: "yaml", reader: golib("yaml")},
		{name: "npm's js-yaml", format: "yaml", reader: npm("js-yaml")},
		{name: "npm's yaml", format: "yaml", reader: npm("yaml")},
		{name: "tomllib", format: "toml", tools: []string{"python3:tomllib"}, read: script("import tomllib\nprint(json.dumps(tomllib.load(open(f,'rb'))))")},
		{name: "Python csv", format: "csv", tools: []string{"python3"}, read: script(strings.Replace(csvScript, "%", "excel", 1))},
		{name: "Python csv", format: "tsv", tools: []string{"python3"}, read: script(strings.Replace(csvScript, "%", "excel-tab", 1))},
		{name: "java.util.Properties", format: "java-properties", tools: []string{"java"}, read: readJava},
		{name: "HCL", format: "tfvars", read: byRules(readHCL)},
		{name: "docker create --env-file", format: "docker", tools: []string{"docker"}, read: readDocker},
		{name: "podman create --env-file", format: "docker", tools: []string{"podman"}, read: readPodman},
		{name: "systemd's env-file.c, through os-release", format: "systemd", tools: []string{"systemd-tmpfiles"}, read: readSystemdTmpfiles, keys: osReleaseField, batch: 4, longest: 4000},
		{name: "systemd's rules", format: "systemd", read: byRules(readSystemdRules)},
		{name: "kubectl", format: "k8s", tools: []string{"kubectl"}, read: readKubectl},
		{name: "the rules of a GitHub runner", format: "github-env", read: byRules(readGitHubEnvOnLinux)},
		{name: "the rules of a GitHub runner on Windows", format: "github-env", read: byRules(readGitHubEnvOnWindows)},
		{name: "GitLab's rules", format: "gitlab", read: byRules(readGitLabRules), batch: 8},
	})
}

// shellConsumers are the shells. nushell comes from npm;
// PowerShell comes from neither Debian nor npm, so its rules stand in.
func shellConsumers() []consumer {
	var all []consumer
	for _, shell := range []string{"sh", "bash", "dash", "ksh", "mksh", "zsh", "busybox"} {
		all = append(all, consumer{name: shell, format: "shell", tools: []string{shell, "env"}, read: sourced(shell)})
	}
	return append(all,
		consumer{name: "fish", format: "fish", tools: []string{"fish", "env"}, read: readFish},
		consumer{name: "nushell", format: "nushell", tools: []string{"nushell"}, read: readNushell},
		consumer{name: "PowerShell's rules", format: "powershell", read: byRules(readPowerShellRules)},
	)
}

// TestQuotingForEachShell holds each shell to values that one shell or another expands, joins or cuts.
func TestQuotingForEachShell(t *testing.T) {
	traps := []string{
		"=ls", "==a==", "a==ls", "a:=ls", "~", "~root", "a:~root", `end\`, `\`, `\\`, `'\''`, "!!", "!ls", "^a^b", "$HOME", "`id`", "$(id)", "(a b)", "[a-z]*", "{a,b}",
		"%1", "@(a)", "#", "a\r", "\r\n", "a\n", "\n", " a", "héllo 😀", "‘it’s’", "“a” `n", "-n", "--", "+1", "a;b", "a&b|c>d", "é", "\x1b[0m", "*", "?", "null", "0x10",
	}
	for _, c := range shellConsumers() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, tool := range c.tools {
				needs(t, tool)
			}
			c.keys = numbered
			c.check(t, slices.DeleteFunc(slices.Clone(traps), func(v string) bool { return !carries(t, c.format, "k", v) }))
		})
	}
}

// dotenvConsumers are the readers that dotenv promises, and those that dotenv-literal does.
func dotenvConsumers() []consumer {
	literal := []consumer{
		{name: "python-dotenv", reader: python("dotenv")},
		{name: "node --env-file", tools: []string{"node"}, read: readNodeEnvFile},
		{name: "node util.parseEnv", tools: []string{"node"}, read: readNodeParseEnv},
		{name: "npm's dotenv", reader: npm("dotenv")},
		{name: "dotenvx", reader: npm("dotenvx")},
		{name: "compose-go", reader: golib("compose")},
		{name: "godotenv", reader: golib("godotenv")},
	}
	all := append(slices.Clone(literal), []consumer{
		{name: "ruby-dotenv", reader: ruby()},
		{name: "dotenv-cli", tools: []string{"readers"}, read: readDotenvCLI},
		{name: "vite", reader: npm("vite")},
		{name: "next", reader: npm("next")},
	}...)
	for i := range all {
		all[i].format = "dotenv"
	}
	for i := range literal {
		literal[i].format = "dotenv-literal"
	}
	return append(all, literal...)
}

func TestWhatAFormatCarriesItsConsumerReadsBack(t *testing.T) {
	for _, c := range consumers() {
		t.Run(c.format+" by "+c.name, func(t *testing.T) {
			t.Parallel()
			for _, tool := range c.tools {
				needs(t, tool)
			}
			if c.keys == nil {
				c.keys = numbered
			}
			carried := slices.DeleteFunc(values(), func(v string) bool {
				return c.longest > 0 && len(v) > c.longest || !carries(t, c.format, c.keys(0), v)
			})
			if len(carried) < 100 {
				t.Fatalf("only %d values are carried", len(carried))
			}
			if c.batch == 0 {
				c.batch = len(carried)
			}
			batches := slices.Collect(slices.Chunk(carried, c.batch))
			// The other way round other values are neighbours.
			reversed := slices.Clone(carried)
			slices.Reverse(reversed)
			c.check(t, slices.AppendSeq(batches, slices.Chunk(reversed, c.batch))...)
		})
	}
}

// check writes a file for each batch of values, has all of them read, and compares.
func (c consumer) check(t *testing.T, batches ...[]string) {
	t.Helper()
	f, err := find(c.format, Names())
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	var want []map[string]string
	for _, values := range batches {
		pairs := pairsOf(values, c.keys)
		entries, err := f.entries(pairs, single)
		if err != nil {
			t.Fatal(err)
		}
		written := map[string]string{}
		for _, e := range entries {
			written[e.name] = e.value
		}
		file := filepath.Join(t.TempDir(), "secrets")
		if err := os.WriteFile(file, encode(t, c.format, pairs, single), 0o600); err != nil {
			t.Fatal(err)
		}
		files, want = append(files, file), append(want, written)
	}
	got := make([]map[string]string, len(files))
	if c.reader != nil {
		got = c.reader.strings(t, files...)
	} else {
		for i, file := range files {
			got[i] = c.read(t, file)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s reads other values (-written +read):\n%.4000s", c.name, diff)
	}
}

func encode(t *testing.T, format string, pairs []Pair, o Options) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Encode(&b, format, pairs, o); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
