package formats

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"go.yaml.in/yaml/v3"
)

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
		command := []string{shell}
		if shell == "busybox" {
			command = append(command, "sh")
		}
		return zeros(run(t, command[0], append(command[1:], "-c", `. "$1" && exec "$2" -0`, shell, file, env(t))...))
	}
}

// env returns the path of the system's env: busybox's own has no -0.
func env(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("env")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func readFish(t *testing.T, file string) map[string]string {
	return zeros(run(t, "fish", "--no-config", "-c", `source $argv[1]; and exec env -0`, file))
}

// readNushell reads as docs/formats.md says that a person does.
func readNushell(t *testing.T, file string) map[string]string {
	nu := filepath.Join(os.Getenv(readersVariable), nushell)
	return zeros(run(t, nu, "--no-config-file", "-c", `open --raw r#'`+file+`'# | from json | load-env; ^env -0`))
}

// readPowerShellRules reads what PowerShell's tokenizer does (about_Quoting_Rules, and ScanStringLiteral in
// its tokenizer.cs): no PowerShell is in Debian or npm.
func readPowerShellRules(t testing.TB, body []byte) map[string]string {
	t.Helper()
	statement := regexp.MustCompile(`^\$env:(\w+) = ((?:'(?:[^']|'')*'|\[char]\d+)(?: \+ (?:'(?:[^']|'')*'|\[char]\d+))*)$`)
	term := regexp.MustCompile(`'(?:[^']|'')*'|\[char]\d+`)
	all := map[string]string{}
	for line := range strings.Lines(string(body)) {
		m := statement.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil || strings.ContainsFunc(line, func(r rune) bool { return r > 0x7e }) {
			t.Fatalf("%.200q is no assignment of one line", line)
		}
		if strings.HasPrefix(m[2], "[") {
			t.Fatalf("%.200q begins with a number: a sum of characters is a number", line)
		}
		var units []uint16
		for _, word := range term.FindAllString(m[2], -1) {
			if number, ok := strings.CutPrefix(word, "[char]"); ok {
				unit, err := strconv.ParseUint(number, 10, 16)
				if err != nil {
					t.Fatal(err)
				}
				units = append(units, uint16(unit))
				continue
			}
			units = append(units, utf16.Encode([]rune(strings.ReplaceAll(word[1:len(word)-1], "''", "'")))...)
		}
		all[m[1]] = string(utf16.Decode(units))
	}
	return all
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
