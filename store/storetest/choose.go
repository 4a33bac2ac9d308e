package storetest

import (
	"slices"

	"github.com/coffer-secrets/coffer/store"
)

func choosing() []sentence {
	return []sentence{
		{"chosen versions of a service are loaded", loadChosen},
		{"a choice of no version leaves a secret out", loadNone},
		{"one chosen version is read", readChosen},
	}
}

func (s *session) chooser() store.Chooser {
	s.Helper()
	chooser, ok := s.store.(store.Chooser)
	if !ok {
		s.Fatalf("%T is not a store.Chooser", s.store)
	}
	return chooser
}

// threeVersions writes db_url three times, and db_user and other once.
func (s *session) threeVersions() {
	s.Helper()
	for _, text := range []string{"one", "two", "three"} {
		s.write("db_url", text, store.WriteOptions{})
	}
	s.write("db_user", "app", store.WriteOptions{})
	s.write("other", "x", store.WriteOptions{})
}

// wantHistory checks the history of db_url that a choice is given.
func (s *session) wantHistory(versions []store.Version) {
	s.Helper()
	var numbers []int
	for _, v := range versions {
		numbers = append(numbers, v.Version)
		if v.ID != s.id("db_url") || v.Gap || v.Created.IsZero() {
			s.Errorf("version %d of %s: gap %v, written at %v", v.Version, v.ID, v.Gap, v.Created)
		}
	}
	if !slices.Equal(numbers, []int{1, 2, 3}) {
		s.Errorf("the history has the versions %v; want 1, 2 and 3", numbers)
	}
}

func loadChosen(s *session) {
	s.threeVersions()
	c, err := s.chooser().LoadChosen(s.ctx, s.service, store.Choice{
		Wanted: func(key string) bool { return key != "other" },
		Newest: func(newest store.Secret) bool { return newest.ID.Key == "db_user" },
		Pick: func(versions []store.Version) int {
			s.wantHistory(versions)
			return 2
		},
	})
	if err != nil || len(c.Secrets) != 2 {
		s.Fatalf("%d secrets, error %v; want 2", len(c.Secrets), err)
	}
	for i, want := range []struct {
		key, text string
		version   int
	}{{"db_url", "two", 2}, {"db_user", "app", 1}} {
		if got := c.Secrets[i]; got.ID != s.id(want.key) || got.Version != want.version || got.Value != secret(want.text) {
			s.Errorf("%s has version %d, or another value; want version %d of %s", got.ID, got.Version, want.version, want.key)
		}
	}
}

func loadNone(s *session) {
	s.threeVersions()
	c, err := s.chooser().LoadChosen(s.ctx, s.service, store.Choice{Pick: func(versions []store.Version) int {
		if versions[0].ID.Key == "db_url" {
			return 0
		}
		return versions[0].Version
	}})
	if err != nil || len(c.Secrets) != 2 || c.Secrets[0].ID.Key != "db_user" || c.Secrets[1].ID.Key != "other" {
		s.Errorf("%d secrets, error %v; want db_user and other", len(c.Secrets), err)
	}
	_, err = s.chooser().LoadChosen(s.ctx, "../"+s.service, store.Choice{})
	s.wantError(err, store.ErrInvalid)
}

func readChosen(s *session) {
	s.threeVersions()
	pick := func(n int) store.Choice {
		return store.Choice{Pick: func(versions []store.Version) int {
			s.wantHistory(versions)
			return n
		}}
	}
	got, err := s.chooser().ReadChosen(s.ctx, s.id("DB_url"), pick(1))
	if err != nil || got.ID != s.id("db_url") || got.Version != 1 || got.Value != secret("one") {
		s.Errorf("%s version %d, or another value, error %v; want version 1", got.ID, got.Version, err)
	}
	for _, n := range []int{0, 4} {
		_, err = s.chooser().ReadChosen(s.ctx, s.id("db_url"), pick(n))
		s.wantError(err, store.ErrNotFound)
	}
	_, err = s.chooser().ReadChosen(s.ctx, s.id("nothing"), pick(1))
	s.wantError(err, store.ErrNotFound)
	_, err = s.chooser().ReadChosen(s.ctx, store.ID{}, pick(1))
	s.wantError(err, store.ErrInvalid)
}
