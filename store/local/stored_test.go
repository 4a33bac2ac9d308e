package local_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/local"
)

// older copies testdata/v1: what coffer wrote on 2026-11-28 at commit f68524a, when each new identity was an
// X25519 one. The identities protect nothing.
func older(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/v1")); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			err = os.Chmod(path, 0o600) // git keeps no modes
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func values(t *testing.T, s store.Store, service string) map[string]string {
	t.Helper()
	c, err := s.Load(t.Context(), service)
	if err != nil || len(c.Denied) > 0 || len(c.Hidden) > 0 {
		t.Fatalf("load %s: %+v, %v", service, c, err)
	}
	all := map[string]string{}
	for _, secret := range c.Secrets {
		all[secret.ID.Key] = secret.Value.Reveal()
	}
	return all
}

// TestOlderFilesOpenUnchanged: values and history are there, and the tags that the indexes have are still those
// of the files, so that nothing is reported or read twice. A new alias gets a hybrid identity beside the old ones,
// and an old alias keeps its own.
func TestOlderFilesOpenUnchanged(t *testing.T) {
	dir := older(t)
	s := open(t, dir, "alias/default")
	want := map[string]string{"db_url": "two", "token": "line\nline", "ops_key": "y"}
	if diff := cmp.Diff(want, values(t, s, "api")); diff != "" {
		t.Errorf("api (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"admin": "x"}, values(t, s, "api/worker")); diff != "" {
		t.Errorf("api/worker (-want +got):\n%s", diff)
	}
	old, err := s.Read(t.Context(), store.ID{Service: "api", Key: "db_url"}, 1)
	if err != nil || old.Value.Reveal() != "one" {
		t.Errorf("version 1: %q, %v", old.Value.Reveal(), err)
	}
	wantSound(t, s)
	before, err := os.ReadFile(filepath.Join(dir, "keys", "alias_default.age"))
	if err != nil {
		t.Fatal(err)
	}
	for alias, key := range map[string]string{"alias/default": "db_url", "alias/new": "fresh"} {
		if _, err := open(t, dir, alias).Write(t.Context(), store.ID{Service: "api", Key: key}, store.NewValue("new"), store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	want["db_url"], want["fresh"] = "new", "new"
	if diff := cmp.Diff(want, values(t, open(t, dir, "alias/ops"), "api")); diff != "" {
		t.Errorf("afterwards (-want +got):\n%s", diff)
	}
	wantSound(t, s)
	if after, err := os.ReadFile(filepath.Join(dir, "keys", "alias_default.age")); err != nil || string(after) != string(before) {
		t.Errorf("the old identity has changed (%v)", err)
	}
	added, err := os.ReadFile(filepath.Join(dir, "keys", "alias_new.age"))
	if err != nil || !strings.Contains(string(added), "\nAGE-SECRET-KEY-PQ-1") {
		t.Errorf("the new identity is not a hybrid one (%v)", err)
	}
}

// wantSound checks that doctor finds nothing.
func wantSound(t *testing.T, s store.Store) {
	t.Helper()
	for _, service := range []string{"api", "api/worker"} {
		found, err := s.(admin.Inspector).Inspect(t.Context(), service)
		if err != nil || len(found.Findings) > 0 {
			t.Errorf("%s: %+v, %v", service, found.Findings, err)
		}
	}
}

func TestAKeyIsFoundByItsWholeRecipient(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, "alias/app")
	if _, err := s.Write(t.Context(), store.ID{Service: "api", Key: "a"}, store.NewValue("v"), store.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "keys", "alias_app.age"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "# public key: ")
	recipient, _, _ := strings.Cut(rest, "\n")
	key, err := s.(admin.KeyDescriber).DescribeKey(t.Context(), recipient)
	if err != nil || key.State != "enabled" || len(key.ID) > 62 || !strings.HasPrefix(recipient, key.ID) {
		t.Errorf("%+v, %v", key, err)
	}
	if key, err := s.(admin.KeyDescriber).DescribeKey(t.Context(), recipient[:len(recipient)-1]); err != nil || key.ID != "" {
		t.Errorf("a part of a recipient: %+v, %v", key, err)
	}
	if got := local.Aliases(filepath.Join(dir, "keys")); len(got) != 1 || got[0] != "alias/app" {
		t.Errorf("aliases %q", got)
	}
}
