package lockfile_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/lockfile"
	"github.com/coffer-secrets/coffer/store"
)

const good = "hmac-sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

func entry(service, key string, version int) lockfile.Entry {
	return lockfile.Entry{ID: store.ID{Service: service, Key: key}, Version: version, Proof: good}
}

// TestAFileIsStable: sorted, a line for each secret, and the same whatever the order was.
func TestAFileIsStable(t *testing.T) {
	f := lockfile.File{Services: []string{"web", "api"}, Entries: []lockfile.Entry{entry("web", "k", 1), entry("api", "z", 12), entry("api", "a", 3)}}
	want := "# Versions of secrets, without their values. To change it: coffer lock web api -o FILE\ncoffer-lock 1\nservice web\nservice api\n" +
		"api/a 3 " + good + "\napi/z 12 " + good + "\nweb/k 1 " + good + "\n"
	if diff := cmp.Diff(want, string(f.Encode())); diff != "" {
		t.Error(diff)
	}
	read, err := lockfile.Parse([]byte(strings.ReplaceAll(want, "\n", "\r\n"))) // as git checks it out on Windows
	if err != nil || !bytes.Equal(read.Encode(), []byte(want)) {
		t.Errorf("error %v, or another file: %s", err, read.Encode())
	}
}

func TestHostileFilesAreRefused(t *testing.T) {
	const canary = "c4n4ry"
	head := "coffer-lock 1\nservice api\n"
	line := "api/a 1 " + good + "\n"
	for name, c := range map[string]struct{ text, want string }{
		"empty":               {"", "isn't a lock file"},
		"another file":        {"{}\n", "line 1: it isn't \"coffer-lock 1\""},
		"a later format":      {"coffer-lock 2\n", "line 1"},
		"huge":                {head + line + strings.Repeat("#", lockfile.MaxSize), "larger than 4 MiB"},
		"no service":          {"coffer-lock 1\n", "names no service"},
		"a service of none":   {head, "service api has no secret"},
		"a service twice":     {head + "service api\n" + line, "line 3: service api appears twice"},
		"an unnamed service":  {head + line + "web/a 1 " + good + "\n", "line 4: the line \"service web\" is missing"},
		"a key twice":         {head + line + line, "line 4: api/a appears twice"},
		"a path":              {head + "api/../../etc/a 1 " + good, "line 3"},
		"a path as a service": {"coffer-lock 1\nservice ../api\n", "line 2"},
		"an absolute path":    {"coffer-lock 1\nservice /etc\n", "line 2"},
		"an index":            {head + "api/__kms_alias_app__latest 1 " + good, "reserved"},
		"a flag":              {head + "api/--config=x 1 " + good, "line 3"},
		"a label":             {"coffer-lock 1\nservice api:prod\n", "line 2"},
		"an escape":           {head + "api/a\x1b[2J 1 " + good, "line 3: it has characters other"},
		"a NUL":               {head + "# \x00\n" + line, "line 3: it has characters other"},
		"not UTF-8":           {head + "api/\xff 1 " + good, "line 3: it has characters other"},
		"a lone CR":           {head + "# a\rapi/b 2 " + good + "\n" + line, "line 3: it has characters other"},
		"a tab":               {head + "api/a\t1 " + good, "line 3: it has characters other"},
		"two spaces":          {head + "api/a  1 " + good, "line 3: it isn't of the form"},
		"version 0":           {head + "api/a 0 " + good, "line 3: the version"},
		"version -1":          {head + "api/a -1 " + good, "line 3: the version"},
		"version 01":          {head + "api/a 01 " + good, "line 3: the version"},
		"version +1":          {head + "api/a +1 " + good, "line 3: the version"},
		"a huge version":      {head + "api/a 99999999999999999999 " + good, "line 3: the version"},
		"a plain hash":        {head + "api/a 1 sha256:AAAA", "line 3: the fingerprint"},
		"a short fingerprint": {head + "api/a 1 hmac-sha256:AAAA", "line 3: the fingerprint"},
		"loose bits":          {head + "api/a 1 " + good[:len(good)-1] + "B", "line 3: the fingerprint"},
		"another time zone":   {head + "api/a 1 date:2026-08-01T12:00:00+02:00", "line 3: the fingerprint"},
		"a date as another":   {head + "api/a 1 date:2026-08-01T12:00:00.10Z", "line 3: the fingerprint"},
		"a value":             {head + "api/a 1 " + canary, "line 3: the fingerprint"},
		"a merge conflict":    {head + "<<<<<<< HEAD\n" + line + "=======\n" + line + ">>>>>>> other\n", "line 3: it has the marks of a merge conflict"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := lockfile.Parse([]byte(c.text))
			if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v; want %q", err, c.want)
			}
			if err != nil && (strings.Contains(err.Error(), canary) || strings.ContainsAny(err.Error(), "\x1b\x00\r\n")) {
				t.Errorf("the error repeats the line: %q", err)
			}
		})
	}
}

func TestReadNamesTheFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "coffer.lock")
	if err := os.WriteFile(name, []byte("no\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := lockfile.Read(name); err == nil || err.Error() != name+", line 1: it isn't \"coffer-lock 1\", with which a lock file begins" {
		t.Errorf("error %v", err)
	}
	if _, err := lockfile.Read("/dev/zero"); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("a file without an end: error %v", err)
	}
	if _, err := lockfile.Read(name + "-missing"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: error %v", err)
	}
}

// FuzzParse: what is accepted is a fixed point, and names nothing that isn't a valid name.
func FuzzParse(f *testing.F) {
	f.Add([]byte("coffer-lock 1\nservice api\napi/a 1 " + good + "\n"))
	f.Add([]byte("# x\n\ncoffer-lock 1\r\nservice a/b\nservice c\na/b/c 12 date:2026-08-01T12:00:00.5Z\nc/k 3 " + good))
	f.Fuzz(func(t *testing.T, body []byte) {
		file, err := lockfile.Parse(body)
		if err != nil {
			if !errors.Is(err, store.ErrInvalid) {
				t.Fatalf("error %v", err)
			}
			return
		}
		again, err := lockfile.Parse(file.Encode())
		if err != nil || !bytes.Equal(again.Encode(), file.Encode()) || len(again.Entries) != len(file.Entries) {
			t.Fatalf("written again: error %v", err)
		}
		seen := map[store.ID]bool{}
		for _, e := range file.Entries {
			if _, err := store.NewID(e.Service, e.Key); err != nil || seen[e.ID] || e.Version < 1 {
				t.Fatalf("%s version %d, error %v", e.ID, e.Version, err)
			}
			seen[e.ID] = true
		}
	})
}

func secret(service, key string, version int, value, salt string) store.Secret {
	return store.Secret{
		Meta:  store.Meta{ID: store.ID{Service: service, Key: key}, Version: version, Created: time.Date(2026, 8, 1, 12, 0, 0, 500, time.UTC)},
		Value: store.NewValue(value), Salt: store.NewSalt(salt),
	}
}

// TestAFingerprintIsOfOneVersionAlone: of its service, key, number, value and salt, and of no other way to
// divide the same bytes.
func TestAFingerprintIsOfOneVersionAlone(t *testing.T) {
	seen := map[string]string{}
	for _, s := range []store.Secret{
		secret("api", "a", 1, "v", "s"), secret("web", "a", 1, "v", "s"), secret("api", "b", 1, "v", "s"),
		secret("api", "a", 2, "v", "s"), secret("api", "a", 1, "w", "s"), secret("api", "a", 1, "v", "t"),
		secret("api", "a", 1, "v", "s\x00"), secret("api", "a", 11, "v", "s"), secret("api", "a", 1, "1v", "s"),
		secret("apia", "a", 1, "v", "s"), secret("api", "aa", 1, "v", "s"), secret("api", "a", 1, "", "s"),
	} {
		what := fmt.Sprintf("%s %d %q %q", s.ID, s.Version, s.Value.Reveal(), s.Salt.Reveal())
		proof := lockfile.Proof(s)
		if other, ok := seen[proof]; ok {
			t.Errorf("%s has the fingerprint of %s", what, other)
		}
		seen[proof] = what
		if e := (lockfile.Entry{ID: s.ID, Version: s.Version, Proof: proof}); !e.Agrees(s) || !lockfile.Fingerprinted(proof) {
			t.Errorf("%s doesn't agree with its own fingerprint", what)
		}
	}
}

// TestTheFingerprintOfTheFormat: files that were written must stay valid. The fingerprint was computed with Python's
// hmac module, by the description in docs/design/lock.md.
func TestTheFingerprintOfTheFormat(t *testing.T) {
	const want = "hmac-sha256:jVZ1xxBQ1Q9RWJ2EyxLHEVw-Ef8CUYouXYRZEGjvuns"
	if got := lockfile.Proof(secret("api", "db_password", 7, "hunter2", "0123456789abcdef0123456789abcdef")); got != want {
		t.Errorf("%s; want %s", got, want)
	}
}

func TestAVersionWithoutASaltHasItsDate(t *testing.T) {
	s := secret("api", "a", 1, "v", "")
	e := lockfile.Entry{ID: s.ID, Version: 1, Proof: lockfile.Proof(s)}
	if e.Proof != "date:2026-08-01T12:00:00.0000005Z" || !e.Agrees(s) || lockfile.Fingerprinted(e.Proof) {
		t.Errorf("proof %s", e.Proof)
	}
	later := s
	later.Created = later.Created.Add(1)
	if e.Agrees(later) {
		t.Error("another date agrees")
	}
	salted := secret("api", "a", 1, "v", "s") // Coffer has written the secret since
	if !e.Agrees(salted) {
		t.Error("a salt that came later disagrees with the date")
	}
	undated := s
	undated.Created = time.Time{}
	if lockfile.Proof(undated) != "" || (lockfile.Entry{ID: s.ID, Version: 1, Proof: "date:0001-01-01T00:00:00Z"}).Agrees(undated) {
		t.Error("a version without a date has a proof")
	}
}

// TestAnUnsaltedVersionDoesNotAgreeWithAFingerprint, also if its date is right: a salt that somebody has removed
// would otherwise be a way round it.
func TestAnUnsaltedVersionDoesNotAgreeWithAFingerprint(t *testing.T) {
	s := secret("api", "a", 1, "v", "s")
	e := lockfile.Entry{ID: s.ID, Version: 1, Proof: lockfile.Proof(s)}
	for _, other := range []store.Secret{secret("api", "a", 1, "v", ""), secret("api", "a", 1, "v", "t"), secret("api", "a", 1, "w", "s"), secret("api", "a", 2, "v", "s")} {
		if e.Agrees(other) {
			t.Errorf("version %d, salt %q agrees", other.Version, other.Salt.Reveal())
		}
	}
}
