package local_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/local"
	"github.com/coffer-secrets/coffer/store/storetest"
)

func TestConformance(t *testing.T) {
	dir := t.TempDir()
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, dir, "alias/app") }, storetest.Capabilities{})
}

func open(t *testing.T, dir, alias string) store.Store {
	t.Helper()
	s, err := local.New(local.Options{
		Dir: filepath.Join(dir, "data"), KeyDir: filepath.Join(dir, "keys"), KeyAlias: alias, Author: "ann",
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWhoLacksAnIdentityIsDeniedItsSecrets(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	write := func(alias, key string) {
		if _, err := open(t, dir, alias).Write(t.Context(), store.ID{Service: "api", Key: key}, store.NewValue("v"), store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	write("alias/app", "db_url")
	write("alias/ops", "admin_token")
	// Another person has the data, and no identity.
	s, err := local.New(local.Options{Dir: filepath.Join(dir, "data"), KeyDir: other, KeyAlias: "alias/app"})
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Load(t.Context(), "api")
	if err != nil || len(c.Secrets) != 0 || len(c.Denied) != 2 || len(c.Hidden) != 2 {
		t.Errorf("loaded %d secrets, %d denied indexes, %d hidden keys, %v; want 0, 2, 2", len(c.Secrets), len(c.Denied), len(c.Hidden), err)
	}
	if _, err := s.Read(t.Context(), store.ID{Service: "api", Key: "db_url"}, store.Latest); !errors.Is(err, store.ErrDenied) {
		t.Errorf("read: %v; want a denial", err)
	}
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	for name, o := range map[string]local.Options{
		"no directory":   {KeyDir: "k"},
		"no identities":  {Dir: "d"},
		"a key's id":     {Dir: "d", KeyDir: "k", KeyAlias: "arn:aws:kms:us-east-1:111122223333:key/x"},
		"a bad alias":    {Dir: "d", KeyDir: "k", KeyAlias: "a b"},
		"an empty alias": {Dir: "d", KeyDir: "k", KeyAlias: "alias/"},
	} {
		if _, err := local.New(o); !errors.Is(err, store.ErrConfiguration) && !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v; want a refusal", name, err)
		}
	}
}

func TestDescribeKeyKnowsTheIdentitiesThatAreHere(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, "alias/app")
	if _, err := s.Write(t.Context(), store.ID{Service: "api", Key: "db_url"}, store.NewValue("v"), store.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	describe := func(name string) admin.Key {
		t.Helper()
		key, err := s.(admin.KeyDescriber).DescribeKey(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	app := describe("alias/app")
	if app.State != "enabled" || !strings.HasPrefix(app.ID, "age1") || describe(app.ID) != app {
		t.Errorf("alias/app: %+v; its recipient: %+v", app, describe(app.ID))
	}
	for _, name := range []string{"alias/ops", "age1nobody", "alias_app", "../keys/alias_app"} {
		if key := describe(name); key != (admin.Key{State: "no identity"}) {
			t.Errorf("%s: %+v", name, key)
		}
	}
}
