package integrations_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/need"
)

// visit is what a shell with direnv's hook does in a directory, and when it leaves it.
const visit = `
	eval "$(direnv export bash)"; env -0 > ../inside
	cd ..
	eval "$(direnv export bash)"; env -0 > outside`

// direnv returns a machine with the library, and with an .envrc that direnv may load.
func direnv(t *testing.T, envrc string) *machine {
	t.Helper()
	need.Program(t, "direnv", "apt-get install direnv")
	library, err := os.ReadFile("direnv/coffer.sh")
	if err != nil {
		t.Fatal(err)
	}
	m := newMachine(t)
	m.file(".config/direnv/lib/coffer.sh", string(library), 0o600)
	m.file("project/.envrc", envrc, 0o600)
	m.mustRun("direnv", "allow", "project")
	return m
}

func TestDirenvLoadsSecretsAndUnloadsThem(t *testing.T) {
	for name, envrc := range map[string]string{
		"library":    recipe(t, ".envrc"),
		"no library": recipe(t, ".envrc without the library"),
		"traced":     "set -x\n" + recipe(t, ".envrc"),
	} {
		t.Run(name, func(t *testing.T) {
			m := direnv(t, envrc)
			output := m.mustRun("bash", "-c", "cd project\n"+visit)
			hidden(t, output)
			if !strings.Contains(output, "+DB_PASSWORD") {
				t.Errorf("direnv doesn't name what it has loaded:\n%s", output)
			}
			arrived(t, variables(t, filepath.Join(m.home, "inside")))
			absent(t, variables(t, filepath.Join(m.home, "outside")))
		})
	}
}

func TestDirenvPassesArgumentsOn(t *testing.T) {
	m := direnv(t, "use coffer api --only 'db_*' --prefix APP_\n")
	m.mustRun("bash", "-c", "cd project\n"+visit)
	env := variables(t, filepath.Join(m.home, "inside"))
	absent(t, env)
	if env["APP_DB_PASSWORD"] != canaries["db_password"] || env["APP_TLS_KEY"] != "" {
		t.Error("--only or --prefix was not passed on")
	}
}

// TestDirenvSaysWhatIsMissing: without strict_env the rest of .envrc is loaded, with it nothing.
func TestDirenvSaysWhatIsMissing(t *testing.T) {
	const envrc = "use coffer missing\nexport LATER=yes\n"
	for first, later := range map[string]string{"": "yes", "strict_env\n": ""} {
		m := direnv(t, first+envrc)
		output := m.mustRun("bash", "-c", "cd project\n"+visit)
		if !strings.Contains(output, `service "missing" has no secrets`) {
			t.Errorf("%q: the error isn't shown:\n%s", first, output)
		}
		if got := variables(t, filepath.Join(m.home, "inside"))["LATER"]; got != later {
			t.Errorf("%q: LATER is %q", first, got)
		}
	}
}
