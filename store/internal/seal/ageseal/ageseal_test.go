package ageseal_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/buckettest"
	"github.com/coffer-secrets/coffer/store/internal/bucket/dirbucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/sealed"
	"github.com/coffer-secrets/coffer/store/internal/seal/ageseal"
)

const (
	canary = "canary-7f3a9c"
	app    = "alias/app"
)

// home is a place for a store and its keys.
type home struct{ Dir, KeyDir string }

func newHome(t testing.TB) home {
	dir := t.TempDir()
	return home{Dir: filepath.Join(dir, "share", "store"), KeyDir: filepath.Join(dir, "config", "keys")}
}

// open returns a bucket that has read nothing yet, as a new process would.
func (h home) open() bucket.Bucket {
	return sealed.New(dirbucket.New(dirbucket.Options{Dir: h.Dir, StateSize: ageseal.HeaderSize}), ageseal.New(ageseal.Options{Dir: h.KeyDir}))
}

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

// fill makes n objects api/key0.json... of one sealed one.
func (h home) fill(t testing.TB, n int) {
	t.Helper()
	h.put(t, "api/key0.json", canary, app)
	sealed, err := os.ReadFile(h.file("api/key0.json"))
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < n; i++ {
		if err := os.WriteFile(h.file(fmt.Sprintf("api/key%d.json", i)), sealed, 0o600); err != nil {
			t.Fatal(err)
		}
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

func TestConformance(t *testing.T) {
	buckettest.Run(t, func(t *testing.T) bucket.Bucket { return newHome(t).open() },
		buckettest.Capabilities{Method: "age", Aliases: []string{app, "alias/ops"}})
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
	recipient := identities[0].(*age.HybridIdentity).Recipient().String()
	lines := strings.Split(string(text), "\n")
	if diff := cmp.Diff([]string{"# alias: alias/team/one", "# public key: " + recipient}, lines[:2]); diff != "" {
		t.Errorf("comments of the identity file (-want +got):\n%s", diff)
	}
	if info.Seal != (bucket.Seal{Method: "age", KeyID: recipient[:32]}) {
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
