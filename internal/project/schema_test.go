package project

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v3"
)

// schema is docs/coffer.schema.json.
func schema(t testing.TB) (*jsonschema.Schema, *jsonschema.Resolved) {
	t.Helper()
	body, err := os.ReadFile("../../docs/coffer.schema.json")
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

// inJSON returns a file as an editor sees it: the types of YAML 1.2's core schema, a date as a date.
func inJSON(t *testing.T, file string) any {
	t.Helper()
	var content any
	if err := yaml.Unmarshal([]byte(file), &content); err != nil {
		t.Fatalf("%.80q: %v", file, err)
	}
	var plain func(any) any
	plain = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for key, value := range v {
				v[key] = plain(value)
			}
		case map[any]any: // a number as a name
			names := map[string]any{}
			for key, value := range v {
				names[fmt.Sprint(key)] = plain(value)
			}
			return names
		case []any:
			for i, value := range v {
				v[i] = plain(value)
			}
		case string, bool, nil, int, float64:
		default:
			return 0 // a date, which is no text
		}
		return v
	}
	return plain(content)
}

// TestTheSchemaAgreesWithTheParser: what the parser accepts, the schema does. What the parser refuses, the
// schema does too, unless JSON Schema can't say it.
func TestTheSchemaAgreesWithTheParser(t *testing.T) {
	_, r := schema(t)
	draft, err := Draft([]Listing{{"api", []string{"a", "on"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{
		whole, string(draft), "services: [a/b.c/D-e_1, rds!x, events!y/z, -a, ...a, _a]\n", "services: [api]\nkeys:\nvariables:\n",
		"services: [api]\nkeys: {on: , -a: {}, .b: , 1: {optional: false, type: pem}}\n", "services: [api]\nvariables: {_a: '{{coffer://%61pi/k | base64 | url}}', b9: \"x\\n{{\\tcoffer://a/b/c }}\"}\n",
		"services: [" + "a" + "]\nkeys: {a: {variable: _, description: ''}}\n", "services: [coffer-api, COFFER_X]\n",
	} {
		if _, err := Parse([]byte(file)); err != nil {
			t.Errorf("the parser refuses %q: %v", file, err)
		}
		if err := r.Validate(inJSON(t, file)); err != nil {
			t.Errorf("the schema refuses %q: %v", file, err)
		}
	}
	for _, c := range refused {
		if !c.bySchema {
			continue
		}
		if err := r.Validate(inJSON(t, c.file)); err == nil {
			t.Errorf("the schema accepts %.80q, which the parser refuses: %s", c.file, c.want)
		}
	}
	for _, name := range slices.Concat(elsewhere, actions) {
		if err := r.Validate(inJSON(t, "services: [api]\n"+name+": x\n")); err == nil {
			t.Errorf("the schema accepts %s", name)
		}
	}
}

// TestTheSchemaHasTheFieldsOfTheParser: neither has a field, a type or a limit that the other hasn't.
func TestTheSchemaHasTheFieldsOfTheParser(t *testing.T) {
	s, _ := schema(t)
	names := func(properties map[string]*jsonschema.Schema) []string {
		var all []string
		for name, p := range properties {
			all = append(all, name)
			if p.Description == "" {
				t.Errorf("%s has no description", name)
			}
		}
		slices.Sort(all)
		return all
	}
	sorted := func(all []string) []string { return slices.Sorted(slices.Values(all)) }
	key := s.Properties["keys"].AdditionalProperties
	if diff := cmp.Diff(sorted(fieldNames), names(s.Properties)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(sorted(keyFieldNames), names(key.Properties)); diff != "" {
		t.Error(diff)
	}
	var types []string
	for _, v := range key.Properties["type"].Enum {
		types = append(types, v.(string))
	}
	if diff := cmp.Diff(TypeNames(), types); diff != "" {
		t.Error(diff)
	}
	if got := *s.Properties["keys"].MaxProperties; got != MaxKeys {
		t.Errorf("%d keys", got)
	}
	if got := *s.Properties["services"].MaxItems; got != MaxServices || s.ID != SchemaURL {
		t.Errorf("%d services, %s", got, s.ID)
	}
}
