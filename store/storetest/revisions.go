package storetest

import (
	"maps"

	"github.com/coffer-secrets/coffer/store"
)

func revising() []sentence {
	return []sentence{
		{"the revisions are those of a load", revisionsOfALoad},
		{"a write changes the revision of its secret", writeRevises},
		{"a delete changes the revision of its secret", deleteRevises},
		{"a deleted secret has no revision", deletedHasNoRevision},
	}
}

// wantRevisions returns the revisions of the service, which must be those of a load.
func (s *session) wantRevisions() map[string]string {
	s.Helper()
	reviser, ok := s.store.(store.Reviser)
	if !ok {
		s.Fatalf("%T is not a store.Reviser", s.store)
	}
	revisions, err := reviser.Revisions(s.ctx, s.service)
	if err != nil {
		s.Fatalf("revisions: %v", err)
	}
	c, err := s.store.Load(s.ctx, s.service)
	if err != nil {
		s.Fatalf("load: %v", err)
	}
	if c.Revisions == nil || !maps.Equal(c.Revisions, revisions) {
		s.Errorf("the revisions are %v; those of a load %v", revisions, c.Revisions)
	}
	for _, secret := range c.Secrets {
		read, err := s.store.Read(s.ctx, secret.ID, store.Latest)
		if err != nil {
			s.Fatalf("read: %v", err)
		}
		if want := revisionOf(revisions, secret.ID.Key); want == "" || secret.Revision != want || read.Revision != want {
			s.Errorf("%s has revision %q; by a load %q, by a read %q", secret.ID, want, secret.Revision, read.Revision)
		}
	}
	return revisions
}

// revisionOf returns the revision of a key, or that of the service.
func revisionOf(revisions map[string]string, key string) string {
	if whole, ok := revisions[""]; ok {
		return whole
	}
	return revisions[key]
}

func revisionsOfALoad(s *session) {
	if empty := s.wantRevisions(); len(empty) > 0 {
		s.Errorf("a service without secrets has the revisions %v", empty)
	}
	s.write("db_url", "one", store.WriteOptions{})
	s.write("db_host", "one", store.WriteOptions{})
	before := s.wantRevisions()
	if again := s.wantRevisions(); !maps.Equal(before, again) {
		s.Errorf("the revisions were %v, and are %v without a write", before, again)
	}
	if _, err := s.store.(store.Reviser).Revisions(s.ctx, "a//b"); err != nil {
		s.wantError(err, store.ErrInvalid)
	} else {
		s.Error("a service that can't be has revisions")
	}
}

func writeRevises(s *session) {
	s.write("db_url", "one", store.WriteOptions{})
	s.write("db_host", "one", store.WriteOptions{})
	seen := map[string]bool{}
	for _, text := range []string{"one", "two", "two", "one"} {
		before := s.wantRevisions()
		s.write("db_url", text, store.WriteOptions{})
		after := s.wantRevisions()
		if now := revisionOf(after, "db_url"); now == revisionOf(before, "db_url") || seen[now] {
			s.Errorf("after a write the secret has the revision %q again", now)
		} else {
			seen[now] = true
		}
		if _, whole := after[""]; !whole && after["db_host"] != before["db_host"] {
			s.Errorf("a write of db_url changes the revision of db_host from %q to %q", before["db_host"], after["db_host"])
		}
	}
}

func deleteRevises(s *session) {
	s.write("db_url", "one", store.WriteOptions{})
	s.write("db_host", "one", store.WriteOptions{})
	before := s.wantRevisions()
	if _, err := s.store.Delete(s.ctx, s.service, "db_url"); err != nil {
		s.Fatal(err)
	}
	deleted := s.wantRevisions()
	if revisionOf(deleted, "db_url") == revisionOf(before, "db_url") || revisionOf(deleted, "db_host") == "" {
		s.Errorf("before a delete of db_url the revisions are %v, after it %v", before, deleted)
	}
	s.write("db_url", "one", store.WriteOptions{})
	if now := revisionOf(s.wantRevisions(), "db_url"); now == "" || now == revisionOf(before, "db_url") || now == deleted[""] {
		s.Errorf("a secret that was deleted and made again has the revision %q, and had %q", now, revisionOf(before, "db_url"))
	}
}

func deletedHasNoRevision(s *session) {
	s.write("db_url", "one", store.WriteOptions{})
	s.write("db_host", "one", store.WriteOptions{})
	if _, err := s.store.Delete(s.ctx, s.service, "db_url"); err != nil {
		s.Fatal(err)
	}
	if deleted := s.wantRevisions(); deleted["db_url"] != "" || len(deleted) != 1 {
		s.Errorf("after a delete of db_url the revisions are %v", deleted)
	}
}
