package integrations_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/need"
)

// mise returns a machine that has mise, and what runs it there.
func mise(t *testing.T) (*machine, func(args ...string) (int, string)) {
	t.Helper()
	program := filepath.Join(os.Getenv("COFFER_TEST_MISE"), "node_modules/@jdxcode/mise-linux-x64/bin/mise")
	if _, err := os.Stat(program); err != nil {
		if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
			t.Skip("make mise installs it on linux/amd64 alone")
		}
		need.Missing(t, "mise", "make mise installs it with npm (apt-get install npm)")
	}
	m := newMachine(t)
	m.env = append(m.env, "MISE_OFFLINE=1")
	return m, func(args ...string) (int, string) {
		m.mustRun(program, "trust")
		return m.run(program, args...)
	}
}

func TestMiseStartsATasksProgramWithSecrets(t *testing.T) {
	m, run := mise(t)
	m.file("mise.toml", recipe(t, "mise.toml"), 0o600)
	m.file("server", "#!/bin/sh\nenv -0 > server.env\n", 0o700)
	code, output := run("run", "server")
	if code != 0 {
		t.Fatalf("mise run: exit code %d\n%s", code, output)
	}
	hidden(t, output)
	arrived(t, variables(t, filepath.Join(m.home, "server.env")))
}

func TestMiseLoadsSecretsOfAScript(t *testing.T) {
	m, run := mise(t)
	m.file("mise.toml", recipe(t, "mise.toml with variables")+"[tasks]\nprint = 'echo \"$DB_PASSWORD\"'\n", 0o600)
	script := m.file("secrets.sh", recipe(t, "secrets.sh"), 0o600)
	code, output := run("exec", "--", "sh", "-c", "env -0 > all.env")
	if code != 0 {
		t.Fatalf("mise exec: exit code %d\n%s", code, output)
	}
	hidden(t, output)
	arrived(t, variables(t, filepath.Join(m.home, "all.env")))

	code, output = run("run", "print")
	hidden(t, output)
	if code != 0 || !strings.Contains(output, "[redacted]") {
		t.Errorf("mise run: exit code %d\n%s", code, output)
	}

	m.file(filepath.Base(script), strings.Replace(recipe(t, "secrets.sh"), "env api", "env missing", 1), 0o600)
	code, output = run("exec", "--", "true")
	if code == 0 || !strings.Contains(output, `service "missing" has no secrets`) {
		t.Errorf("mise goes on without the secrets: exit code %d\n%s", code, output)
	}
}
