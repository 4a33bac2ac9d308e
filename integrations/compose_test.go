package integrations_test

import (
	"encoding/json"
	"testing"
)

func TestComposePassesSecretsOn(t *testing.T) {
	program, m := manifests(t), newMachine(t)
	file := m.file("compose.yaml", recipe(t, "compose.yaml"), 0o600)
	var project struct {
		Services map[string]struct {
			Environment map[string]string
			Secrets     []struct{ Source string }
		}
		Secrets map[string]struct{ File string }
	}
	output := m.mustRun("coffer", "exec", "--file", "tls_key", "api", "--", "sh", "-c", `cp "$TLS_KEY_FILE" key; exec "$0" compose "$1"`, program, file)
	if err := json.Unmarshal([]byte(output), &project); err != nil {
		t.Fatal(err)
	}
	api := project.Services["api"]
	if len(api.Environment) != 1 || api.Environment["DB_PASSWORD"] != canaries["db_password"] {
		t.Errorf("the service has %d variables", len(api.Environment))
	}
	if len(api.Secrets) != 1 || project.Secrets[api.Secrets[0].Source].File == "" {
		t.Error("the service has no secret that is a file")
	}
	if m.mustRun("cat", "key") != canaries["tls_key"] {
		t.Error("the file has another value")
	}
	if exists(project.Secrets["tls_key"].File) {
		t.Error("the file is still there")
	}
}
