package dirbucket_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/buckettest"
	"github.com/coffer-secrets/coffer/store/internal/bucket/dirbucket"
)

const (
	canary = "canary-7f3a9c"
	app    = "alias/app"
)

// home is a place for a store and its keys.
type home struct{ dirbucket.Options }

func newHome(t testing.TB) home {
	dir := t.TempDir()
	return home{dirbucket.Options{Dir: filepath.Join(dir, "share", "store"), KeyDir: filepath.Join(dir, "config", "keys")}}
}

// open returns a bucket that has read nothing yet, as a new process would.
func (h home) open() *dirbucket.Bucket { return dirbucket.New(h.Options) }

func (h home) file(name string) string { return filepath.Join(h.Dir, filepath.FromSlash(name)) }
func (h home) key(name string) string  { return filepath.Join(h.KeyDir, name) }

// put must succeed.
func (h home) put(t testing.TB, name, body, alias string) bucket.Info {
	t.Helper()
	info, err := h.open().Put(t.Context(), name, []byte(body), bucket.PutOptions{KeyAlias: alias})
	if err != nil {
		t.Fatalf("put %s: %v", name, err)
	}
	return info
}

// wantBody checks what a new process reads.
func (h home) wantBody(t testing.TB, name, want string) {
	t.Helper()
	o, err := h.open().Get(t.Context(), name)
	if err != nil || string(o.Body) != want {
		t.Errorf("%s holds %q (%v), want %q", name, o.Body, err, want)
	}
}

// wantError checks the sentinel of an error, and that its text has these parts and no
// canary.
func wantError(t testing.TB, err, sentinel error, parts ...string) {
	t.Helper()
	if !errors.Is(err, sentinel) {
		t.Errorf("error %v, want %v", err, sentinel)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q lacks %q", err, part)
		}
	}
	if strings.Contains(err.Error(), canary) {
		t.Errorf("error %q quotes what was stored", err)
	}
}

// names returns the names of a walk, which must succeed.
func names(t testing.TB, b bucket.Bucket, prefix string) []string {
	t.Helper()
	var all []string
	for info, err := range b.Walk(t.Context(), prefix) {
		if err != nil {
			t.Fatalf("walk %s: %v", prefix, err)
		}
		all = append(all, info.Name)
	}
	return all
}

// files calls f for each file and directory below the directories.
func files(t testing.TB, f func(path string, d fs.DirEntry), dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil {
				f(path, d)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// wantNoTemporaries checks that nothing is left of unfinished puts.
func (h home) wantNoTemporaries(t testing.TB) {
	t.Helper()
	files(t, func(path string, d fs.DirEntry) {
		if strings.HasPrefix(d.Name(), "~") && d.Name() != "~locks" {
			t.Errorf("a temporary file is left: %s", path)
		}
	}, h.Dir, h.KeyDir)
}

func TestConformance(t *testing.T) {
	buckettest.Run(t, func(t *testing.T) bucket.Bucket { return newHome(t).open() },
		buckettest.Capabilities{Method: "age", Aliases: []string{app, "alias/ops"}})
}

func TestMissingDirectoryIsAnEmptyBucket(t *testing.T) {
	h := newHome(t)
	b := h.open()
	_, err := b.Get(t.Context(), "api/a.json")
	wantError(t, err, bucket.ErrNotFound)
	if got := names(t, b, ""); got != nil {
		t.Errorf("it lists %q", got)
	}
	if err := b.Delete(t.Context(), "api/a.json", bucket.If{}); err != nil {
		t.Errorf("delete: %v", err)
	}
	wantError(t, b.Delete(t.Context(), "api/a.json", bucket.IfMatch("tag")), bucket.ErrNotFound)
	if _, err := os.Stat(filepath.Dir(h.Dir)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("reading made the directory (%v)", err)
	}
}

func TestUnconfiguredDirectoryIsNoBucket(t *testing.T) {
	b := dirbucket.New(dirbucket.Options{KeyDir: t.TempDir()})
	_, err := b.Get(t.Context(), "api/a.json")
	wantError(t, err, bucket.ErrNoBucket)
	_, err = b.Put(t.Context(), "api/a.json", nil, bucket.PutOptions{KeyAlias: app})
	wantError(t, err, bucket.ErrNoBucket)
	for _, err := range b.List(t.Context(), "api/") {
		wantError(t, err, bucket.ErrNoBucket)
	}
}

func TestObjectIsAnAgeFileForTheIdentityOfItsAlias(t *testing.T) {
	h := newHome(t)
	info := h.put(t, "api/db_url.json", canary, "alias/team/one")

	text, err := os.ReadFile(h.key("alias_team_one.age"))
	if err != nil {
		t.Fatal(err)
	}
	identities, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	recipient := identities[0].(*age.X25519Identity).Recipient().String()
	lines := strings.Split(string(text), "\n")
	if diff := cmp.Diff([]string{"# alias: alias/team/one", "# public key: " + recipient}, lines[:2]); diff != "" {
		t.Errorf("comments of the identity file (-want +got):\n%s", diff)
	}
	if info.Seal != (bucket.Seal{Method: "age", KeyID: recipient}) {
		t.Errorf("seal %+v, want age for %s", info.Seal, recipient)
	}
	f, err := os.Open(h.file("api/db_url.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	plain, err := age.Decrypt(f, identities...)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(plain); err != nil || string(body) != canary {
		t.Errorf("age opens %q (%v)", body, err)
	}
}

func TestFilesHoldNoPlaintext(t *testing.T) {
	h := newHome(t)
	for _, body := range []string{canary, strings.Repeat(canary, 10_000), ""} {
		h.put(t, "api/a.json", body, app)
		files(t, func(path string, d fs.DirEntry) {
			if d.IsDir() {
				return
			}
			if data, err := os.ReadFile(path); err != nil || bytes.Contains(data, []byte(canary)) {
				t.Errorf("%s holds what was stored (%v)", path, err)
			}
		}, h.Dir, h.KeyDir)
	}
}

func TestFilesAndDirectoriesArePrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes mean nothing on Windows")
	}
	h := newHome(t)
	h.put(t, "api/worker/a.json", "a", app)
	files(t, func(path string, d fs.DirEntry) {
		info, err := d.Info()
		if err != nil {
			t.Fatal(err)
		}
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %04o, want %04o", path, got, want)
		}
	}, h.Dir, h.KeyDir)
}
