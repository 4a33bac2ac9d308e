//go:build unix

package cmd_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// project writes a project's file, and returns the flag that names it.
func (b *bench) project(text string) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "coffer.yaml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
	return " --project " + path
}

// checked runs coffer check, and returns "status service/key" of each row.
func (b *bench) check(flags string) (rows []string, got outcome) {
	b.Helper()
	got = b.run("check --json"+flags, "")
	var answer struct {
		Keys []struct{ Status, Service, Key string }
	}
	if err := json.Unmarshal([]byte(got.stdout), &answer); err != nil {
		b.Fatalf("%v\n%s", err, got.stderr)
	}
	for _, k := range answer.Keys {
		rows = append(rows, k.Status+" "+k.Service+"/"+k.Key)
	}
	return rows, got
}

const projectFile = `
services: [shared, api]
keys: {db_password: {type: url}, gone: {description: Ask Ann}}
variables: {URL: "{{ coffer://vault/host }}"}
`

func TestCheckComparesOnEveryBackend(t *testing.T) {
	t.Parallel()
	onEachBackend(t, func(s shelf) {
		s.plant("shared", "db_password", canary)
		s.plant("Api", "DB_Password", canary)
		s.plant("Api", "extra", canary)
		s.plant("api-2", "gone", canary)
		s.plant("vault", "host", canary)
		rows, got := s.check(s.project(projectFile))
		want := []string{"missing /gone", "unused shared/db_password", "undeclared Api/extra", "present Api/DB_Password", "present vault/host"}
		if diff := cmp.Diff(want, rows); diff != "" || got.exit != 1 || strings.Contains(got.stdout+got.stderr, canary) {
			s.Errorf("%+v\n%s", got, diff)
		}
		s.plant("shared", "gone", "x")
		if rows, got = s.check(s.project(projectFile)); got.exit != 0 || len(rows) != 5 {
			s.Errorf("%+v", got)
		}
		if got := s.run("exec"+s.project(projectFile)+" -- true", ""); got.exit != 1 || !strings.Contains(got.stderr, `coffer.yaml:3: secret "DB_Password" in service "Api" is not a URL`) || strings.Contains(got.stderr, canary) {
			s.Errorf("exec: %+v", got)
		}
		s.plant("Api", "db_password", "http://"+canary)
		got = s.run("exec -q"+s.project(projectFile)+" -- printenv DB_PASSWORD URL", "")
		if got.exit != 0 || got.stdout != "http://"+canary+"\n"+canary+"\n" {
			s.Errorf("exec: %+v", got)
		}
	})
}

// A caller who may list and nothing else finds out all that check tells: one LIST for each service, and nothing
// is decrypted.
func TestCheckNeedsNoRightToDecrypt(t *testing.T) {
	t.Parallel()
	for _, backend := range []string{"s3-kms", "s3"} {
		b := newBench(t, s3test.Options{})
		b.env = append(b.env, "COFFER_BACKEND="+backend)
		for _, key := range []string{"shared db_password", "api db_password", "api extra", "vault host"} {
			b.do("write "+key+" -", canary)
		}
		b.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyGet: []string{"*"}, DenyDecrypt: []string{"*"}, DenyPut: []string{"*"}, DenyDescribe: true, ListPrefixes: []string{"shared/", "api/", "vault/"}})
		before := len(b.Log())
		rows, got := b.check(b.project(projectFile))
		want := []string{"missing /gone", "unused shared/db_password", "undeclared api/extra", "present api/db_password", "present vault/host"}
		if diff := cmp.Diff(want, rows); diff != "" || got.exit != 1 {
			t.Errorf("%s: %+v\n%s", backend, got, diff)
		}
		var requests []string
		for _, e := range b.Log()[before:] {
			requests = append(requests, e.Op+" "+e.Prefix)
		}
		slices.Sort(requests)
		if diff := cmp.Diff([]string{"ListObjectsV2 api/", "ListObjectsV2 shared/", "ListObjectsV2 vault/"}, requests); diff != "" {
			t.Errorf("%s: %s", backend, diff)
		}
		if got := b.run("exec"+b.project(projectFile)+" -- true", ""); got.exit != 5 || strings.Contains(got.stdout+got.stderr, canary) {
			t.Errorf("%s, exec: %+v", backend, got)
		}
		b.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyList: true})
		if got := b.run("check"+b.project(projectFile), ""); got.exit != 5 || got.stdout != "" {
			t.Errorf("%s, without the right to list: %+v", backend, got)
		}
	}
}

// What a project's file adds to exec is no request, but for services that it alone names.
func TestAProjectsFileCostsNoRequest(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	b.do("write api db_password -", canary)
	requests := func(line string) int {
		b.Helper()
		before := len(b.Log())
		b.do(line, "")
		return len(b.Log()) - before
	}
	file := b.project("services: [api]\nkeys: {db_password: {variable: PW}}\nvariables: {URL: 'x{{ coffer://api/db_password }}'}\n")
	plain, with := requests("exec api -- true"), requests("exec"+file+" -- true")
	if plain != 2 || with != plain {
		t.Errorf("%d requests with the file, %d without", with, plain)
	}
}
