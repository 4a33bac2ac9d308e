package storetest

import (
	"errors"
	"slices"
	"sync"

	"github.com/coffer-secrets/coffer/store"
)

func newSecret(s *session) {
	r := s.write("db_url", "one", store.WriteOptions{})
	s.wantResult(r, "db_url", 1, store.Created)
	got := s.wantSecret("db_url", store.Latest, "one", 1)
	if got.ID != s.id("db_url") {
		s.Errorf("read says that it is %s; want %s", got.ID, s.id("db_url"))
	}
	s.wantLoad(map[string]string{"db_url": "one"})
}

func versionsCountUp(s *session) {
	s.write("db_url", "one", store.WriteOptions{})
	s.wantResult(s.write("db_url", "two", store.WriteOptions{}), "db_url", 2, store.Updated)
	s.wantResult(s.write("db_url", "two", store.WriteOptions{}), "db_url", 3, store.Updated)
	s.wantSecret("db_url", store.Latest, "two", 3)
	s.wantLoad(map[string]string{"db_url": "two"})
}

func lowerCase(s *session) {
	s.wantResult(s.write("DB_Host", "one", store.WriteOptions{}), "db_host", 1, store.Created)
	results, err := s.store.WriteAll(s.ctx, s.service, map[string]store.Value{"DB_Port": secret("two")}, store.WriteOptions{})
	if err != nil || len(results) != 1 {
		s.Fatalf("WriteAll: %d results, error %v; want 1", len(results), err)
	}
	s.wantResult(results[0], "db_port", 1, store.Created)
	s.wantLoad(map[string]string{"db_host": "one", "db_port": "two"})
}

func preserveCase(s *session) {
	o := store.WriteOptions{PreserveCase: true}
	s.wantResult(s.write("DB_Host", "one", o), "DB_Host", 1, store.Created)
	results, err := s.store.WriteAll(s.ctx, s.service, map[string]store.Value{"DB_Port": secret("two")}, o)
	if err != nil || len(results) != 1 {
		s.Fatalf("WriteAll: %d results, error %v; want 1", len(results), err)
	}
	s.wantResult(results[0], "DB_Port", 1, store.Created)
	s.wantLoad(map[string]string{"DB_Host": "one", "DB_Port": "two"})
}

func writeOtherCase(s *session) {
	s.plant("DB_Host", "one")
	s.wantResult(s.write("db_host", "two", store.WriteOptions{}), "DB_Host", 2, store.Updated)
	s.wantResult(s.write("DB_HOST", "three", store.WriteOptions{}), "DB_Host", 3, store.Updated)
	s.wantLoad(map[string]string{"DB_Host": "three"})
}

func ifVersionZero(s *session) {
	o := store.WriteOptions{IfVersion: ptr(0)}
	s.wantResult(s.write("db_url", "one", o), "db_url", 1, store.Created)
	_, err := s.store.Write(s.ctx, s.id("db_url"), secret("two"), o)
	s.wantVersionConflict(err, store.VersionError{Have: 1, Want: 0})
	s.wantSecret("db_url", store.Latest, "one", 1)
}

func ifVersion(s *session) {
	_, err := s.store.Write(s.ctx, s.id("db_url"), secret("zero"), store.WriteOptions{IfVersion: ptr(5)})
	s.wantVersionConflict(err, store.VersionError{Have: 0, Want: 5})
	s.wantLoad(nil)
	s.write("db_url", "one", store.WriteOptions{})
	s.wantResult(s.write("db_url", "two", store.WriteOptions{IfVersion: ptr(1)}), "db_url", 2, store.Updated)
	for _, stale := range []int{1, 3} {
		_, err := s.store.Write(s.ctx, s.id("db_url"), secret("three"), store.WriteOptions{IfVersion: ptr(stale)})
		s.wantVersionConflict(err, store.VersionError{Have: 2, Want: stale})
	}
	s.wantSecret("db_url", store.Latest, "two", 2)
}

func (s *session) wantVersionConflict(err error, want store.VersionError) {
	s.Helper()
	s.wantError(err, store.ErrConflict)
	var got *store.VersionError
	if !errors.As(err, &got) || *got != want {
		s.Errorf("error is %v; want %v", err, &want)
	}
}

func skipUnchanged(s *session) {
	o := store.WriteOptions{SkipUnchanged: true}
	s.wantResult(s.write("db_url", "one", o), "db_url", 1, store.Created)
	s.wantResult(s.write("db_url", "one", o), "db_url", 1, store.Unchanged)
	s.wantResult(s.write("db_url", "two", o), "db_url", 2, store.Updated)
	s.wantResult(s.write("db_url", "one", o), "db_url", 3, store.Updated)
	s.wantSecret("db_url", store.Latest, "one", 3)
}

func deleteAll(s *session) {
	for _, key := range []string{"a", "b", "keep"} {
		s.write(key, "one", store.WriteOptions{})
		s.write(key, "two", store.WriteOptions{})
	}
	results, err := s.store.Delete(s.ctx, s.service, "b", "a")
	if err != nil {
		s.Fatal(err)
	}
	s.wantOutcomes(results, "b", store.Deleted, "a", store.Deleted)
	for _, version := range []int{store.Latest, 1, 2} {
		_, err := s.store.Read(s.ctx, s.id("a"), version)
		s.wantError(err, store.ErrNotFound)
	}
	_, err = s.store.History(s.ctx, s.id("b"))
	s.wantError(err, store.ErrNotFound)
	s.wantLoad(map[string]string{"keep": "two"})
}

func deleteMissing(s *session) {
	s.write("a", "one", store.WriteOptions{})
	s.write("c", "one", store.WriteOptions{})
	results, err := s.store.Delete(s.ctx, s.service, "a", "b", "c")
	s.wantError(err, store.ErrNotFound)
	s.wantOutcomes(results, "a", store.Deleted, "b", store.Failed, "c", store.Deleted)
	if len(results) == 3 {
		s.wantError(results[1].Err, store.ErrNotFound)
	}
	s.wantLoad(nil)
}

// wantOutcomes compares results with pairs of a key and its outcome, in order.
func (s *session) wantOutcomes(results []store.Result, pairs ...any) {
	s.Helper()
	if len(results) != len(pairs)/2 {
		s.Fatalf("%d results; want %d", len(results), len(pairs)/2)
	}
	for i, r := range results {
		if key, outcome := pairs[2*i], pairs[2*i+1]; r.Meta.ID.Key != key || r.Outcome != outcome {
			s.Errorf("results[%d]: %s %s; want %s %s", i, r.Outcome, r.Meta.ID.Key, outcome, key)
		}
	}
}

func recreate(s *session) {
	s.write("db_url", "one", store.WriteOptions{})
	s.write("db_url", "two", store.WriteOptions{})
	if _, err := s.store.Delete(s.ctx, s.service, "db_url"); err != nil {
		s.Fatal(err)
	}
	r := s.write("db_url", "again", store.WriteOptions{IfVersion: ptr(0)})
	if r.Outcome != store.Created {
		s.Errorf("result: %s; want created", r.Outcome)
	}
	s.wantSecret("db_url", store.Latest, "again", r.Meta.Version)
	versions, err := s.store.History(s.ctx, s.id("db_url"))
	if err != nil || len(versions) != 1 {
		s.Errorf("history: %d versions, error %v; want the new one alone", len(versions), err)
	}
	s.wantLoad(map[string]string{"db_url": "again"})
}

// goesOn checks that a version number is never reused for another value, so that a condition on it
// can't match the wrong one.
func goesOn(s *session) {
	s.write("db_url", "one", store.WriteOptions{})
	s.write("other", "o", store.WriteOptions{})
	s.write("db_url", "two", store.WriteOptions{})
	if _, err := s.store.Delete(s.ctx, s.service, "db_url"); err != nil {
		s.Fatal(err)
	}
	s.write("other", "o2", store.WriteOptions{})
	r := s.write("db_url", "again", store.WriteOptions{})
	s.wantResult(r, "db_url", 3, store.Created)
	_, err := s.store.Write(s.ctx, s.id("db_url"), secret("late"), store.WriteOptions{IfVersion: ptr(2)})
	s.wantVersionConflict(err, store.VersionError{Have: 3, Want: 2})
	if _, err := s.store.Read(s.ctx, s.id("db_url"), 2); err == nil {
		s.Error("version 2 is read, which was deleted")
	}
}

func writeAll(s *session) {
	s.write("b", "old", store.WriteOptions{})
	results, err := s.store.WriteAll(s.ctx, s.service, map[string]store.Value{
		"c": secret("new c"), "a": secret("new a"), "b": secret("new b"),
	}, store.WriteOptions{})
	if err != nil {
		s.Fatal(err)
	}
	s.wantOutcomes(results, "a", store.Created, "b", store.Updated, "c", store.Created)
	s.wantResult(results[1], "b", 2, store.Updated)
	s.wantLoad(map[string]string{"a": "new a", "b": "new b", "c": "new c"})
}

func writeAllUnchanged(s *session) {
	s.write("same", "one", store.WriteOptions{})
	s.write("other", "one", store.WriteOptions{})
	results, err := s.store.WriteAll(s.ctx, s.service, map[string]store.Value{
		"same": secret("one"), "other": secret("two"), "new": secret("three"),
	}, store.WriteOptions{SkipUnchanged: true})
	if err != nil {
		s.Fatal(err)
	}
	s.wantOutcomes(results, "new", store.Created, "other", store.Updated, "same", store.Unchanged)
	s.wantResult(results[2], "same", 1, store.Unchanged)
	s.wantLoad(map[string]string{"same": "one", "other": "two", "new": "three"})
}

func writeAllInvalid(s *session) {
	s.write("a", "old", store.WriteOptions{})
	results, err := s.store.WriteAll(s.ctx, s.service, map[string]store.Value{
		"a": secret("new"), "bad": secret("\x00"), "c": secret("new"),
	}, store.WriteOptions{})
	s.wantError(err, store.ErrInvalid)
	for _, r := range results {
		if r.Outcome != store.Failed {
			s.Errorf("result: %s %s; want nothing to be written", r.Outcome, r.Meta.ID.Key)
		}
	}
	s.wantSecret("a", store.Latest, "old", 1)
	s.wantLoad(map[string]string{"a": "old"})
}

func writeAllIfVersion(s *session) {
	s.write("a", "old", store.WriteOptions{})
	results, err := s.store.WriteAll(s.ctx, s.service, map[string]store.Value{
		"a": secret("new"), "b": secret("new"),
	}, store.WriteOptions{IfVersion: ptr(0)})
	s.wantError(err, store.ErrConflict)
	s.wantOutcomes(results, "a", store.Failed, "b", store.Created)
	s.wantError(results[0].Err, store.ErrConflict)
	s.wantLoad(map[string]string{"a": "old", "b": "new"})
}

func writeAllProgress(s *session) {
	var mu sync.Mutex
	var seen []string
	values := map[string]store.Value{"a": secret("1"), "b": secret("2"), "c": secret("3")}
	_, err := s.store.WriteAll(s.ctx, s.service, values, store.WriteOptions{Progress: func(r store.Result) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, r.Meta.ID.Key)
	}})
	if err != nil {
		s.Fatal(err)
	}
	slices.Sort(seen)
	if want := []string{"a", "b", "c"}; !slices.Equal(seen, want) {
		s.Errorf("progress was called for %q; want each of %q once", seen, want)
	}
}

func writeAllNothing(s *session) {
	results, err := s.store.WriteAll(s.ctx, s.service, nil, store.WriteOptions{})
	if err != nil || len(results) != 0 {
		s.Errorf("WriteAll of nothing: %d results, error %v; want none", len(results), err)
	}
	s.wantLoad(nil)
}
