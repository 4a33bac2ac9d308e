package project

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/environ"
	"github.com/coffer-secrets/coffer/store"
)

const canary = "Xq7zCanary9"

func parsed(t *testing.T, text string) *File {
	t.Helper()
	f, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// service returns the contents of a service: secrets are KEY=VALUE, and KEY alone is hidden.
func service(name string, secrets ...string) store.Contents {
	c := store.Contents{Service: name, Listed: len(secrets)}
	for _, s := range secrets {
		key, value, ok := strings.Cut(s, "=")
		if !ok {
			c.Hidden = append(c.Hidden, key)
			continue
		}
		c.Secrets = append(c.Secrets, store.Secret{Meta: store.Meta{ID: store.ID{Service: name, Key: key}}, Value: store.NewValue(value)})
	}
	return c
}

func messages(errs []error) []string {
	var all []string
	for _, err := range errs {
		all = append(all, err.Error())
	}
	return all
}

func TestEverythingThatIsMissingOrMistypedIsNamedAtOnce(t *testing.T) {
	f := parsed(t, `
services: [shared, api]
keys:
  db_pasword: {description: Ask the DBA.}
  port: {type: port}
  cert: {type: pem, optional: true}
  empty:
  hidden:
  twin:
  gone: {optional: true}
  token: {type: json}
  absent:
variables:
  URL_A: "{{ coffer://vault/key }}{{ coffer://vault/key }}"
  URL_B: "{{ coffer://api/hidden }}{{ coffer://api/port }}"
`)
	errs := f.Check([]store.Contents{
		service("shared", "db_password="+canary, "token={}", "port=80"),
		service("api", "PORT="+canary, "cert="+canary, "empty=", "hidden", "Twin=1", "tWin=2", "token="+canary),
	})
	want := []string{
		`coffer.yaml:4: key "db_pasword" is missing in shared, api (nearest: "db_password"): Ask the DBA.`,
		`coffer.yaml:5: secret "PORT" in service "api" is not a port (1 to 65535)`,
		`coffer.yaml:6: secret "cert" in service "api" is not PEM: it has no whole block`,
		`coffer.yaml:7: secret "empty" in service "api" is empty`,
		`coffer.yaml:8: you don't have permission to read the key "hidden" in api`,
		`coffer.yaml:9: key "twin" is ambiguous in api: use the exact name`,
		`coffer.yaml:11: secret "token" in service "api" is not valid JSON`,
		`coffer.yaml:12: key "absent" is missing in shared, api`,
		`coffer.yaml:14: URL_A: key "key" is missing in vault`,
		`coffer.yaml:15: URL_B: you don't have permission to read the key "hidden" in api`,
	}
	if diff := cmp.Diff(want, messages(errs)); diff != "" {
		t.Error(diff)
	}
	kinds := map[error]int{}
	for _, err := range errs {
		for _, kind := range []error{store.ErrNotFound, store.ErrDenied, store.ErrAmbiguousName} {
			if errors.Is(err, kind) {
				kinds[kind]++
			}
		}
		if strings.Contains(err.Error(), canary) {
			t.Errorf("a value is told: %v", err)
		}
	}
	if kinds[store.ErrNotFound] != 3 || kinds[store.ErrDenied] != 2 || kinds[store.ErrAmbiguousName] != 1 {
		t.Errorf("%v", kinds)
	}
}

func TestTheSecretsOfAFileAreFoundAsThoseOfACommandLine(t *testing.T) {
	f := parsed(t, "services: [API, Web]\nkeys: {db_url: {type: url, variable: URL}, DB_URL: {variable: UPPER}}\nvariables: {X: '{{ coffer://WEB/Key }}'}\n")
	all := []store.Contents{service("api", "db_url=http://a", "DB_URL=b"), service("web", "key=c")}
	if errs := f.Check(all); len(errs) > 0 {
		t.Errorf("%v", errs)
	}
	layers, errs := f.Layers(all)
	env, _, err := environ.Build(nil, layers, environ.Rules{})
	if diff := cmp.Diff([]string{"KEY=c", "UPPER=b", "URL=http://a", "X=c"}, env.Strings()); diff != "" || err != nil || len(errs) > 0 {
		t.Errorf("%v, %v\n%s", err, errs, diff)
	}
}

func TestTheFileNamesVariablesAndPutsOthersTogether(t *testing.T) {
	f := parsed(t, `
services: [shared, api]
keys: {db_password: {variable: PGPASSWORD}, region: {variable: Region}}
variables:
  DATABASE_URL: "postgres://app:{{ coffer://api/db_password | url }}@{{ coffer://vault/host }}/db"
`)
	all := []store.Contents{service("shared", "region=eu", "other=1"), service("api", "db_password=p/w", "other=2"), service("vault", "host=db", "root=never")}
	layers, errs := f.Layers(all)
	env, notices, err := environ.Build([]string{"HOME=/h", "DATABASE_URL=old"}, layers, environ.Rules{Prefix: "APP_"})
	if err != nil || len(errs) > 0 {
		t.Fatal(err, errs)
	}
	want := []string{"HOME=/h", "APP_OTHER=2", "DATABASE_URL=postgres://app:p%2Fw@db/db", "PGPASSWORD=p/w", "Region=eu"}
	if diff := cmp.Diff(want, env.Strings()); diff != "" {
		t.Error(diff)
	}
	if len(notices) != 1 || strings.Contains(notices[0].Text, "never") {
		t.Errorf("%v", notices)
	}
	var parts []string
	for _, v := range f.WithParts(env, all)[len(env):] {
		parts = append(parts, v.Name+v.Service+"/"+v.Key+"="+v.Value.Reveal())
	}
	if diff := cmp.Diff([]string{"vault/host=db"}, parts); diff != "" {
		t.Error(diff)
	}
}

func TestAValueThatCannotStandInAVariableIsNamed(t *testing.T) {
	f := parsed(t, "services: [api]\nvariables: {A: 'x={{ coffer://api/key | ini }}', B: '{{ coffer://api/key | json }}'}\n")
	layers, errs := f.Layers([]store.Contents{service("api", "key="+canary+"\n\xff")})
	if len(errs) != 2 || strings.Contains(errs[0].Error()+errs[1].Error(), canary) || !strings.Contains(errs[0].Error(), "A:1:3: ") {
		t.Errorf("%v, %v", layers, errs)
	}
}

func TestAComparisonSaysWhatIsMissingUnusedAndUndeclared(t *testing.T) {
	f := parsed(t, `
services: [shared, api, none]
keys:
  db_password: {type: string, description: The password.}
  port: {type: port, variable: LISTEN}
  tls_kye:
  maybe: {optional: true}
variables:
  DATABASE_URL: "{{ coffer://api/db_password }}{{ coffer://vault/host }}{{ coffer://vault/hots }}{{ coffer://gone/x }}"
`)
	got := f.Compare([]Listing{
		{"shared", []string{"db_password", "extra", "listen"}}, {"api", []string{"DB_PASSWORD", "database_url", "extra", "port", "tls_key"}}, {"none", nil}, {"vault", []string{"host", "root"}}, {"gone", nil},
	})
	want := []Row{
		{Status: Missing, Key: "tls_kye", Variable: "TLS_KYE", Nearest: "tls_key"},
		{Status: Missing, Service: "gone"},
		{Status: Missing, Service: "gone", Key: "x", Variable: "DATABASE_URL"},
		{Status: Missing, Service: "none"},
		{Status: Missing, Service: "vault", Key: "hots", Variable: "DATABASE_URL", Nearest: "host"},
		{Status: Unused, Service: "api", Key: "database_url", Variable: "DATABASE_URL"},
		{Status: Unused, Service: "shared", Key: "db_password", Variable: "DB_PASSWORD"},
		{Status: Unused, Service: "shared", Key: "extra", Variable: "EXTRA"},
		{Status: Unused, Service: "shared", Key: "listen", Variable: "LISTEN"},
		{Status: Undeclared, Service: "api", Key: "extra", Variable: "EXTRA"},
		{Status: Undeclared, Service: "api", Key: "tls_key", Variable: "TLS_KEY"},
		{Status: Absent, Key: "maybe", Variable: "MAYBE"},
		{Status: Present, Service: "api", Key: "DB_PASSWORD", Variable: "DB_PASSWORD", Type: "string", Description: "The password."},
		{Status: Present, Service: "api", Key: "port", Variable: "LISTEN", Type: "port"},
		{Status: Present, Service: "vault", Key: "host", Variable: "DATABASE_URL"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
