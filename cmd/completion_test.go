//go:build unix

package cmd_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/cmd"
	"github.com/coffer-secrets/coffer/internal/testing/need"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// shells are asked what they offer for a line, of which the last word is not finished.
var shells = map[string][]string{
	"bash": {"bash", "--norc", "-c", `
		source <(coffer completion bash)
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		_coffer
		((${#COMPREPLY[@]} == 0)) || printf '%s\n' "${COMPREPLY[@]}"`, "bash"},
	"zsh": {"zsh", "-f", "-c", `
		compdef() { }
		compadd() { while [[ "$1" != -- ]]; do shift; done; shift; print -rl -- "$@" }
		_files() { print -rl -- *(N) }
		_command_names() { print -rl -- ${(ok)commands} }
		source <(coffer completion zsh)
		words=("$@") CURRENT=$#
		_coffer`, "zsh"},
	"fish": {"fish", "--no-config", "-c", `
		coffer completion fish | source
		complete -C (string join ' ' -- $argv)`},
}

// offers returns what a shell offers for the last word, sorted.
func (b *bench) offers(shell string, words ...string) []string {
	b.Helper()
	line := append(slices.Clone(shells[shell]), words...)
	c := exec.CommandContext(b.Context(), line[0], line[1:]...)
	var stdout, stderr bytes.Buffer
	c.Env, c.Dir, c.Stdout, c.Stderr = b.env, b.TempDir(), &stdout, &stderr
	if err := c.Run(); err != nil {
		b.Fatalf("%s, %q: %v\n%s", shell, words, err, stderr.String())
	}
	if stderr.Len() > 0 {
		b.Errorf("%s, %q: it says %q", shell, words, stderr.String())
	}
	var offered []string
	for line := range strings.Lines(stdout.String()) {
		word, _, _ := strings.Cut(strings.TrimSpace(line), "\t") // fish prints the description behind it
		if word != "" {
			offered = append(offered, word)
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(offered)))
}

func forEachShell(t *testing.T, test func(t *testing.T, shell string)) {
	t.Helper()
	for shell := range shells {
		t.Run(shell, func(t *testing.T) {
			need.Program(t, shell, "apt-get install "+shell)
			t.Parallel()
			test(t, shell)
		})
	}
}

var shellCompletions = map[string]string{
	"coffer expo":                           "export",
	"coffer help poli":                      "policy",
	"coffer help policy re":                 "reader",
	"coffer help exit":                      "exit-codes",
	"coffer help nothing ":                  "",
	"coffer --vers":                         "--version",
	"coffer tag ":                           "delete read write",
	"coffer tag w":                          "write",
	"coffer export --form":                  "--format",
	"coffer export --format sh":             "shell shell-escaped",
	"coffer import api --format sh":         "",
	"coffer env api --shell ":               "bash dash fish ksh mksh nu nushell powershell pwsh sh zsh",
	"coffer import api x --format prop":     "",
	"coffer import api x --format java":     "java-properties",
	"coffer --backend s3-k":                 "s3-kms",
	"coffer -b lo":                          "local",
	"coffer --retry-mode a":                 "adaptive",
	"coffer completion ":                    "bash fish zsh",
	"coffer read a":                         "api api/worker",
	"coffer get api ":                       "db_pass db_url",
	"coffer read api db_u":                  "db_url",
	"coffer read API db_u":                  "db_url",
	"coffer read api db_url ":               "",
	"coffer delete api db_url db_p":         "db_pass",
	"coffer rm api ":                        "db_pass db_url",
	"coffer tag read api db_p":              "db_pass",
	"coffer exec api api/":                  "api/worker",
	"coffer -q exec --only x api/":          "api/worker",
	"coffer exec api -- prin":               "printenv",
	"coffer --backend local read ":          "web",
	"coffer -b local read web ":             "token",
	"coffer --bucket none read ":            "",
	"coffer --no-such-flag read a":          "api api/worker",
	"coffer no-such-command ":               "",
	"coffer read api db_url --version 1 x":  "",
	"coffer edit api --format ":             "dotenv yaml",
	"coffer policy reader --part ":          "all bucket identity key",
	"coffer policy check o":                 "operator",
	"coffer policy check reader we":         "",
	"coffer exec api --require db_":         "db_pass db_url",
	"coffer exec api --file db_u":           "db_url",
	"coffer exec api --file-fd db_p":        "db_pass",
	"coffer export api --only q":            "",
	"coffer export api api/worker --only q": "queue",
	"coffer copy api api/":                  "api/worker",
	"coffer copy api/worker api --keys ":    "queue",
	"coffer diff api --versions 1,2 db_u":   "db_url",
	"coffer migrate --prefix api/":          "api/worker",
	"coffer migrate --from-backend s3-k":    "s3-kms",
	"coffer migrate --from-backend local ":  "web",
	"coffer rekey api --from ":              "alias/app",
}

func TestShellsCompleteCommandsFlagsServicesAndKeys(t *testing.T) {
	forEachShell(t, func(t *testing.T, shell string) {
		b := newBench(t, s3test.Options{})
		b.do("write api db_url -", canary)
		b.do("write api db_pass -", canary)
		b.do("write api/worker queue -", canary)
		b.do("write web token - -b local --kms-key-alias alias/app", canary)
		for line, want := range shellCompletions {
			got := b.offers(shell, strings.Split(line, " ")...)
			if strings.HasSuffix(want, "printenv") {
				got = slices.DeleteFunc(got, func(word string) bool { return word != "printenv" })
			}
			if diff := cmp.Diff(strings.Fields(want), got); diff != "" && len(want)+len(got) > 0 {
				t.Errorf("%s (-want +got):\n%s", line, diff)
			}
		}
	})
}

// TestShellsDescribeWhatTheyOffer: bash only while it lists, as it would insert the description elsewhere.
func TestShellsDescribeWhatTheyOffer(t *testing.T) {
	forEachShell(t, func(t *testing.T, shell string) {
		b := newBench(t, s3test.Options{})
		ask := slices.Clone(shells[shell])
		for i, word := range ask {
			word = strings.Replace(word, "COMP_WORDS=", "COMP_TYPE=${LISTING-9} COMP_WORDS=", 1)
			word = strings.Replace(word, `compadd() { while`, `compadd() { print -rl -- "$shown[@]"; while`, 1)
			ask[i] = word
		}
		for _, line := range [][]string{{"coffer", "re"}, {"coffer", "exec", "--re"}, {"coffer", "--backend", "s"}, {"coffer", "help", "e"}} {
			c := exec.CommandContext(b.Context(), ask[0], append(slices.Clone(ask[1:]), line...)...)
			c.Env, c.Dir = append(b.env, "LISTING=63"), b.TempDir()
			out, err := c.Output()
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{"re": "Move secrets to another key", "--re": "Stop unless these keys exist", "s": "Parameter Store", "e": "What the exit codes mean"}[line[len(line)-1]]
			if !strings.Contains(string(out), want) {
				t.Errorf("%q is not described with %q:\n%s", line, want, out)
			}
		}
		if got := b.offers(shell, "coffer", "re"); !slices.Equal(got, []string{"read", "rekey", "restore"}) {
			t.Errorf("what is inserted is %q", got)
		}
	})
}

func TestShellsCompleteAFlagsValueBehindAnEqualSign(t *testing.T) {
	forEachShell(t, func(t *testing.T, shell string) {
		b := newBench(t, s3test.Options{})
		b.do("write web token - --backend=local --kms-key-alias=alias/app", canary)
		words, rest, want := []string{"coffer", "--backend=lo"}, []string{"coffer", "--backend=local", "read", ""}, "--backend=local"
		if shell == "bash" { // COMP_WORDBREAKS has the "="
			words, rest, want = []string{"coffer", "--backend", "=", "lo"}, []string{"coffer", "--backend", "=", "local", "read", ""}, "local"
			if got := b.offers(shell, "coffer", "--retry-mode", "="); !slices.Equal(got, []string{"adaptive", "standard"}) {
				t.Errorf("--retry-mode= offers %q", got)
			}
		}
		if got := b.offers(shell, words...); !slices.Equal(got, []string{want}) {
			t.Errorf("%q offers %q", words, got)
		}
		if got := b.offers(shell, rest...); !slices.Equal(got, []string{"web"}) {
			t.Errorf("%q offers %q", rest, got)
		}
	})
}

func TestCompletionKnowsContexts(t *testing.T) {
	b := newBench(t, s3test.Options{})
	b.env = append(b.env, "COFFER_CONFIG="+b.file("contexts: {prod: {bucket: b}, preview: {bucket: none}, dev: {backend: local}}\n"))
	if got := b.out("__complete -- read --context pr"); got != "preview\nprod\n" {
		t.Errorf("--context pr offers %q", got)
	}
	b.env = append(b.env, "COFFER_S3_BUCKET=")
	b.do("write api key - --context prod", canary)
	if got := b.out("__complete -- --context prod read a"); got != "api\n" {
		t.Errorf("the context's services are %q", got)
	}
	b.env = append(b.env, "COFFER_CONTEXT=none")
	if got := b.out("__complete -- --context d"); got != "dev\n" {
		t.Errorf("beside a wrong context in the environment, --context d offers %q", got)
	}
}

// completes returns what is offered for the last word of a line, which may be empty.
func (b *bench) completes(line string) []string {
	b.Helper()
	c := b.command("__complete --")
	c.Args = append(c.Args, strings.Split(line, " ")...)
	out, err := c.Output()
	if err != nil {
		b.Fatalf("%q: %v", line, err)
	}
	return strings.Fields(string(out))
}

func TestCompletionKnowsBothContexts(t *testing.T) {
	b := newBench(t, s3test.Options{})
	b.env = append(b.env, "COFFER_S3_BUCKET=", "COFFER_KMS_KEY_ALIAS=", "COFFER_CONFIG="+b.file(
		"contexts: {prod: {bucket: b, kms_key_alias: alias/ops, endpoint_url: \""+b.URL+"\"}, preview: {bucket: none}, dev: {backend: local}}\n"))
	b.do("write api db_url - --context prod", canary)
	b.do("write web token - --context dev", canary)
	for line, want := range map[string]string{
		"copy --from-context pr":                          "preview prod",
		"diff api --to-context d":                         "dev",
		"migrate --to-context=pre":                        "--to-context=preview",
		"copy --from-context prod --to-context dev ":      "api",
		"copy --from-context prod --to-context dev api ":  "web",
		"diff --from-context dev --to-context prod web ":  "api",
		"copy --from-context prod api web --keys ":        "db_url",
		"copy --from-context none ":                       "",
		"migrate --from-context dev ":                     "web",
		"migrate --from-context prod --from-bucket none ": "",
	} {
		if got := b.completes(line); !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%q offers %q, want %q", line, got, want)
		}
	}
}

func TestCompletionKnowsAliasesWithoutARequest(t *testing.T) {
	b := newBench(t, s3test.Options{})
	b.env = append(b.env, "COFFER_CONFIG="+b.file(
		"{kms_key_alias: base, keys: {alias/mapped: k}, contexts: {prod: {kms_key_alias: alias/prod/eu}, old: {kms_key_alias: 11111111-2222-3333-4444-555555555555}}}\n"))
	b.do("write web token - --backend local --kms-key-alias alias/ops_team/x", canary)
	b.Reset()
	configured := "alias/app alias/base alias/mapped alias/prod/eu"
	for line, want := range map[string]string{
		"rekey api --to ":                         configured,
		"rekey api --from alias/p":                "alias/prod/eu",
		"--kms-key-alias ":                        configured,
		"policy reader api --key alias/ma":        "alias/mapped",
		"keys --key alias/b":                      "alias/base",
		"--backend local rekey web --to ":         "alias/app alias/base alias/mapped alias/ops_team/x alias/prod/eu",
		"--backend local --kms-key-alias=alias/o": "--kms-key-alias=alias/ops_team/x",
	} {
		if got := b.completes(line); !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%q offers %q, want %q", line, got, want)
		}
	}
	if log := b.Log(); len(log) > 0 {
		t.Errorf("the server was asked: %v", log)
	}
}

// free are the flags and arguments whose values nothing here can know.
var free = map[string]bool{
	"bucket": true, "from-bucket": true, "to-bucket": true, "region": true, "profile": true, "endpoint-url": true, "retries": true,
	"version": true, "versions": true, "if-version": true, "generate": true, "expires": true, "since": true, "until": true, "at": true, "revoke": true,
	"flatten": true, "strict-value": true, "mask-text": true, "allow-env": true, "name": true, "tags": true, "principal": true,
	"min-throttle-delay": true,
	"<text>":             true, "<value>": true, "<tag>": true, "<words>": true, "<id>": true,
	"<member>": true, // TestTheMembersOfAnAliasAreCompleted
}

// TestEachFlagHasACompleter: a flag or an argument that is new is completed, or is named above.
func TestEachFlagHasACompleter(t *testing.T) {
	b := newBench(t, s3test.Options{})
	b.env = append(b.env, "COFFER_CONFIG="+b.file("contexts: {prod: {bucket: b}}\n"))
	b.do("write api db_url -", canary)
	parser, err := kong.New(&cmd.CLI{})
	if err != nil {
		t.Fatal(err)
	}
	completed := 0
	wants := func(line, what string) {
		t.Helper()
		completed++
		if len(b.completes(line)) == 0 {
			t.Errorf("%s: %q offers nothing", what, line)
		}
	}
	var visit func(node *kong.Node, path string)
	visit = func(node *kong.Node, path string) {
		sample := path
		for _, arg := range node.Positional {
			if !free["<"+arg.Name+">"] {
				wants(sample, path+" <"+arg.Name+">")
			}
			word, ok := map[string]string{"role": "reader", "key": "db_url", "shell": "bash"}[arg.Name]
			if !ok {
				word = "api"
			}
			sample += word + " "
		}
		for _, f := range node.Flags {
			elsewhere := f.Name == "prefix" && node.Name != "migrate" // a prefix of variables
			if !f.IsBool() && !free[f.Name] && !elsewhere {
				wants(sample+"--"+f.Name+" ", path+"--"+f.Name)
			}
		}
		for _, child := range node.Children {
			visit(child, path+child.Name+" ")
		}
	}
	visit(parser.Model.Node, "")
	if completed < 70 {
		t.Errorf("only %d flags and arguments were tried", completed)
	}
}

// A person is in the middle of a line: no wait, no noise, no failure.
func TestCompletionIsQuietAndQuick(t *testing.T) {
	for name, setup := range map[string]func(*bench){
		"a store that hangs": func(b *bench) {
			b.Fault(func(s3test.Request) *s3test.Fault { return &s3test.Fault{Kind: s3test.Hang} })
		},
		"a store that is not there": func(b *bench) { b.env = append(b.env, "COFFER_ENDPOINT_URL=http://127.0.0.1:1", "COFFER_RETRIES=10") },
		"a store in need": func(b *bench) {
			b.env = append(b.env, "COFFER_RETRIES=10")
			b.Fault(func(s3test.Request) *s3test.Fault {
				return &s3test.Fault{Kind: s3test.Answer, Status: 503, Code: "SlowDown"}
			})
		},
		"a store that may not be listed": func(b *bench) { b.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyList: true}) },
		"a configuration of no sense":    func(b *bench) { b.env = append(b.env, "COFFER_CONFIG="+b.file("{")) },
		"a configuration that is gone":   func(b *bench) { b.env = append(b.env, "COFFER_CONFIG=/nowhere/at/all") },
		"a backend that is none":         func(b *bench) { b.env = append(b.env, "COFFER_BACKEND=nope") },
		"no credentials": func(b *bench) {
			b.env = append(b.env, "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SESSION_TOKEN=")
		},
		"no home": func(b *bench) {
			b.env = append(b.env, "COFFER_BACKEND=local", "HOME=", "XDG_DATA_HOME=", "XDG_CONFIG_HOME=")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, s3test.Options{})
			setup(b)
			for _, line := range []string{"__complete -- read a", "__complete -- read api k", "__complete -- --verbose exec a"} {
				start := time.Now()
				got := b.run(line, "")
				if got != (outcome{}) {
					t.Errorf("coffer %s: %+v", line, got)
				}
				if took := time.Since(start); took > 5*time.Second && took > b.onThisMachine(5*time.Second) { // one, where nothing else runs
					t.Errorf("coffer %s took %v", line, took)
				}
			}
		})
	}
}

// file writes a file of the test's own and returns its name.
func (b *bench) file(text string) string {
	b.Helper()
	name := filepath.Join(b.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	return name
}
