package integrations_test

import (
	"path/filepath"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/need"
)

func TestMakeRunsTargetsWithSecrets(t *testing.T) {
	need.Program(t, "make", "apt-get install make")
	m := newMachine(t)
	m.store("api", map[string]string{"db_user": "canary-user"})
	m.file("Makefile", recipe(t, "Makefile"), 0o600)
	m.file("server", "#!/bin/sh\nenv -0 > server.env\n", 0o700)
	m.file("migrate", "#!/bin/sh\nenv -0 > migrate.env; printf %s \"$2\" > user\n", 0o700)
	m.file("seed", "#!/bin/sh\nenv -0 > seed.env\n", 0o700)
	hidden(t, m.mustRun("make", "server"))
	hidden(t, m.mustRun("make", "migrate"))
	for _, program := range []string{"server", "migrate", "seed"} {
		arrived(t, variables(t, filepath.Join(m.home, program+".env")))
	}
	if user := m.mustRun("cat", "user"); user != "canary-user" {
		t.Error("$$DB_USER is not the secret")
	}
}
