package s3kms_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/s3kms"
)

// stocked is a server with a secret under each of two aliases, and the configuration of a reader.
func stocked(t *testing.T) (*s3test.Server, func(t *testing.T) store.Store) {
	t.Helper()
	server, cfg := newServer(t, s3test.Options{})
	server.KMS.CreateKey("alias/ops")
	for alias, key := range map[string]string{"alias/app": "db_password", "alias/ops": "admin_token"} {
		id := store.ID{Service: "api", Key: key}
		if _, err := open(t, cfg, s3kms.Options{Bucket: "b", KeyAlias: alias}).Write(t.Context(), id, store.NewValue("v"), store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return server, func(t *testing.T) store.Store { return open(t, cfg, s3kms.Options{Bucket: "b"}) }
}

func TestReadersNeedNoAlias(t *testing.T) {
	server, reader := stocked(t)
	s := reader(t)
	server.Reset()
	contents, err := s.Load(t.Context(), "api")
	if err != nil || len(contents.Secrets) != 2 || contents.Listed != 2 {
		t.Errorf("load: %v, %v; want both secrets", contents, err)
	}
	if n := len(server.Log()); n != 3 {
		t.Errorf("load made %d requests; want the listing and one for each index", n)
	}
	for _, secret := range contents.Secrets {
		if want := map[string]string{"db_password": "alias/app", "admin_token": "alias/ops"}[secret.ID.Key]; secret.KeyAlias != want {
			t.Errorf("%s: under %q; want %q", secret.ID, secret.KeyAlias, want)
		}
	}
	id := store.ID{Service: "api", Key: "db_password"}
	if secret, err := s.Read(t.Context(), id, store.Latest); err != nil || secret.Value.Reveal() != "v" {
		t.Errorf("read: %v; want the value", err)
	}
	if versions, err := s.History(t.Context(), id); err != nil || len(versions) != 1 {
		t.Errorf("history: %v, %v; want one version", versions, err)
	}
	if ids, err := s.(store.Lister).IDs(t.Context(), ""); err != nil || len(ids) != 2 {
		t.Errorf("IDs: %v, %v; want two", ids, err)
	}
}

func TestReadersWithoutAnAliasSeeWhatTheyMayNotRead(t *testing.T) {
	server, reader := stocked(t)
	server.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyDecrypt: []string{"alias/ops"}})
	contents, err := reader(t).Load(t.Context(), "api")
	if err != nil || len(contents.Secrets) != 1 || len(contents.Hidden) != 1 || len(contents.Denied) != 1 || contents.Listed != 2 {
		t.Errorf("without alias/ops: %v, %v; want one secret and one that is hidden", contents, err)
	}
	server.SetPolicy(dev.AccessKeyID, s3test.Policy{ListPrefixes: []string{"api/__kms"}})
	contents, err = reader(t).Load(t.Context(), "api")
	if err != nil || len(contents.Secrets) != 2 || contents.Unlisted {
		t.Errorf("with a listing of the indexes: %v, %v; want both secrets", contents, err)
	}
	server.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyList: true})
	if contents, err = reader(t).Load(t.Context(), "api"); !errors.Is(err, store.ErrDenied) {
		t.Errorf("without a listing: %v, %v; want ErrDenied, not an empty service", contents, err)
	}
}

func TestChangesNeedAnAlias(t *testing.T) {
	server, reader := stocked(t)
	s := reader(t)
	server.Reset()
	id := store.ID{Service: "api", Key: "db_password"}
	_, written := s.Write(t.Context(), id, store.NewValue("w"), store.WriteOptions{})
	_, all := s.WriteAll(t.Context(), "api", map[string]store.Value{"k": store.NewValue("w")}, store.WriteOptions{})
	_, deleted := s.Delete(t.Context(), "api", "db_password")
	for name, err := range map[string]error{"write": written, "write all": all, "delete": deleted} {
		if !errors.Is(err, store.ErrConfiguration) || !strings.Contains(err.Error(), "Options.KeyAlias") {
			t.Errorf("%s: %v; want an ErrConfiguration that names the option", name, err)
		}
	}
	if n := len(server.Log()); n != 0 {
		t.Errorf("%d requests; want none", n)
	}
	if _, ok := s.(store.Tagger); ok {
		t.Error("a reader without an alias offers to write tags")
	}
}
