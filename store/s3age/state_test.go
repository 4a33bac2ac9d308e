package s3age

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/teamkeys"
)

func key(n int) teamkeys.Seen {
	return teamkeys.Seen{ID: strings.Repeat(string(rune('0'+n)), 32), Number: n}
}

func mustRecall(t *testing.T, s *state, alias string) teamkeys.Seen {
	t.Helper()
	seen, err := s.Recall(alias)
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

func mustRemember(t *testing.T, s *state, alias string, was, is teamkeys.Seen) {
	t.Helper()
	if err := s.Remember(alias, was, is); err != nil {
		t.Fatal(err)
	}
}

func TestTheNewestKeyThatWasSeenIsRememberedForOneAliasOfOneBucketOfOneServer(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "coffer")
	s := newState(dir, "", "b")
	if seen := mustRecall(t, s, "alias/app"); seen.ID != "" {
		t.Errorf("at first: %+v", seen)
	}
	mustRemember(t, s, "alias/app", teamkeys.Seen{}, key(1))
	mustRemember(t, s, "alias/app", key(1), key(2))
	if seen := mustRecall(t, newState(dir, "", "b"), "alias/app"); seen.ID != key(2).ID {
		t.Errorf("recalled %+v; want 2", seen)
	}
	for name, other := range map[string]*state{"another bucket": newState(dir, "", "c"), "another server": newState(dir, "http://minio", "b")} {
		if seen := mustRecall(t, other, "alias/app"); seen.ID != "" {
			t.Errorf("%s: %+v", name, seen)
		}
	}
	if seen := mustRecall(t, s, "alias/ops"); seen.ID != "" {
		t.Errorf("another alias: %+v", seen)
	}
}

// Two commands read the key object, and the one that saw the older key is the last to write.
func TestAProcessThatKnowsLessCannotUndoWhatAnotherLearned(t *testing.T) {
	s := newState(t.TempDir(), "", "b")
	mustRemember(t, s, "alias/app", teamkeys.Seen{}, key(1))
	mustRemember(t, s, "alias/app", key(1), key(3))
	mustRemember(t, s, "alias/app", key(1), key(2))
	if seen := mustRecall(t, s, "alias/app"); seen.ID != key(3).ID {
		t.Errorf("recalled %+v; want 3", seen)
	}
	// That is what keys trust does, when a person has decided.
	mustRemember(t, s, "alias/app", key(3), key(2))
	if seen := mustRecall(t, s, "alias/app"); seen.ID != key(2).ID {
		t.Errorf("an older key was trusted: recalled %+v; want 2", seen)
	}
}

func TestManyAtOnceRememberTheNewest(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	for n := 1; n <= 9; n++ {
		all.Go(func() {
			if err := newState(dir, "", "b").Remember("alias/app", teamkeys.Seen{}, key(n)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if seen := mustRecall(t, newState(dir, "", "b"), "alias/app"); seen.ID != key(9).ID {
		t.Errorf("recalled %+v; want 9", seen)
	}
}

// To know nothing would mean to trust anything.
func TestAStateThatCannotBeReadIsAnErrorAndNotAFirstUse(t *testing.T) {
	for name, spoil := range map[string]func(file string) error{
		"empty":          func(file string) error { return os.WriteFile(file, nil, 0o600) },
		"not JSON":       func(file string) error { return os.WriteFile(file, []byte("x"), 0o600) },
		"another number": func(file string) error { return os.Rename(file, filepath.Join(filepath.Dir(file), "7.json")) },
		"a directory":    func(file string) error { return errors.Join(os.Remove(file), os.Mkdir(file, 0o700)) },
		"a device":       func(file string) error { return errors.Join(os.Remove(file), os.Symlink("/dev/zero", file)) },
		"open to others": func(file string) error { return os.Chmod(filepath.Dir(file), 0o777) },
	} {
		s := newState(t.TempDir(), "", "b")
		mustRemember(t, s, "alias/app", teamkeys.Seen{}, key(1))
		if err := spoil(filepath.Join(s.of("alias/app"), "1.json")); err != nil {
			t.Fatal(err)
		}
		if seen, err := s.Recall("alias/app"); !errors.Is(err, store.ErrConfiguration) || seen.ID != "" {
			t.Errorf("%s: %+v, %v; want an error", name, seen, err)
		}
	}
	s := newState("/dev/null/state", "", "b")
	if err := s.Remember("alias/app", teamkeys.Seen{}, key(1)); !errors.Is(err, store.ErrConfiguration) {
		t.Errorf("no place for it: %v", err)
	}
}

func TestFilesOfOthersInTheDirectoryAreNoKeys(t *testing.T) {
	s := newState(t.TempDir(), "", "b")
	mustRemember(t, s, "alias/app", teamkeys.Seen{}, key(1))
	for _, name := range []string{"09.json", "-1.json", "x.json", "9", "~9.json", "9.json.bak", "+9.json"} {
		if err := os.WriteFile(filepath.Join(s.of("alias/app"), name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if seen := mustRecall(t, s, "alias/app"); seen.ID != key(1).ID {
		t.Errorf("recalled %+v; want 1", seen)
	}
}

// TestABucketIsKnownAnHourAfterItsFirstUse, so that what turns up then is not trusted by itself.
func TestABucketIsKnownAnHourAfterItsFirstUse(t *testing.T) {
	s := newState(t.TempDir(), "http://minio/", "b")
	knows := func(after time.Duration) bool {
		t.Helper()
		s.now = func() time.Time { return time.Now().Add(after) }
		known, err := s.Knows()
		if err != nil {
			t.Fatal(err)
		}
		return known
	}
	if knows(24 * time.Hour) {
		t.Error("known before its first use")
	}
	mustRemember(t, s, "alias/app", teamkeys.Seen{}, key(1))
	if knows(59 * time.Minute) {
		t.Error("known after 59 minutes")
	}
	mustRemember(t, s, "alias/ops", teamkeys.Seen{}, key(1)) // doesn't begin it again
	if !knows(61 * time.Minute) {
		t.Error("not known after 61 minutes")
	}
	if other := newState(filepath.Dir(s.dir), "http://minio", "b"); other.dir != s.dir {
		t.Error("a slash makes it another server")
	}
}
