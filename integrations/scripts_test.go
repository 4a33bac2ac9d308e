package integrations_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/coffer-secrets/coffer/internal/testing/need"
)

// within maps a file of YAML to the scripts in it, by their name.
var within = map[string]func(t *testing.T, documents []map[string]any) map[string]string{
	"../templates/coffer.yml": func(t *testing.T, documents []map[string]any) map[string]string {
		t.Helper()
		job, ok := documents[1]["$[[ inputs.job ]]"].(map[string]any)
		if !ok {
			t.Fatal("there is no job")
		}
		scripts := map[string]string{}
		for _, part := range []string{"before_script", "after_script"} {
			scripts[part] = "# shellcheck shell=sh\n"
			for _, line := range job[part].([]any) {
				scripts[part] += line.(string) + "\n"
			}
		}
		return scripts
	},
	"circleci/orb.yml": func(t *testing.T, _ []map[string]any) map[string]string {
		t.Helper()
		scripts := map[string]string{}
		for name, c := range readOrb(t).Commands {
			scripts[name] = "# shellcheck shell=bash\n" + strings.ReplaceAll(c.Steps[0].Run.Command, `\<<`, "<<")
		}
		return scripts
	},
}

// TestScriptsPassShellcheck: those in files of their own, and those in YAML.
func TestScriptsPassShellcheck(t *testing.T) {
	t.Parallel()
	shellcheck := need.Program(t, "shellcheck", "apt-get install shellcheck")
	files, dir := []string{"install.sh", "direnv/coffer.sh", "buildkite/coffer/hooks/environment", "buildkite/coffer/hooks/pre-exit", "woodpecker/plugin.sh"}, t.TempDir()
	for file, extract := range within {
		for name, script := range extract(t, documents(t, file)) {
			// Words are split where a list is meant, a variable may be the runner's, and later steps expand some.
			first, rest, _ := strings.Cut(script, "\n")
			script = first + "\n# shellcheck disable=SC2016,SC2086,SC2153,SC2154\ntrue\n" + rest
			path := filepath.Join(dir, filepath.Base(file)+"."+name+".sh")
			if err := os.WriteFile(path, []byte(script), 0o600); err != nil {
				t.Fatal(err)
			}
			files = append(files, path)
		}
	}
	if output, err := exec.CommandContext(t.Context(), shellcheck, files...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}

// documents parses a file of YAML.
func documents(t *testing.T, file string) (all []map[string]any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	parser := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var document map[string]any
		if err := parser.Decode(&document); err != nil {
			return all
		}
		all = append(all, document)
	}
}
