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

// jenkinsScripts are the scripts of the Jenkinsfile, in their order.
func jenkinsScripts(t *testing.T) (scripts []string) {
	t.Helper()
	text, err := os.ReadFile("jenkins/Jenkinsfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?s)sh '''(.*?)'''`).FindAllStringSubmatch(string(text), -1) {
		scripts = append(scripts, m[1])
	}
	if len(scripts) != 4 {
		t.Fatalf("the Jenkinsfile has %d scripts", len(scripts))
	}
	return scripts
}

// jenkinsMachine has what the Jenkinsfile sets, and the programs that it runs.
func jenkinsMachine(t *testing.T, releases string) (m *machine, run func(script string) (int, string)) {
	t.Helper()
	shell := need.Program(t, "sh", "apt-get install dash")
	m = newMachine(t)
	temporary := filepath.Join(m.home, "workspace@tmp")
	for i, variable := range m.env {
		if path, is := strings.CutPrefix(variable, "PATH="); is {
			m.env[i] = "PATH=" + temporary + "/bin:" + path
		}
	}
	m.env = append(m.env, "WORKSPACE_TMP="+temporary, "COFFER_VERSION=v0.1.0", "COFFER_RELEASES="+releases)
	return m, func(script string) (int, string) {
		return m.run(shell, "-xe", m.file("script.sh", script, 0o600))
	}
}

// TestJenkinsScriptsPrintNoValue, though sh prints each command, and the programs that they run print all they have.
func TestJenkinsScriptsPrintNoValue(t *testing.T) {
	t.Parallel()
	m, run := jenkinsMachine(t, "")
	m.file("deploy", "#!/bin/sh\nprintf %s \"$TLS_KEY\" >deploy.out\necho \"$DB_PASSWORD\"; printf %s \"$TLS_KEY\"\n", 0o700)
	m.file("deploy-with", "#!/bin/sh\ncp \"$1\" file.out\nls -l \"$1\"\n", 0o700)
	for _, script := range jenkinsScripts(t) {
		code, output := run(script)
		if code != 0 {
			t.Fatalf("%s\nexit code %d\n%s", script, code, output)
		}
		hidden(t, output)
		if strings.Contains(script, "deploy-with") && !strings.Contains(output, "-rw------- ") {
			t.Errorf("others can read the file:\n%s", output)
		}
	}
	if got, err := os.ReadFile(filepath.Join(m.home, "deploy.out")); err != nil || string(got) != canaries["tls_key"] {
		t.Error(cmp.Diff(canaries["tls_key"], string(got)), err)
	}
	got, err := os.ReadFile(filepath.Join(m.home, "file.out"))
	if want := m.mustRun("coffer", "export", "api"); err != nil || string(got) != want {
		t.Error(cmp.Diff(want, string(got)), err)
	}
	if left, err := filepath.Glob(m.home + "/workspace@tmp/*"); len(left) > 0 || err != nil {
		t.Errorf("left after the job: %q, %v", left, err)
	}
}

func TestJenkinsScriptsFailWithoutAValue(t *testing.T) {
	t.Parallel()
	m, run := jenkinsMachine(t, "")
	m.file("deploy", "#!/bin/sh\necho \"$DB_PASSWORD\" >&2\nexit 3\n", 0o700)
	m.file("deploy-with", "#!/bin/sh\nexit 3\n", 0o700)
	for _, script := range jenkinsScripts(t)[1:3] {
		code, output := run(script)
		if code != 3 {
			t.Errorf("exit code %d\n%s", code, output)
		}
		hidden(t, output)
		code, output = run(strings.ReplaceAll(script, " api", " none"))
		if code == 0 || !strings.Contains(output, `service "none" has no secrets`) {
			t.Errorf("exit code %d\n%s", code, output)
		}
	}
}

func TestJenkinsInstallsARelease(t *testing.T) {
	t.Parallel()
	m, run := jenkinsMachine(t, newReleases(t, program).url)
	m.withoutCoffer()
	code, output := run(jenkinsScripts(t)[0] + "\ncoffer version")
	if code != 0 || !strings.HasSuffix(output, "coffer v0.1.0\n") {
		t.Errorf("exit code %d\n%s", code, output)
	}
}
