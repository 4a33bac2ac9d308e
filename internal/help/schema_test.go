package help_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v3"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/help"
)

// configSchema is docs/config.schema.json.
func configSchema(t *testing.T) (*jsonschema.Schema, *jsonschema.Resolved) {
	t.Helper()
	body, err := os.ReadFile("../../docs/config.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var s jsonschema.Schema
	if err := json.Unmarshal(body, &s); err != nil {
		t.Fatal(err)
	}
	r, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &s, r
}

// TestTheConfigurationsSchemaHasEachSetting: with the text that help has, at the top and in contexts.
func TestTheConfigurationsSchemaHasEachSetting(t *testing.T) {
	s, _ := configSchema(t)
	var want, contexts []string
	for _, setting := range help.Settings() {
		about := s.Properties[setting.Name]
		if about != nil && about.Ref != "" {
			about = s.Defs[strings.TrimPrefix(about.Ref, "#/$defs/")]
			contexts = append(contexts, setting.Name)
		}
		text := strings.ToUpper(setting.About[:1]) + setting.About[1:] + "."
		if about == nil || about.Description != text {
			t.Errorf("the schema doesn't describe %s with %q", setting.Name, text)
		}
		want = append(want, setting.Name)
	}
	names := func(properties map[string]*jsonschema.Schema) (all []string) {
		for name := range properties {
			all = append(all, name)
		}
		slices.Sort(all)
		return all
	}
	slices.Sort(want)
	slices.Sort(contexts)
	if diff := cmp.Diff(want, names(s.Properties)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(contexts, names(s.Defs["settings"].Properties)); diff != "" {
		t.Error(diff)
	}
	var backends []string
	for _, b := range s.Defs["backend"].Enum {
		backends = append(backends, b.(string))
	}
	for _, b := range app.BackendRows() {
		if !slices.Contains(backends, b.String()) {
			t.Errorf("the schema has no backend %s", b)
		}
	}
	if len(backends) != len(app.BackendRows()) {
		t.Errorf("backends %v", backends)
	}
}

// TestTheConfigurationsSchemaAgreesWithTheParser: the schema accepts files that coffer reads, and refuses what coffer refuses.
func TestTheConfigurationsSchemaAgreesWithTheParser(t *testing.T) {
	_, r := configSchema(t)
	document, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(document), "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	for file, accepted := range map[string]bool{
		example: true, "": true, "# nothing\n": true,
		"retries: 5\ncache_keyring: false\nexpected_bucket_owner: '111122223333'\nmask: true\n": true,
		"mcp_allow: [make test]\nkeys: {alias/app: app-key}\nkey_arns: []\n":                    true,
		"contexts: {a: {backend: s3-age, allow_http: true}, b: }\n":                             true,
		"bukcet: acme\n":                          false,
		"contexts: {a: {context: b}}\n":           false,
		"contexts: {a: {bukcet: acme}}\n":         false,
		"allow_http: yes please\n":                false,
		"key_arns: arn:aws:kms:a:b:key/c\n":       false,
		"keys: [alias/app]\n":                     false,
		"mcp_allow: {make: test}\n":               false,
		"bucket: {name: acme}\n":                  false,
		"contexts: [prod]\n":                      false,
		"- backend\n":                             false,
		"context: {prod: {bucket: acme-secret}}}": false,
	} {
		path := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		a := app.Process(app.Build{})
		a.Environ = []string{"HOME=" + t.TempDir()}
		a.Globals = &app.Globals{Config: path}
		if _, err := a.ConfigFile(); (err == nil) != accepted {
			t.Errorf("the parser: %q: %v", file, err)
		}
		var content any
		if err := yaml.Unmarshal([]byte(file), &content); err != nil {
			continue // no editor gets as far as the schema
		}
		if err := r.Validate(content); (err == nil) != accepted {
			t.Errorf("the schema: %q: %v", file, err)
		}
	}
}
