package dirbucket_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/buckettest"
	"github.com/coffer-secrets/coffer/store/internal/bucket/dirbucket"
)

const canary = "canary-7f3a9c"

// home is a place for a store.
type home struct{ dirbucket.Options }

func newHome(t testing.TB) home {
	dir := t.TempDir()
	return home{dirbucket.Options{Dir: filepath.Join(dir, "share", "store")}}
}

// open returns a bucket that has read nothing yet, as a new process would.
func (h home) open() *dirbucket.Bucket { return dirbucket.New(h.Options) }

func (h home) file(name string) string { return filepath.Join(h.Dir, filepath.FromSlash(name)) }

// put must succeed.
func (h home) put(t testing.TB, name, body string) bucket.Info {
	t.Helper()
	info, err := h.open().Put(t.Context(), name, []byte(body), bucket.PutOptions{})
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
	}, h.Dir)
}

func TestConformance(t *testing.T) {
	for name, size := range map[string]func([]byte) int{"all bytes tell": nil, "the beginning may tell": firstLine} {
		t.Run(name, func(t *testing.T) {
			open := func(t *testing.T) bucket.Bucket {
				h := newHome(t)
				h.StateSize = size
				return h.open()
			}
			buckettest.Run(t, open, buckettest.Capabilities{})
			buckettest.RunHeaders(t, open, buckettest.Capabilities{})
		})
	}
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

func TestDeleteInAMissingServiceIsDone(t *testing.T) {
	h := newHome(t)
	h.put(t, "api/a.json", "a")
	if err := h.open().Delete(t.Context(), "web/a.json", bucket.If{}); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(h.file("web")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the delete made the service's directory (%v)", err)
	}
}

func TestUnconfiguredDirectoryIsNoBucket(t *testing.T) {
	b := dirbucket.New(dirbucket.Options{})
	_, err := b.Get(t.Context(), "api/a.json")
	wantError(t, err, bucket.ErrNoBucket)
	_, err = b.Put(t.Context(), "api/a.json", nil, bucket.PutOptions{})
	wantError(t, err, bucket.ErrNoBucket)
	for _, err := range b.List(t.Context(), "api/") {
		wantError(t, err, bucket.ErrNoBucket)
	}
}

func TestFilesAndDirectoriesArePrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes mean nothing on Windows")
	}
	h := newHome(t)
	h.put(t, "api/worker/a.json", "a")
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
	}, h.Dir)
}

// firstLine lets the first line tell the states apart, if there is one. The suite's bodies have none,
// but for those of random bytes.
func firstLine(beginning []byte) int { return bytes.IndexByte(beginning, '\n') + 1 }
