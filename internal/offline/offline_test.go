package offline

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/coffer-secrets/coffer/store"
)

const canary = "c4n4ry-0ffl1ne"

func options(t *testing.T) Options {
	t.Helper()
	home := t.TempDir()
	return Options{Dir: filepath.Join(home, "cache", "secrets"), KeyFile: filepath.Join(home, "state", "cache.key")}
}

func subject(service string) Subject { return Subject{Store: "s3 b", Reader: "ann", Service: service} }

// copyOf has everything that a copy can have.
func copyOf(service string) Copy {
	at := time.Date(2026, 11, 28, 9, 0, 0, 123456789, time.UTC)
	secret := func(key, value, alias string) store.Secret {
		return store.Secret{
			Meta:  store.Meta{ID: store.ID{Service: service, Key: key}, Version: 3, Created: at.Add(-time.Hour), CreatedBy: "arn:me", KeyAlias: alias},
			Value: store.NewValue(value),
		}
	}
	return Copy{
		Subject: subject(service), Place: "s3-kms b", ReadAt: at, Limit: 24 * time.Hour, Session: true, Withheld: []string{"held"},
		State: map[string]string{"key a": "t1", "index i": "t2"},
		Contents: store.Contents{
			Service: service, Listed: 4, Hidden: []string{"hidden"},
			Denied:  []store.DeniedIndex{{Object: service + "/__kms_x__latest.json", KeyAlias: "alias/x", Reason: "no"}},
			Secrets: []store.Secret{secret("a", canary, "alias/app"), secret("b", canary+"\xff\x00\n", ""), secret("empty", "", "alias/app")},
		},
	}
}

func put(t *testing.T, c *Cache, copied Copy) string {
	t.Helper()
	if err := c.Put(copied); err != nil {
		t.Fatal(err)
	}
	return c.path(copied.Subject)
}

func wantNone(t *testing.T, c *Cache, s Subject, want error) {
	t.Helper()
	if got, err := c.Get(s); got != nil || !errors.Is(err, want) || strings.Contains(fmt.Sprint(err), canary) {
		t.Errorf("%+v: a copy: %t, error %v; want %v", s, got != nil, err, want)
	}
}

// wantNothingTold finds no value, no name of a service and no loose mode in the files.
func wantNothingTold(t *testing.T, o Options) {
	t.Helper()
	err := filepath.WalkDir(filepath.Dir(filepath.Dir(o.Dir)), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := os.ReadFile(path)
		if bytes.Contains(body, []byte(canary)) || bytes.Contains(body, []byte("service-")) || strings.Contains(path, "service-") {
			t.Errorf("%s tells something", path)
		}
		if info, failed := d.Info(); failed != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, error %v", path, info.Mode(), failed)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestACopyIsReadAsItWasPut(t *testing.T) {
	o := options(t)
	want := copyOf("service-a")
	put(t, New(o), want)
	got, err := New(o).Get(want.Subject)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, *got, cmpopts.EquateComparable(store.Value{}, store.Salt{})); diff != "" {
		t.Error(diff)
	}
	wantNothingTold(t, o)
	if info, err := os.Stat(o.Dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: %v, %v", info.Mode(), err)
	}
}

func TestACopyIsOnlyForItsSubject(t *testing.T) {
	o := options(t)
	c := New(o)
	a, b := put(t, c, copyOf("service-a")), put(t, c, copyOf("service-b"))
	for _, other := range []Subject{
		{Store: "s3 c", Reader: "ann", Service: "service-a"},
		{Store: "s3 b", Reader: "bob", Service: "service-a"},
		{Store: "s3 b", Reader: "ann", Service: "service-A"},
		{Store: "s3 bann", Reader: "", Service: "service-a"},
	} {
		wantNone(t, c, other, ErrNone)
	}
	body, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b, body, 0o600); err != nil {
		t.Fatal(err)
	}
	wantNone(t, c, subject("service-b"), ErrDamaged)
	if all, err := c.All(); err != nil || len(all) != 2 || (all[0].Err == nil) == (all[1].Err == nil) {
		t.Errorf("%d entries, %v", len(all), err)
	}
}

func TestAChangedFileIsNotUsed(t *testing.T) {
	o := options(t)
	c := New(o)
	path := put(t, c, copyOf("service-a"))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(body []byte) {
		t.Helper()
		if err := os.WriteFile(path, body, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := c.Get(subject("service-a")); got != nil || !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrSealed) {
			t.Fatalf("a copy: %t, error %v", got != nil, err)
		}
	}
	for n := range whole {
		write(whole[:n])
		changed := bytes.Clone(whole)
		changed[n] ^= 1
		write(changed)
	}
	write(append(bytes.Clone(whole), 'x'))
	write(append(bytes.Clone(whole), whole...))
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(subject("service-a")); err != nil {
		t.Errorf("as it was: %v", err)
	}
}

func TestWhatIsNoFileIsNotUsed(t *testing.T) {
	o := options(t)
	c := New(o)
	path := put(t, c, copyOf("service-a"))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	wantNone(t, c, subject("service-a"), ErrNone)
	if err := os.Symlink("elsewhere", path); err != nil {
		t.Fatal(err)
	}
	wantNone(t, c, subject("service-a"), ErrDamaged)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	wantNone(t, c, subject("service-a"), ErrDamaged)
}

func TestAnotherIdentityOpensNothing(t *testing.T) {
	o := options(t)
	put(t, New(o), copyOf("service-a"))
	if err := os.Remove(o.KeyFile); err != nil {
		t.Fatal(err)
	}
	wantNone(t, New(o), subject("service-a"), ErrSealed)
	put(t, New(o), copyOf("service-b"))
	wantNone(t, New(o), subject("service-a"), ErrSealed)
	for _, text := range []string{"", "AGE-SECRET-KEY-1" + canary, "\x00"} {
		if err := os.WriteFile(o.KeyFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		wantNone(t, New(o), subject("service-b"), ErrDamaged)
	}
	put(t, New(o), copyOf("service-b")) // a damaged identity is replaced
	if _, err := New(o).Get(subject("service-b")); err != nil {
		t.Error(err)
	}
}

// TestManyBeginAtOnce: of identities that are made at once one is used by all, or copies would be lost.
func TestManyBeginAtOnce(t *testing.T) {
	o := options(t)
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			if err := New(o).Put(copyOf(fmt.Sprintf("service-%d", i%8))); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	entries, err := New(o).All()
	if err != nil || len(entries) != 8 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	for _, e := range entries {
		if e.Err != nil || e.Sealed != o.KeyFile {
			t.Errorf("sealed by %q, error %v", e.Sealed, e.Err)
		}
	}
	wantNothingTold(t, o)
}

func TestSweepDeletesWhatIsTooOld(t *testing.T) {
	o := options(t)
	c := New(o)
	now := copyOf("").ReadAt
	put(t, c, copyOf("service-new"))
	old := copyOf("service-old")
	old.ReadAt = now.Add(-25 * time.Hour)
	put(t, c, old)
	unknown, left, fresh := filepath.Join(o.Dir, "unknown.age"), filepath.Join(o.Dir, ".coffer-left.tmp"), filepath.Join(o.Dir, ".coffer-fresh.tmp")
	for path, age := range map[string]time.Duration{unknown: Longest + time.Hour, left: 2 * time.Hour, fresh: time.Minute} {
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, now, now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	c.Sweep(now)
	files, err := filepath.Glob(filepath.Join(o.Dir, "*"))
	hidden, err2 := filepath.Glob(filepath.Join(o.Dir, ".*"))
	want := []string{c.path(subject("service-new")), filepath.Join(o.Dir, "lock"), fresh}
	if diff := cmp.Diff(want, append(files, hidden...), cmp.Transformer("sort", func(in []string) map[string]bool {
		out := map[string]bool{}
		for _, name := range in {
			out[name] = true
		}
		return out
	})); diff != "" || err != nil || err2 != nil {
		t.Error(diff, err, err2)
	}
}

func TestClearLeavesNoFileAndNoIdentity(t *testing.T) {
	o := options(t)
	c := New(o)
	if err := c.Clear(); err != nil {
		t.Error("of nothing:", err)
	}
	path := put(t, c, copyOf("service-a"))
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Clear(); err != nil {
		t.Error(err)
	}
	files, err := os.ReadDir(o.Dir)
	if _, failed := os.Stat(o.KeyFile); len(files) > 0 || err != nil || !errors.Is(failed, fs.ErrNotExist) {
		t.Errorf("%v, %v, %v", files, err, failed)
	}
	put(t, c, copyOf("service-b"))
	if err := os.WriteFile(path, body, 0o600); err != nil { // from a backup
		t.Fatal(err)
	}
	wantNone(t, New(o), subject("service-a"), ErrSealed)
}

func TestForgetSessionsDeletesThoseOfEverySession(t *testing.T) {
	c := New(options(t))
	for _, reader := range []string{"session 1", "session 2", "profile"} {
		copied := copyOf("service-a")
		copied.Reader, copied.Session = reader, reader != "profile"
		put(t, c, copied)
	}
	put(t, c, copyOf("service-b"))
	c.ForgetSessions("s3 b", "service-a")
	all, err := c.All()
	if err != nil || len(all) != 2 {
		t.Errorf("%d entries, %v", len(all), err)
	}
}
