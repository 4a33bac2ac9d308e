package dirbucket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

func TestFailureClassifiesWhatTheSystemReports(t *testing.T) {
	for _, test := range []struct{ err, want error }{
		{syscall.EACCES, bucket.ErrDenied},
		{syscall.EPERM, bucket.ErrDenied},
		{syscall.EROFS, bucket.ErrDenied},
		{syscall.ENOSPC, bucket.ErrRefused},
		{syscall.EIO, bucket.ErrRefused},
		{syscall.EMFILE, bucket.ErrUnavailable},
		{syscall.ENOENT, bucket.ErrUnavailable}, // a directory that vanished under a put is no missing object
		{syscall.ENAMETOOLONG, bucket.ErrRefused},
		{syscall.EISDIR, bucket.ErrRefused},
		{errors.New("path escapes from parent"), bucket.ErrRefused},
		{fault{bucket.ErrKey, "why"}, bucket.ErrKey},
		{context.Canceled, context.Canceled},
		{context.DeadlineExceeded, context.DeadlineExceeded},
	} {
		err := failure("put", "api/a.json", fmt.Errorf("wrapped: %w", &fs.PathError{Op: "open", Path: "p", Err: test.err}))
		var e *bucket.Error
		if !errors.Is(err, test.want) || !errors.As(err, &e) || e.Op != "put" || e.Name != "api/a.json" {
			t.Errorf("%v becomes %v, want %v", test.err, err, test.want)
		}
	}
}

// TestADirectoryMadeDuringAListingWasNotThere: the directory of a service was missing when it was opened, and another
// process has created it since.
func TestADirectoryMadeDuringAListingWasNotThere(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer shut(root)
	_, missing := root.OpenRoot("api")
	if err := root.Mkdir("api", 0o700); err != nil {
		t.Fatal(err)
	}
	if missing == nil || !noDirectory(root, "api", missing) {
		t.Errorf("%v ends the listing", missing)
	}
	if noDirectory(root, "api", syscall.EACCES) {
		t.Error("a directory that can't be opened counts as missing")
	}
}

func TestLockExcludesAndLetsTheContextGo(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer shut(root)
	unlock, err := lock(t.Context(), root, "l")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan error)
	go func() {
		_, err := lock(ctx, root, "l")
		waiting <- err
	}()
	cancel()
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Errorf("a second holder gets %v, want %v", err, context.Canceled)
	}
	other, err := lock(t.Context(), root, "other")
	if err != nil {
		t.Fatal(err)
	}
	other()
	unlock()
	again, err := lock(t.Context(), root, "l")
	if err != nil {
		t.Fatal(err)
	}
	again()
}

func TestNextWriterRemovesWhatACrashLeft(t *testing.T) {
	dir := t.TempDir()
	b := New(Options{Dir: dir + "/store"})
	put := func() error {
		_, err := b.Put(t.Context(), "api/a.json", []byte("a"), bucket.PutOptions{})
		return err
	}
	remove := func() error { return b.Delete(t.Context(), "api/a.json", bucket.If{}) }
	if err := put(); err != nil {
		t.Fatal(err)
	}
	for _, change := range []func() error{put, remove} {
		left := dir + "/store/" + temporary("api/a.json")
		if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the temporary file is still there (%v)", err)
		}
	}
}

// Every file name stands for one object at most, in any case.
func FuzzNames(f *testing.F) {
	for _, name := range []string{"a.json", "DB_URL.json", "a+b", "++a", "~x", "..", "a/b", "a.", "ä", "+", "__kms_alias_App__latest.json"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if file, ok := encode(name); ok && !strings.Contains(name, "/") {
			if back, ok := decode(file); !ok || back != name || strings.ToLower(file) != file || strings.HasPrefix(file, "~") {
				t.Errorf("%q becomes the file %q, which becomes %q, %v", name, file, back, ok)
			}
		}
		if object, ok := decode(name); ok {
			if file, ok := encode(object); ok && file != name {
				t.Errorf("the file %q becomes %q, which becomes the file %q", name, object, file)
			}
		}
	})
}
