package local_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// TestAFileInAnotherPlaceIsRefused: an age file doesn't name its object, but what it holds does. So whoever can
// write files, and has no key, can't give a program another secret than the one that it asked for.
func TestAFileInAnotherPlaceIsRefused(t *testing.T) {
	const index = "__kms_alias_app__latest.json"
	for name, copied := range map[string][2]string{
		"a secret over another":         {"api/a.json", "api/b.json"},
		"a secret of another service":   {"web/b.json", "api/b.json"},
		"an index of another service":   {"web/" + index, "api/" + index},
		"a secret that isn't there yet": {"api/a.json", "api/new.json"},
		"a secret over an index":        {"api/a.json", "api/" + index},
		"an index over a secret":        {"api/" + index, "api/b.json"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, "alias/app")
			for _, id := range []string{"api/a", "api/b", "web/b"} {
				parsed, err := store.ParseID(id)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := s.Write(t.Context(), parsed, store.NewValue("value of "+id), store.WriteOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			data, err := os.ReadFile(filepath.Join(dir, "data", filepath.FromSlash(copied[0])))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "data", filepath.FromSlash(copied[1])), data, 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := open(t, dir, "alias/app").Load(t.Context(), "api")
			var corrupt *store.CorruptError
			if err != nil && !errors.As(err, &corrupt) && !errors.Is(err, store.ErrCorrupt) {
				t.Errorf("load: %v", err)
			}
			for _, secret := range c.Secrets {
				if want := "value of api/" + secret.ID.Key; secret.Value.Reveal() != want {
					t.Errorf("%s holds %q, want %q", secret.ID, secret.Value.Reveal(), want)
				}
			}
			found, err := s.(admin.Inspector).Inspect(t.Context(), "api")
			if err != nil || len(found.Findings) == 0 {
				t.Errorf("doctor finds %+v, %v", found.Findings, err)
			}
		})
	}
}
