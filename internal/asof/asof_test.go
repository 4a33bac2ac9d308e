package asof_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/asof"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/local"
	"github.com/coffer-secrets/coffer/store/null"
)

func day(n int) time.Time { return time.Date(2026, 8, n, 12, 0, 0, 0, time.UTC) }

// version is version n of a history, written on a day; day 0 isn't recorded.
func version(n, written int, gap bool) store.Version {
	v := store.Version{Gap: gap}
	if v.Version = n; written > 0 {
		v.Created = day(written)
	}
	return v
}

func TestPick(t *testing.T) {
	whole := []store.Version{version(1, 1, false), version(2, 5, false), version(3, 9, false)}
	pruned := []store.Version{version(7, 5, true), version(8, 9, false)}
	hole := []store.Version{version(1, 1, false), version(4, 5, true), version(5, 9, false)}
	for name, c := range map[string]struct {
		versions []store.Version
		at       time.Time
		want     int
		problem  string
	}{
		"the newest then":                 {whole, day(6), 2, ""},
		"at the moment of a write":        {whole, day(5), 2, ""},
		"just before a write":             {whole, day(5).Add(-1), 1, ""},
		"now":                             {whole, day(20), 3, ""},
		"before the first":                {whole, day(1).Add(-1), 0, ""},
		"before what is kept":             {pruned, day(4), 0, "doesn't reach back"},
		"the first that is kept":          {pruned, day(5), 7, ""},
		"in a hole":                       {hole, day(3), 0, "between 1 and 4"},
		"behind a hole":                   {hole, day(5), 4, ""},
		"before a hole and all":           {hole, day(1).Add(-1), 0, ""},
		"a version without a date":        {[]store.Version{version(1, 1, false), version(2, 0, false)}, day(6), 0, "version 2"},
		"one that is newer than the date": {[]store.Version{version(1, 0, false), version(2, 5, false)}, day(6), 2, ""},
		"only one without a date":         {[]store.Version{version(1, 0, false)}, day(6), 0, "version 1"},
		"clocks that disagree":            {[]store.Version{version(1, 5, false), version(2, 3, false)}, day(4), 2, ""},
		"clocks that disagree, later":     {[]store.Version{version(1, 5, false), version(2, 3, false)}, day(6), 2, ""},
		"no version":                      {nil, day(6), 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, problem := asof.Pick(c.versions, c.at)
			if got != c.want || (problem == "") != (c.problem == "") || !strings.Contains(problem, c.problem) {
				t.Errorf("version %d, problem %q; want version %d, problem %q", got, problem, c.want, c.problem)
			}
		})
	}
}

// FuzzPick holds the rule against a naive reading of it: the last version that isn't later, if all that is
// behind it is known.
func FuzzPick(f *testing.F) {
	f.Add([]byte{1, 5, 9}, uint8(6))
	f.Add([]byte{5, 0x80 | 9, 0, 3}, uint8(4))
	f.Fuzz(func(t *testing.T, history []byte, at uint8) {
		var versions []store.Version
		for i, b := range history {
			versions = append(versions, version(i+1, int(b&0x7f), b&0x80 != 0))
		}
		last, unknown := -1, false
		for i, v := range versions {
			if !v.Created.IsZero() && !v.Created.After(day(int(at))) {
				last = i
			}
		}
		for i, v := range versions {
			if i > last && v.Created.IsZero() || i == last+1 && v.Gap {
				unknown = true
			}
		}
		want := 0
		if last >= 0 && !unknown {
			want = last + 1
		}
		if got, problem := asof.Pick(versions, day(int(at))); got != want || (problem != "") != unknown {
			t.Errorf("version %d, problem %q; want version %d, problem: %v", got, problem, want, unknown)
		}
	})
}

// written returns a store whose clock is on the day that now points to.
func written(t *testing.T, now *time.Time) store.Store {
	t.Helper()
	dir := t.TempDir()
	s, err := local.New(local.Options{Dir: dir + "/data", KeyDir: dir + "/keys", KeyAlias: "alias/app", Now: func() time.Time { return *now }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func write(t *testing.T, s store.Store, key string, values ...string) {
	t.Helper()
	for _, v := range values {
		if _, err := s.Write(t.Context(), store.ID{Service: "api", Key: key}, store.NewValue(v), store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

func at(t *testing.T, s store.Store, day time.Time, allowEmpty bool) *asof.Store {
	t.Helper()
	past, err := asof.New(s, day, asof.Options{AllowEmpty: allowEmpty})
	if err != nil {
		t.Fatal(err)
	}
	return past
}

func TestAStoreAsItWas(t *testing.T) {
	now := day(1)
	s := written(t, &now)
	write(t, s, "changed", "old")
	write(t, s, "same", "same")
	write(t, s, "deleted", "gone")
	now = day(5)
	write(t, s, "changed", "new")
	write(t, s, "later", "later")
	if _, err := s.Delete(t.Context(), "api", "deleted"); err != nil {
		t.Fatal(err)
	}
	past := at(t, s, day(2), false)
	c, err := past.Load(t.Context(), "api")
	if err != nil || len(c.Secrets) != 2 || c.Secrets[0].Value.Reveal() != "old" || c.Secrets[1].Value.Reveal() != "same" {
		t.Fatalf("%d secrets, or other values, error %v", len(c.Secrets), err)
	}
	want := []string{"api: written later, so left out: later", "api: deleted, and missing here even if they existed then: deleted"}
	if !slices.Equal(c.Notices, want) {
		t.Errorf("notices %q", c.Notices)
	}
	if got, err := past.Read(t.Context(), store.ID{Service: "api", Key: "CHANGED"}, store.Latest); err != nil || got.Value.Reveal() != "old" {
		t.Errorf("read: version %d, error %v", got.Version, err)
	}
	if got, err := past.Read(t.Context(), store.ID{Service: "api", Key: "changed"}, 2); err != nil || got.Version != 2 {
		t.Errorf("a version by its number: version %d, error %v", got.Version, err)
	}
	_, err = past.Read(t.Context(), store.ID{Service: "api", Key: "later"}, store.Latest)
	if !errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), "api/later: it didn't exist yet: its first version is of 2026-08-05") {
		t.Errorf("what was written later: error %v", err)
	}
}

func TestEveryHistoryThatIsTooShortIsNamed(t *testing.T) {
	now := day(5)
	s := written(t, &now)
	write(t, s, "a", slices.Repeat([]string{"v"}, 103)...) // 101 versions are kept
	write(t, s, "b", slices.Repeat([]string{"v"}, 103)...)
	write(t, s, "c", "v")
	_, err := at(t, s, day(2), false).Load(t.Context(), "api")
	want := "not known as of 2026-08-02T12:00:00Z: api/a: its history begins with version 3 (2026-08-05T12:00:00Z), and doesn't reach back that far; " +
		"api/b: its history begins with version 3 (2026-08-05T12:00:00Z), and doesn't reach back that far"
	if !errors.Is(err, store.ErrNotFound) || err.Error() != want {
		t.Errorf("error %v; want %s", err, want)
	}
	_, err = at(t, s, day(2), false).Read(t.Context(), store.ID{Service: "api", Key: "a"}, store.Latest)
	if !errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), "api/a: its history begins with version 3") {
		t.Errorf("read: error %v", err)
	}
}

// The keys that exist are those that a name is looked up in: all of them, and no key that was written later.
func TestASecretThatIsNotNeededMayHaveAShortHistory(t *testing.T) {
	now := day(1)
	s := written(t, &now)
	write(t, s, "kept", "v")
	now = day(5)
	write(t, s, "later", "v")
	write(t, s, "a", slices.Repeat([]string{"v"}, 103)...) // 101 versions are kept
	write(t, s, "b", slices.Repeat([]string{"v"}, 103)...)
	load := func(err error, needed ...string) (store.Contents, error) {
		t.Helper()
		past, failed := asof.New(s, day(2), asof.Options{Needs: func(service string, keys []string) (map[string]bool, error) {
			if slices.Sort(keys); service != "api" || !slices.Equal(keys, []string{"a", "b", "kept"}) {
				t.Errorf("service %s, keys %q", service, keys)
			}
			wanted := map[string]bool{}
			for _, key := range needed {
				wanted[key] = true
			}
			return wanted, err
		}})
		if failed != nil {
			t.Fatal(failed)
		}
		return past.Load(t.Context(), "api")
	}
	c, err := load(nil, "kept")
	if err != nil || len(c.Secrets) != 1 || c.Secrets[0].ID.Key != "kept" || !slices.Equal(c.LeftOut, []string{"a", "b"}) {
		t.Errorf("%d secrets, left out %q, error %v", len(c.Secrets), c.LeftOut, err)
	}
	if _, err := load(nil, "kept", "b"); !errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), "api/b: ") || strings.Contains(err.Error(), "api/a: ") {
		t.Errorf("error %v; want one about b alone", err)
	}
	if _, err := load(store.ErrAmbiguousName); !errors.Is(err, store.ErrAmbiguousName) {
		t.Errorf("error %v", err)
	}
}

func TestAServiceWithoutSecretsThen(t *testing.T) {
	now := day(5)
	s := written(t, &now)
	write(t, s, "a", "v")
	if _, err := at(t, s, day(2), false).Load(t.Context(), "api"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("error %v; want not found", err)
	}
	if c, err := at(t, s, day(2), true).Load(t.Context(), "api"); err != nil || len(c.Secrets) != 0 {
		t.Errorf("allowed: %d secrets, error %v", len(c.Secrets), err)
	}
}

func TestThePastIsNotChanged(t *testing.T) {
	now := day(5)
	s := written(t, &now)
	write(t, s, "a", "v")
	past, id := at(t, s, day(6), false), store.ID{Service: "api", Key: "a"}
	_, err := past.Write(t.Context(), id, store.NewValue("x"), store.WriteOptions{})
	_, errAll := past.WriteAll(t.Context(), "api", map[string]store.Value{"a": store.NewValue("x")}, store.WriteOptions{})
	_, errDelete := past.Delete(t.Context(), "api", "a")
	for _, err := range []error{err, errAll, errDelete} {
		if !errors.Is(err, store.ErrUnsupported) {
			t.Errorf("error %v; want unsupported", err)
		}
	}
	if got, err := s.Read(t.Context(), id, store.Latest); err != nil || got.Version != 1 {
		t.Errorf("version %d, error %v; want 1", got.Version, err)
	}
	if _, err := asof.New(struct{ store.Store }{s}, day(6), asof.Options{}); !errors.Is(err, store.ErrUnsupported) {
		t.Errorf("a store without choices: error %v", err)
	}
	if c, err := at(t, null.New(), day(6), true).Load(context.Background(), "api"); err != nil || len(c.Secrets) != 0 {
		t.Errorf("null: %d secrets, error %v", len(c.Secrets), err)
	}
}
