package integrations_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/testing/need"
)

// woodpeckerPlugin is a machine whose home is the workspace. The plugin runs as in its image, which has busybox and
// coffer, and no other program.
func woodpeckerPlugin(t *testing.T) (m *machine, plugin func(settings ...string) (int, string)) {
	t.Helper()
	m = newMachine(t)
	m.store("web", map[string]string{"token": "canary-of-web", "other": "canary-not-asked-for"})
	busybox := need.Program(t, "busybox", "apt-get install busybox")
	script, err := filepath.Abs("woodpecker/plugin.sh")
	if err != nil {
		t.Fatal(err)
	}
	image := t.TempDir()
	for name, program := range map[string]string{"sh": busybox, "rm": busybox, "coffer": m.program} {
		if err := os.Symlink(program, filepath.Join(image, name)); err != nil {
			t.Fatal(err)
		}
	}
	return m, func(settings ...string) (int, string) {
		cmd := m.command(filepath.Join(image, "sh"), script)
		cmd.Env = append(append(cmd.Env, settings...), "PATH="+image)
		output, err := cmd.CombinedOutput()
		if err != nil && cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return cmd.ProcessState.ExitCode(), string(output)
	}
}

// TestWoodpeckerStepsShareAFile runs the steps of docs/ci/woodpecker.md.
func TestWoodpeckerStepsShareAFile(t *testing.T) {
	t.Parallel()
	m, plugin := woodpeckerPlugin(t)
	step := func(script string) string { return m.mustRun("sh", "-e", m.file("step.sh", script, 0o600)) }
	if code, output := plugin("PLUGIN_SERVICES=api,web"); code != 0 || output != "" {
		t.Fatalf("exit code %d\n%s", code, output)
	}
	if output := step(". ./.coffer.env\nprintf %s \"$TLS_KEY\" >tls_key.out\nprintf %s \"$QUOTED\" >quoted.out\nstat -c %a .coffer.env"); output != "600\n" {
		t.Errorf("a step printed %q", output)
	}
	for name, want := range map[string]string{"tls_key.out": canaries["tls_key"], "quoted.out": canaries["quoted"]} {
		if got, err := os.ReadFile(filepath.Join(m.home, name)); err != nil || string(got) != want {
			t.Error(name, cmp.Diff(want, string(got)), err)
		}
	}
	if code, output := plugin("PLUGIN_SERVICES=api, web", "PLUGIN_ONLY=db_*,token", "PLUGIN_PREFIX=X_", "PLUGIN_FILE=some.env"); code != 0 || output != "" {
		t.Errorf("exit code %d\n%s", code, output)
	}
	if output := step(`. ./some.env; env | sed -n 's/^\(X_[A-Z_]*\)=.*/\1/p' | sort`); output != "X_DB_PASSWORD\nX_TOKEN\n" {
		t.Errorf("variables %q", output)
	}
	for range 2 {
		if code, output := plugin("PLUGIN_REMOVE=true"); code != 0 || output != "" {
			t.Errorf("remove: exit code %d\n%s", code, output)
		}
	}
	if _, err := os.Stat(filepath.Join(m.home, ".coffer.env")); err == nil {
		t.Error("the file is there when the job has ended")
	}
}

// TestWoodpeckerStepsFailWithoutAValue, and without a file.
func TestWoodpeckerStepsFailWithoutAValue(t *testing.T) {
	t.Parallel()
	m, plugin := woodpeckerPlugin(t)
	for want, settings := range map[string][]string{
		`service "none" has no secrets`:         {"PLUGIN_SERVICES=api,none"},
		"the plugin needs the setting services": {"PLUGIN_ONLY=db_*"},
		"file must be a path in the workspace":  {"PLUGIN_SERVICES=api", "PLUGIN_FILE=../escaped"},
		"remove must be true or false":          {"PLUGIN_SERVICES=api", "PLUGIN_REMOVE=yes"},
		`unknown format "nope"`:                 {"PLUGIN_SERVICES=api", "PLUGIN_FORMAT=nope"},
		`"--help"`:                              {"PLUGIN_SERVICES=--help"},
	} {
		code, output := plugin(settings...)
		if code == 0 || !strings.Contains(output, want) {
			t.Errorf("%q: exit code %d\n%s", settings, code, output)
		}
		hidden(t, output)
	}
	if code, output := plugin("PLUGIN_SERVICES=api", "PLUGIN_FILE=/tmp/escaped"); code != 2 || !strings.Contains(output, "file must be") {
		t.Errorf("exit code %d\n%s", code, output)
	}
	for _, name := range []string{".coffer.env", "../escaped"} {
		if _, err := os.Stat(filepath.Join(m.home, name)); err == nil {
			t.Errorf("%s was written", name)
		}
	}
}

// TestTheImageOfThePluginHasWhatItCopies from this folder, and its entrypoint.
func TestTheImageOfThePluginHasWhatItCopies(t *testing.T) {
	text, err := os.ReadFile("woodpecker/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	copied := regexp.MustCompile(`(?m)^COPY ([^-\s]\S*) (\S+)$`).FindAllStringSubmatch(string(text), -1)
	if len(copied) != 1 || !strings.Contains(string(text), `ENTRYPOINT ["`+filepath.Base(copied[0][2])+`"]`) {
		t.Fatalf("it copies %q", copied)
	}
	if info, err := os.Stat(filepath.Join("woodpecker", copied[0][1])); err != nil || info.Mode()&0o111 == 0 {
		t.Error(info, err)
	}
}
