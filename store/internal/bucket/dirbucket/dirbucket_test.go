package dirbucket_test

import (
	"bytes"
	"errors"
	"fmt"
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

func TestWithoutItsIdentityAnObjectIsDenied(t *testing.T) {
	h := newHome(t)
	h.put(t, "api/a.json", "a", app)
	want := h.put(t, "api/b.json", "b", "alias/ops")
	if err := os.Remove(h.key("alias_ops.age")); err != nil {
		t.Fatal(err)
	}
	h.wantBody(t, "api/a.json", "a")
	b := h.open()
	_, err := b.Get(t.Context(), "api/b.json")
	wantError(t, err, bucket.ErrDenied, "no identity here opens it")
	head, err := b.Head(t.Context(), "api/b.json")
	want.Seal.KeyID = ""
	if diff := cmp.Diff(want, head); err != nil || diff != "" {
		t.Errorf("Head: %v (-want +got):\n%s", err, diff)
	}
	if diff := cmp.Diff([]string{"api/a.json", "api/b.json"}, names(t, b, "api/")); diff != "" {
		t.Errorf("listing (-want +got):\n%s", diff)
	}
}

func TestLostIdentityIsNotUsedFromMemory(t *testing.T) {
	h := newHome(t)
	b := h.open()
	put := func(body string) bucket.Info {
		info, err := b.Put(t.Context(), "api/a.json", []byte(body), bucket.PutOptions{KeyAlias: app})
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	first := put("one")
	if _, err := b.Get(t.Context(), "api/a.json"); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(h.key("alias_app.age")); err != nil {
		t.Fatal(err)
	}
	if second := put("two"); second.Seal == first.Seal {
		t.Error("an object is sealed to an identity that exists no more")
	}
	h.wantBody(t, "api/a.json", "two")
}

func TestIdentityMadeByAnotherProcessIsFound(t *testing.T) {
	h := newHome(t)
	h.put(t, "api/a.json", "a", app)
	b := h.open()
	if _, err := b.Get(t.Context(), "api/a.json"); err != nil {
		t.Fatal(err)
	}
	h.put(t, "api/b.json", "b", "alias/ops")
	if o, err := b.Get(t.Context(), "api/b.json"); err != nil || string(o.Body) != "b" {
		t.Errorf("got %q, %v", o.Body, err)
	}
}

func TestTwoAliasesWithOneFileNameAreToldApart(t *testing.T) {
	h := newHome(t)
	h.put(t, "api/a.json", "a", "alias/team/one")
	_, err := h.open().Put(t.Context(), "api/a.json", []byte(canary), bucket.PutOptions{KeyAlias: "alias/team_one"})
	wantError(t, err, bucket.ErrKey, "alias/team/one", "alias/team_one")
	h.wantBody(t, "api/a.json", "a")
}

func TestIdentityFileOfOthersIsRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes mean nothing on Windows")
	}
	h := newHome(t)
	h.put(t, "api/a.json", "a", app)
	h.put(t, "api/b.json", "b", "alias/ops")
	exposed := h.key("alias_app.age")
	if err := os.Chmod(exposed, 0o640); err != nil {
		t.Fatal(err)
	}
	mend := "chmod 600 " + exposed
	_, err := h.open().Get(t.Context(), "api/a.json")
	wantError(t, err, bucket.ErrKey, "0640", mend)
	_, err = h.open().Put(t.Context(), "api/a.json", []byte(canary), bucket.PutOptions{KeyAlias: app})
	wantError(t, err, bucket.ErrKey, "0640", mend)
	h.wantBody(t, "api/b.json", "b")

	if err := os.Chmod(exposed, 0o600); err != nil {
		t.Fatal(err)
	}
	h.wantBody(t, "api/a.json", "a")
}

func TestIdentityFileThatIsNoneIsAKeyFault(t *testing.T) {
	for text, reason := range map[string]string{
		"":                              "no file of age identities",
		"AGE-SECRET-KEY-1" + canary:     "no file of age identities",
		"age-encryption.org/v1\nsealed": "no file of age identities",
	} {
		h := newHome(t)
		h.put(t, "api/a.json", "a", app)
		if err := os.WriteFile(h.key("alias_app.age"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := h.open().Get(t.Context(), "api/a.json")
		wantError(t, err, bucket.ErrKey, "alias_app.age", reason)
		_, err = h.open().Put(t.Context(), "api/a.json", nil, bucket.PutOptions{KeyAlias: app})
		wantError(t, err, bucket.ErrKey, "alias_app.age", reason)
	}
}

func TestIdentityOfAgeKeygenIsTaken(t *testing.T) {
	h := newHome(t)
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("# created: 2026-01-02T15:04:05Z\n# public key: %s\n%s\n", identity.Recipient(), identity)
	if err := os.MkdirAll(h.KeyDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.key("alias_app.age"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if info := h.put(t, "api/a.json", "a", app); info.Seal.KeyID != identity.Recipient().String() {
		t.Errorf("sealed to %s, want %s", info.Seal.KeyID, identity.Recipient())
	}
	h.wantBody(t, "api/a.json", "a")
}

func TestPutNeedsAnAlias(t *testing.T) {
	h := newHome(t)
	for _, alias := range []string{"", "/", "alias/", "alias/../app", "alias//app", `alias\app`, "alias/a b", "~app"} {
		_, err := h.open().Put(t.Context(), "api/a.json", []byte(canary), bucket.PutOptions{KeyAlias: alias})
		wantError(t, err, bucket.ErrRefused)
	}
	if _, err := os.Stat(h.KeyDir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a refused put made the key directory (%v)", err)
	}
}

func TestNamesStayInTheDirectory(t *testing.T) {
	h := newHome(t)
	h.put(t, "api/a.json", "a", app)
	b := h.open()
	for _, name := range []string{
		"", "/", "/etc/passwd", "..", "../a.json", "api/../../a.json", "api/..", ".", "./a.json", "api//a.json", "api/",
		`..\a.json`, `api\a.json`, "C:a.json", "api/a:b.json", "api/a b.json", "~locks/names", "api/a+b.json", "api/a\x00.json", "api/ä.json",
	} {
		_, err := b.Get(t.Context(), name)
		wantError(t, err, bucket.ErrRefused)
		_, err = b.Head(t.Context(), name)
		wantError(t, err, bucket.ErrRefused)
		_, err = b.Put(t.Context(), name, []byte(canary), bucket.PutOptions{KeyAlias: app})
		wantError(t, err, bucket.ErrRefused)
		wantError(t, b.Delete(t.Context(), name, bucket.If{}), bucket.ErrRefused)
	}
	for _, err := range b.List(t.Context(), "../") {
		wantError(t, err, bucket.ErrRefused)
	}
	if diff := cmp.Diff([]string{"api/a.json"}, names(t, b, "")); diff != "" {
		t.Errorf("the store holds (-want +got):\n%s", diff)
	}
}

func TestSymbolicLinksDoNotLeadOut(t *testing.T) {
	h := newHome(t)
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "a.json"), []byte(canary), 0o600); err != nil {
		t.Fatal(err)
	}
	h.put(t, "api/a.json", "a", app)
	if err := os.Symlink(outside, h.file("out")); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	if err := os.Symlink(filepath.Join(outside, "a.json"), h.file("api/out.json")); err != nil {
		t.Fatal(err)
	}
	b := h.open()
	for _, name := range []string{"out/a.json", "api/out.json"} {
		_, err := b.Get(t.Context(), name)
		wantError(t, err, bucket.ErrRefused)
	}
	_, err := b.Put(t.Context(), "out/b.json", []byte(canary), bucket.PutOptions{KeyAlias: app})
	wantError(t, err, bucket.ErrRefused)
	wantError(t, b.Delete(t.Context(), "out/a.json", bucket.If{}), bucket.ErrRefused)
	h.put(t, "api/out.json", "inside", app) // replaces the link itself
	h.wantBody(t, "api/out.json", "inside")

	if data, err := os.ReadFile(filepath.Join(outside, "a.json")); err != nil || string(data) != canary {
		t.Errorf("the file outside holds %q (%v)", data, err)
	}
	if _, err := os.Stat(filepath.Join(outside, "b.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file was made outside (%v)", err)
	}
	if diff := cmp.Diff([]string{"api/a.json", "api/out.json"}, names(t, b, "")); diff != "" {
		t.Errorf("listing (-want +got):\n%s", diff)
	}
}

func TestNamesThatDifferInCaseAreTwoObjects(t *testing.T) {
	h := newHome(t)
	h.put(t, "Api/DB.json", "upper", app)
	h.put(t, "api/db.json", "lower", app)
	h.wantBody(t, "Api/DB.json", "upper")
	h.wantBody(t, "api/db.json", "lower")
	if diff := cmp.Diff([]string{"Api/DB.json", "api/db.json"}, names(t, h.open(), "")); diff != "" {
		t.Errorf("listing (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Api/DB.json"}, names(t, h.open(), "Ap")); diff != "" {
		t.Errorf("listing of Ap (-want +got):\n%s", diff)
	}
	files(t, func(path string, d fs.DirEntry) {
		if strings.ToLower(d.Name()) != d.Name() {
			t.Errorf("%s is not the same name in any case", path)
		}
	}, h.Dir)
}

func TestSameBytesSealedAgainHaveAnotherTag(t *testing.T) {
	h := newHome(t)
	if one, two := h.put(t, "api/a.json", "a", app), h.put(t, "api/a.json", "a", app); one.Tag == two.Tag {
		t.Errorf("two puts have the tag %q", one.Tag)
	}
}

func TestDamagedFileIsTornAndCanBeReplaced(t *testing.T) {
	damage := map[string]func([]byte) []byte{
		"empty":          func([]byte) []byte { return nil },
		"plaintext":      func([]byte) []byte { return []byte(canary + "\n" + canary) },
		"header cut":     func(b []byte) []byte { return b[:100] },
		"header flipped": func(b []byte) []byte { b[60] ^= 1; return b },
		"payload cut":    func(b []byte) []byte { return b[:len(b)-1] },
		"payload flip":   func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"chunk lost":     func(b []byte) []byte { return b[:len(b)-70_000] },
		"lengthened":     func(b []byte) []byte { return append(b, 0) },
	}
	for name, spoil := range damage {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			h.put(t, "api/a.json", strings.Repeat(canary, 10_000), app)
			sealed, err := os.ReadFile(h.file("api/a.json"))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(h.file("api/a.json"), spoil(sealed), 0o600); err != nil {
				t.Fatal(err)
			}
			b := h.open()
			o, err := b.Get(t.Context(), "api/a.json")
			if name == "header flipped" && errors.Is(err, bucket.ErrDenied) {
				err = bucket.ErrTorn // a recipient that is not ours cannot be told from a damaged one
			}
			wantError(t, err, bucket.ErrTorn)
			if o.Body != nil {
				t.Errorf("%d bytes came with the error", len(o.Body))
			}
			head, err := b.Head(t.Context(), "api/a.json")
			if err != nil {
				t.Fatal(err)
			}
			for info, err := range b.List(t.Context(), "api/") {
				if err != nil || info.Tag != head.Tag {
					t.Errorf("listed with tag %q (%v), want %q as Head has it", info.Tag, err, head.Tag)
				}
			}
			if _, err := b.Put(t.Context(), "api/a.json", []byte("mended"), bucket.PutOptions{If: bucket.IfMatch(head.Tag), KeyAlias: app}); err != nil {
				t.Fatal(err)
			}
			h.wantBody(t, "api/a.json", "mended")
		})
	}
}

func TestFileWhereADirectoryIsNeededIsRefused(t *testing.T) {
	h := newHome(t)
	h.put(t, "api/a.json", "a", app)
	h.put(t, "api/d/b.json", "b", app)
	b := h.open()
	_, err := b.Get(t.Context(), "api/a.json/x.json")
	wantError(t, err, bucket.ErrNotFound)
	_, err = b.Get(t.Context(), "api/d")
	wantError(t, err, bucket.ErrNotFound)
	for _, name := range []string{"api/a.json/x.json", "api/d", "api/" + strings.Repeat("n", 300)} {
		_, err := b.Put(t.Context(), name, []byte(canary), bucket.PutOptions{KeyAlias: app})
		wantError(t, err, bucket.ErrRefused)
	}
	h.wantBody(t, "api/a.json", "a")
	h.wantBody(t, "api/d/b.json", "b")
	h.wantNoTemporaries(t)
}

func TestWithoutPermissionFilesAreDenied(t *testing.T) {
	if runtime.GOOS == "windows" || os.Geteuid() == 0 {
		t.Skip("modes do not bind this user")
	}
	h := newHome(t)
	h.put(t, "api/a.json", "a", app)
	chmod := func(path string, mode fs.FileMode) {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	denied := func() {
		t.Helper()
		_, err := h.open().Get(t.Context(), "api/a.json")
		wantError(t, err, bucket.ErrDenied, "permission denied")
	}
	for _, path := range []string{h.file("api/a.json"), h.file("api"), h.Dir, h.KeyDir, h.key("alias_app.age")} {
		stat, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		chmod(path, 0)
		denied()
		chmod(path, stat.Mode().Perm())
	}
	chmod(h.file("api"), 0o500)
	_, err := h.open().Put(t.Context(), "api/a.json", []byte(canary), bucket.PutOptions{KeyAlias: app})
	wantError(t, err, bucket.ErrDenied, "permission denied")
	chmod(h.file("api"), 0o700)
	h.wantBody(t, "api/a.json", "a")
	h.wantNoTemporaries(t)
}

func TestForeignFilesAreLeftAlone(t *testing.T) {
	h := newHome(t)
	h.put(t, "api/a.json", "a", app)
	for _, name := range []string{"api/README", "api/~0123456789abcdef0123456789abcdef", "api/a json", "api/+1.json"} {
		if err := os.WriteFile(h.file(name), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"api/a.json"}, names(t, h.open(), "")); diff != "" {
		t.Errorf("listing (-want +got):\n%s", diff)
	}
}

// fill makes n objects api/key0.json... out of one sealing.
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

func TestListingsOfManyObjectsMissNoneThatIsReplaced(t *testing.T) {
	h := newHome(t)
	if dir, err := os.MkdirTemp("/dev/shm", "dirbucket"); err == nil { //nolint:usetesting // not t.TempDir: tmpfs moves replaced files to the end
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		h.Dir = dir
	}
	const n = 1500
	h.fill(t, n)
	b, listed, replaced := h.open(), make(chan struct{}), make(chan error)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-listed:
				replaced <- nil
				return
			default:
			}
			_, err := b.Put(t.Context(), fmt.Sprintf("api/key%d.json", i*7%n), []byte(canary), bucket.PutOptions{KeyAlias: app})
			if err != nil {
				<-listed
				replaced <- err
				return
			}
		}
	}()
	for range 10 {
		if got := len(names(t, b, "api/")); got != n {
			t.Errorf("a listing shows %d objects, want %d", got, n)
		}
	}
	close(listed)
	if err := <-replaced; err != nil {
		t.Error(err)
	}
}

func BenchmarkList(b *testing.B) {
	h := newHome(b)
	h.fill(b, 10_000)
	store := h.open()
	for b.Loop() {
		if n := len(names(b, store, "api/")); n != 10_000 {
			b.Fatalf("%d objects", n)
		}
	}
}

func BenchmarkGetInANewProcess(b *testing.B) {
	h := newHome(b)
	h.put(b, "api/a.json", canary, app)
	for b.Loop() {
		if _, err := h.open().Get(b.Context(), "api/a.json"); err != nil {
			b.Fatal(err)
		}
	}
}
