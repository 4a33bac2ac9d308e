package storetest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/coffer-secrets/coffer/store"
)

func readOlder(s *session) {
	for _, text := range []string{"one", "two", "three"} {
		s.write("db_url", text, store.WriteOptions{})
	}
	s.wantSecret("db_url", 1, "one", 1)
	s.wantSecret("db_url", 2, "two", 2)
	s.wantSecret("db_url", 3, "three", 3)
	s.wantSecret("db_url", store.Latest, "three", 3)
}

func missingSecret(s *session) {
	s.write("db_url", "one", store.WriteOptions{})
	_, err := s.store.Read(s.ctx, s.id("db_uri"), store.Latest)
	s.wantError(err, store.ErrNotFound)
	var missing *store.NotFoundError
	if !errors.As(err, &missing) || missing.What != "secret" || missing.Nearest != "db_url" {
		s.Errorf("error is %v; want a *store.NotFoundError of a secret whose nearest is db_url", err)
	}
	_, err = s.store.History(s.ctx, s.id("db_uri"))
	s.wantError(err, store.ErrNotFound)
}

func missingVersion(s *session) {
	s.write("db_url", "one", store.WriteOptions{})
	_, err := s.store.Read(s.ctx, s.id("db_url"), 2)
	s.wantError(err, store.ErrNotFound)
	var missing *store.NotFoundError
	if !errors.As(err, &missing) || missing.What != "version" {
		s.Errorf("error is %v; want a *store.NotFoundError of a version", err)
	}
}

func missingService(s *session) {
	_, err := s.store.Read(s.ctx, s.id("db_url"), store.Latest)
	s.wantError(err, store.ErrNotFound)
	_, err = s.store.History(s.ctx, s.id("db_url"))
	s.wantError(err, store.ErrNotFound)
}

func invalidNames(s *session) {
	bad := store.ID{Service: s.service, Key: "a/b"}
	_, err := s.store.Read(s.ctx, store.ID{}, store.Latest)
	s.wantError(err, store.ErrInvalid)
	_, err = s.store.Read(s.ctx, bad, store.Latest)
	s.wantError(err, store.ErrInvalid)
	_, err = s.store.History(s.ctx, bad)
	s.wantError(err, store.ErrInvalid)
	_, err = s.store.Load(s.ctx, "../"+s.service)
	s.wantError(err, store.ErrInvalid)
	_, err = s.store.Write(s.ctx, bad, secret("x"), store.WriteOptions{})
	s.wantError(err, store.ErrInvalid)
	_, err = s.store.Write(s.ctx, s.id("-flag"), secret("x"), store.WriteOptions{})
	s.wantError(err, store.ErrInvalid)
	_, err = s.store.WriteAll(s.ctx, s.service, map[string]store.Value{"good": secret("x"), "a/b": secret("y")}, store.WriteOptions{})
	s.wantError(err, store.ErrInvalid)
	_, err = s.store.Delete(s.ctx, s.service, "a/b")
	s.wantError(err, store.ErrInvalid)
	s.wantLoad(nil)
}

func caseAnswers(s *session) {
	s.write("db_host", "one", store.WriteOptions{})
	s.write("db_host", "two", store.WriteOptions{})
	for _, version := range []int{store.Latest, 2} {
		if got := s.wantSecret("DB_HOST", version, "two", 2); got.ID != s.id("db_host") {
			s.Errorf("read DB_HOST answers as %s; want the name that is stored", got.ID)
		}
	}
	versions, err := s.store.History(s.ctx, s.id("Db_Host"))
	if err != nil || len(versions) != 2 {
		s.Errorf("history of Db_Host: %d versions, error %v; want 2", len(versions), err)
	}
	if _, err := s.store.Delete(s.ctx, s.service, "DB_Host"); err != nil {
		s.Errorf("delete DB_Host: %v", err)
	}
	s.wantLoad(nil)
}

func exactFirst(s *session) {
	s.plant("Port", "mixed")
	s.plant("port", "lower")
	s.wantSecret("Port", store.Latest, "mixed", 1)
	s.wantSecret("port", store.Latest, "lower", 1)
}

func ambiguous(s *session) {
	s.plant("Port", "mixed")
	s.plant("port", "lower")
	_, err := s.store.Read(s.ctx, s.id("PORT"), store.Latest)
	s.wantError(err, store.ErrAmbiguousName)
	var names *store.AmbiguousNameError
	if !errors.As(err, &names) || !slices.Equal(slices.Sorted(slices.Values(names.Keys)), []string{"Port", "port"}) {
		s.Errorf("error is %v; want a *store.AmbiguousNameError with both keys", err)
	}
	_, err = s.store.History(s.ctx, s.id("PORT"))
	s.wantError(err, store.ErrAmbiguousName)
	_, err = s.store.Delete(s.ctx, s.service, "PORT")
	s.wantError(err, store.ErrAmbiguousName)
	s.wantLoad(map[string]string{"Port": "mixed", "port": "lower"})
}

func load(s *session) {
	want := map[string]string{}
	for _, key := range []string{"zeta", "alpha", "mid.dle", "k_1", "k-1", "0", "alpha2", "b", "c", "d", "e", "f", "g"} {
		s.write(key, "value of "+key, store.WriteOptions{})
		want[key] = "value of " + key
	}
	s.write("mid.dle", "newer", store.WriteOptions{})
	want["mid.dle"] = "newer"
	for _, got := range s.wantLoad(want) {
		wantVersion := 1
		if got.ID.Key == "mid.dle" {
			wantVersion = 2
		}
		if got.Version != wantVersion {
			s.Errorf("load: %s has version %d; want %d", got.ID, got.Version, wantVersion)
		}
		if got.Created.Location() != time.UTC {
			s.Errorf("load: %s was created at %v; want UTC", got.ID, got.Created)
		}
	}
}

func loadEmpty(s *session) { s.wantLoad(nil) }

func nested(s *session) {
	parent, child := s.service, s.service+"/worker"
	s.write("queue", "parent", store.WriteOptions{})
	s.service = child
	s.write("queue", "child", store.WriteOptions{})
	s.write("only_child", "child", store.WriteOptions{})
	s.wantLoad(map[string]string{"queue": "child", "only_child": "child"})
	s.service = parent
	s.wantLoad(map[string]string{"queue": "parent"})
	if _, err := s.store.Delete(s.ctx, parent, "queue"); err != nil {
		s.Fatal(err)
	}
	s.wantLoad(nil)
	s.service = child
	s.wantLoad(map[string]string{"queue": "child", "only_child": "child"})
}

func history(s *session) {
	for _, text := range []string{"one", "two", "three"} {
		s.write("db_url", text, store.WriteOptions{})
	}
	versions, err := s.store.History(s.ctx, s.id("db_url"))
	if err != nil {
		s.Fatal(err)
	}
	if len(versions) != 3 {
		s.Fatalf("history has %d versions; want 3", len(versions))
	}
	for i, got := range versions {
		if got.ID != s.id("db_url") || got.Version != i+1 {
			s.Errorf("history[%d] is version %d of %s; want version %d of %s", i, got.Version, got.ID, i+1, s.id("db_url"))
		}
		if i > 0 && got.Created.Before(versions[i-1].Created) {
			s.Errorf("history[%d] was created before the one that it follows", i)
		}
	}
}

func services(s *session) {
	base := s.service
	for _, service := range []string{base + "/api", base + "/api/worker", base + "/apply", base + "/web"} {
		s.service = service
		s.write("key", "x", store.WriteOptions{})
	}
	want := func(prefix string, names ...string) {
		s.Helper()
		got, err := s.store.Services(s.ctx, prefix)
		if err != nil {
			s.Fatalf("services %s: %v", prefix, err)
		}
		if !slices.Equal(got, names) {
			s.Errorf("services %s: got %q, want %q", prefix, got, names)
		}
	}
	want(base+"/", base+"/api", base+"/api/worker", base+"/apply", base+"/web")
	want(base+"/api", base+"/api", base+"/api/worker")
	want(base+"/ap", base+"/api", base+"/api/worker", base+"/apply")
	want(base + "/none")
	all, err := s.store.Services(s.ctx, "")
	if err != nil || !slices.IsSorted(all) || !slices.Contains(all, base+"/web") {
		s.Errorf("services without a prefix: error %v, sorted %t, has ours %t", err, slices.IsSorted(all), slices.Contains(all, base+"/web"))
	}
	if _, err := s.store.Delete(s.ctx, base+"/web", "key"); err != nil {
		s.Fatal(err)
	}
	want(base + "/web")
}

// cancelled calls every method with a context that is already cancelled.
func cancelled(s *session) {
	s.write("db_url", "one", store.WriteOptions{})
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	methods := map[string]func() error{
		"read":     func() error { _, err := s.store.Read(ctx, s.id("db_url"), store.Latest); return err },
		"load":     func() error { _, err := s.store.Load(ctx, s.service); return err },
		"history":  func() error { _, err := s.store.History(ctx, s.id("db_url")); return err },
		"services": func() error { _, err := s.store.Services(ctx, s.service); return err },
		"write": func() error {
			_, err := s.store.Write(ctx, s.id("db_url"), secret("two"), store.WriteOptions{})
			return err
		},
		"writeall": func() error {
			_, err := s.store.WriteAll(ctx, s.service, map[string]store.Value{"db_url": secret("two")}, store.WriteOptions{})
			return err
		},
		"delete": func() error { _, err := s.store.Delete(ctx, s.service, "db_url"); return err },
	}
	for name, call := range methods {
		done := make(chan error, 1)
		go func() { done <- call() }()
		select {
		case err := <-done:
			if !errors.Is(err, context.Canceled) {
				s.Errorf("%s: error is %v; want context.Canceled", name, err)
				continue
			}
			s.wantError(err, context.Canceled)
		case <-time.After(5 * time.Second):
			s.Errorf("%s does not return within 5 s of its context's end", name)
		}
	}
	s.wantLoad(map[string]string{"db_url": "one"})
}
