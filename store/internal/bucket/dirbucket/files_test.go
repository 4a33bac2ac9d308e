package dirbucket_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

func TestNamesStayInTheDirectory(t *testing.T) {
	h := newHome(t)
	h.put(t, "api/a.json", "a")
	b := h.open()
	for _, name := range []string{
		"", "/", "/etc/passwd", "..", "../a.json", "api/../../a.json", "api/..", ".", "./a.json", "api//a.json", "api/",
		`..\a.json`, `api\a.json`, "C:a.json", "api/a:b.json", "api/a b.json", "~locks/names", "api/a+b.json", "api/a\x00.json", "api/ä.json",
	} {
		_, err := b.Get(t.Context(), name)
		wantError(t, err, bucket.ErrRefused)
		_, err = b.Head(t.Context(), name)
		wantError(t, err, bucket.ErrRefused)
		_, err = b.Put(t.Context(), name, []byte(canary), bucket.PutOptions{})
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
	h.put(t, "api/a.json", "a")
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
	_, err := b.Put(t.Context(), "out/b.json", []byte(canary), bucket.PutOptions{})
	wantError(t, err, bucket.ErrRefused)
	wantError(t, b.Delete(t.Context(), "out/a.json", bucket.If{}), bucket.ErrRefused)
	h.put(t, "api/out.json", "inside") // replaces the link itself
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
	h.put(t, "Api/DB.json", "upper")
	h.put(t, "api/db.json", "lower")
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

func TestFileWhereADirectoryIsNeededIsRefused(t *testing.T) {
	h := newHome(t)
	h.put(t, "api/a.json", "a")
	h.put(t, "api/d/b.json", "b")
	b := h.open()
	_, err := b.Get(t.Context(), "api/a.json/x.json")
	wantError(t, err, bucket.ErrNotFound)
	_, err = b.Get(t.Context(), "api/d")
	wantError(t, err, bucket.ErrNotFound)
	for _, name := range []string{"api/a.json/x.json", "api/d", "api/" + strings.Repeat("n", 300)} {
		_, err := b.Put(t.Context(), name, []byte(canary), bucket.PutOptions{})
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
	h.put(t, "api/a.json", "a")
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
	for _, path := range []string{h.file("api/a.json"), h.file("api"), h.Dir} {
		stat, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		chmod(path, 0)
		denied()
		chmod(path, stat.Mode().Perm())
	}
	chmod(h.file("api"), 0o500)
	_, err := h.open().Put(t.Context(), "api/a.json", []byte(canary), bucket.PutOptions{})
	wantError(t, err, bucket.ErrDenied, "permission denied")
	chmod(h.file("api"), 0o700)
	h.wantBody(t, "api/a.json", "a")
	h.wantNoTemporaries(t)
}

func TestForeignFilesAreLeftAlone(t *testing.T) {
	h := newHome(t)
	h.put(t, "api/a.json", "a")
	for _, name := range []string{"api/README", "api/~0123456789abcdef0123456789abcdef", "api/a json", "api/+1.json"} {
		if err := os.WriteFile(h.file(name), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"api/a.json"}, names(t, h.open(), "")); diff != "" {
		t.Errorf("listing (-want +got):\n%s", diff)
	}
}
