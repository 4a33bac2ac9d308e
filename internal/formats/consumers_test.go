package formats

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"go.yaml.in/yaml/v3"
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
	return append(dotenvConsumers(), []consumer{
		{name: "bash", format: "shell", tools: []string{"bash", "env"}, read: sourced("bash")},
		{name: "dash", format: "shell", tools: []string{"dash", "env"}, read: sourced("dash")},
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
	}...)
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
				need(t, tool)
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

// need skips where a program, or a module of python ("python3:yaml"), is missing; in CI that is a failure.
func need(t *testing.T, tool string) {
	t.Helper()
	program, module, _ := strings.Cut(tool, ":")
	_, err := exec.LookPath(program)
	switch {
	case tool == "readers":
		if err = errors.New(readersVariable + " is not set: make test sets it"); os.Getenv(readersVariable) != "" {
			_, err = os.Stat(golib("").command[0]) // installed last
		}
	case err == nil && program == "ruby":
		err = exec.Command(program, "-r", module, "-e", "").Run()
	case err == nil && module != "":
		err = exec.Command(program, "-c", "import "+module).Run()
	}
	switch {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatalf("%s is missing: %v", tool, err)
	default:
		t.Skipf("%s is missing: %v", tool, err)
	}
}

func run(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...)
	// A bare environment: nothing of the caller's may answer for a secret.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LC_ALL=C.UTF-8", readersVariable + "=" + os.Getenv(readersVariable)}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%.2000s", name, err, stderr.String())
	}
	return stdout.Bytes()
}

// object reads a JSON object of strings; anything else than a string fails.
func object(t testing.TB, body []byte) map[string]string {
	t.Helper()
	var all map[string]string
	if err := json.Unmarshal(body, &all); err != nil {
		t.Fatalf("%v in %.200q", err, body)
	}
	return all
}

// zeros reads name=value texts that end in NULs, of the names that numbered makes.
func zeros(body []byte) map[string]string {
	all := map[string]string{}
	for part := range strings.SplitSeq(string(body), "\x00") {
		if name, value, found := strings.Cut(part, "="); found && strings.HasPrefix(strings.ToLower(name), "key") {
			all[name] = value
		}
	}
	return all
}

func sourced(shell string) func(*testing.T, string) map[string]string {
	return func(t *testing.T, file string) map[string]string {
		return zeros(run(t, shell, "-c", `. "$1" && exec env -0`, shell, file))
	}
}

func byRules(read func(testing.TB, []byte) map[string]string) func(*testing.T, string) map[string]string {
	return func(t *testing.T, file string) map[string]string { return read(t, content(t, file)) }
}

func readNodeEnvFile(t *testing.T, file string) map[string]string {
	return numberedOf(object(t, run(t, "node", "--env-file="+file, "-e", "console.log(JSON.stringify(process.env))")))
}

func readDotenvCLI(t *testing.T, file string) map[string]string {
	cli := filepath.Join(os.Getenv(readersVariable), "node_modules", "dotenv-cli", "cli.js")
	return numberedOf(object(t, run(t, "node", cli, "-e", file, "--", "node", "-e", "console.log(JSON.stringify(process.env))")))
}

// numberedOf leaves the variables of the names that numbered makes.
func numberedOf(all map[string]string) map[string]string {
	maps.DeleteFunc(all, func(name, _ string) bool { return !strings.HasPrefix(name, "KEY") })
	return all
}

func readNodeParseEnv(t *testing.T, file string) map[string]string {
	return object(t, run(t, "node", "-e", `console.log(JSON.stringify(require("util").parseEnv(require("fs").readFileSync(process.argv[1],"utf8"))))`, file))
}

func readGoYAML(t testing.TB, text []byte) map[string]string {
	var all map[string]any
	if err := yaml.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return object(t, body)
}

// readJava loads the file as a stream (ISO-8859-1) and as UTF-8 text; both must agree.
func readJava(t *testing.T, file string) map[string]string {
	const program = `
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.*;
class Dump {
	public static void main(String[] args) throws IOException {
		Properties stream = new Properties(), text = new Properties();
		try (InputStream in = new FileInputStream(args[0])) { stream.load(in); }
		try (Reader in = new InputStreamReader(new FileInputStream(args[0]), StandardCharsets.UTF_8)) { text.load(in); }
		if (!stream.equals(text)) throw new IOException("the encodings differ");
		OutputStream out = new BufferedOutputStream(new FileOutputStream(FileDescriptor.out));
		for (String k : stream.stringPropertyNames()) {
			out.write((k + "=" + stream.getProperty(k) + "\0").getBytes(StandardCharsets.UTF_8));
		}
		out.close();
	}
}`
	source := filepath.Join(t.TempDir(), "Dump.java")
	if err := os.WriteFile(source, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	return zeros(run(t, "java", source, file))
}

func readHCL(t testing.TB, body []byte) map[string]string {
	parsed, problems := hclparse.NewParser().ParseHCL(body, "secrets.tfvars")
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	attributes, problems := parsed.Body.JustAttributes()
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	all := map[string]string{}
	for name, attribute := range attributes {
		value, problems := attribute.Expr.Value(&hcl.EvalContext{})
		if problems.HasErrors() {
			t.Fatal(problems)
		}
		all[name] = value.AsString()
	}
	return all
}

// readDocker asks docker's client to make a container and looks at what it tells the engine.
func readDocker(t *testing.T, file string) map[string]string {
	var env struct{ Env []string }
	engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.45")
		w.Header().Set("Content-Type", "application/json")
		if !strings.HasSuffix(r.URL.Path, "/containers/create") {
			return
		}
		if err := json.NewDecoder(r.Body).Decode(&env); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(`{"Id":"0123456789ab"}`))
	}))
	defer engine.Close()
	run(t, "docker", "-H", "tcp://"+engine.Listener.Addr().String(), "create", "--env-file", file, "image")
	return zeros([]byte(strings.Join(env.Env, "\x00")))
}

// readPodman does the same with podman's client.
func readPodman(t *testing.T, file string) map[string]string {
	var container struct{ Env map[string]string }
	engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Libpod-API-Version", "4.3.1")
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.HasSuffix(r.URL.Path, "/libpod/containers/create"):
			if err := json.NewDecoder(r.Body).Decode(&container); err != nil {
				t.Error(err)
			}
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write([]byte(`{"Id":"0123456789ab"}`))
		case strings.HasSuffix(r.URL.Path, "/images/pull"):
			_, _ = w.Write([]byte(`{"images":["image"],"id":"image"}`))
		default:
			_, _ = w.Write([]byte(`{}`))
		}
	}))
	defer engine.Close()
	run(t, "podman", "--remote", "--url", "tcp://"+engine.Listener.Addr().String(), "create", "--env-file", file, "image")
	return numberedOf(container.Env)
}

// osReleaseField is a key whose variable systemd reads from os-release with the same parser
// as an EnvironmentFile, and gives back as a specifier.
func osReleaseField(i int) string {
	return []string{"build_id", "id", "variant_id", "version_id"}[i]
}

func readSystemdTmpfiles(t *testing.T, file string) map[string]string {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "etc", "os-release"), content(t, file), 0o600); err != nil {
		t.Fatal(err)
	}
	var config strings.Builder
	all := map[string]string{}
	for name, specifier := range map[string]string{"BUILD_ID": "%B", "ID": "%o", "VARIANT_ID": "%W", "VERSION_ID": "%w"} {
		if bytes.Contains(append([]byte("\n"), content(t, file)...), []byte("\n"+name+"=")) {
			config.WriteString("f /" + name + " - - - - " + specifier + "\n")
			all[name] = ""
		}
	}
	rules := filepath.Join(root, "rules.conf")
	if err := os.WriteFile(rules, []byte(config.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "systemd-tmpfiles", "--root="+root, "--create", rules)
	for name := range all {
		all[name] = string(content(t, filepath.Join(root, name)))
	}
	return all
}

func readKubectl(t *testing.T, file string) map[string]string {
	var secret struct {
		Kind     string
		Metadata struct{ Name string }
		Data     map[string]string
	}
	body := run(t, "kubectl", "annotate", "--local", "-f", file, "-o", "json", "seen=by-kubectl")
	if err := json.Unmarshal(body, &secret); err != nil || secret.Kind != "Secret" || secret.Metadata.Name != single.Name {
		t.Fatalf("%s %s: %v", secret.Kind, secret.Metadata.Name, err)
	}
	for key, encoded := range secret.Data {
		value, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			t.Fatal(err)
		}
		secret.Data[key] = string(value)
	}
	return secret.Data
}

func content(t testing.TB, file string) []byte {
	t.Helper()
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return body
}
