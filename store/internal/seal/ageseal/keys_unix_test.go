//go:build unix

package ageseal_test

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// Who can put files into the key directory decides to whom new secrets are sealed.
func TestAKeyDirectoryOfOthersIsRefused(t *testing.T) {
	h := newHome(t)
	h.put(t, "api/a.json", "a", app)
	refused := func(parts ...string) {
		t.Helper()
		_, err := h.open().Get(t.Context(), "api/a.json")
		wantError(t, err, bucket.ErrKey, parts...)
		_, err = h.open().Put(t.Context(), "api/b.json", []byte(canary), bucket.PutOptions{KeyAlias: app})
		wantError(t, err, bucket.ErrKey, parts...)
		_, err = h.open().Put(t.Context(), "api/b.json", []byte(canary), bucket.PutOptions{KeyAlias: "alias/new"})
		wantError(t, err, bucket.ErrKey, parts...)
	}
	for _, mode := range []os.FileMode{0o770, 0o702, 0o777 | os.ModeSticky} {
		if err := os.Chmod(h.KeyDir, mode); err != nil {
			t.Fatal(err)
		}
		refused("others can write", "chmod go-w "+h.KeyDir)
	}
	if err := os.Chmod(h.KeyDir, 0o755); err != nil { // they may look
		t.Fatal(err)
	}
	h.wantBody(t, "api/a.json", "a")

	if os.Geteuid() != 0 {
		t.Skip("only root can give a directory away")
	}
	for path, owned := range map[string]string{h.KeyDir: h.KeyDir, h.key("alias_app.age"): h.key("alias_app.age")} {
		if err := os.Chown(path, 4711, -1); err != nil {
			t.Fatal(err)
		}
		_, err := h.open().Get(t.Context(), "api/a.json")
		wantError(t, err, bucket.ErrKey, owned+" belongs to another user", "chown "+strconv.Itoa(os.Geteuid())+" "+owned)
		if err := os.Chown(path, 0, -1); err != nil {
			t.Fatal(err)
		}
	}
	h.wantBody(t, "api/a.json", "a")
}

// What is no file is named, and nothing waits for it; other identities go on.
func TestWhatIsNoFileIsNoIdentity(t *testing.T) {
	for kind, make := range map[string]func(path string) error{
		"a FIFO":      func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"a device":    func(path string) error { return os.Symlink(os.DevNull, path) },
		"a socket": func(path string) error {
			l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
			if err == nil {
				t.Cleanup(func() { _ = l.Close() })
			}
			return err
		},
		"a broken symbolic link": func(path string) error { return os.Symlink(path+"-gone", path) },
	} {
		t.Run(kind, func(t *testing.T) {
			dir, err := os.MkdirTemp("", "k") //nolint:usetesting // the path of a socket is short
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			h := newHome(t)
			h.KeyDir = filepath.Join(dir, "keys")
			h.put(t, "api/a.json", "a", app)
			h.put(t, "api/b.json", "b", "alias/ops")
			if err := os.Remove(h.key("alias_app.age")); err != nil {
				t.Fatal(err)
			}
			if err := make(h.key("alias_app.age")); err != nil {
				t.Fatal(err)
			}
			_, err = h.open().Get(t.Context(), "api/a.json")
			wantError(t, err, bucket.ErrKey, "alias_app.age is "+kind)
			_, err = h.open().Put(t.Context(), "api/a.json", []byte(canary), bucket.PutOptions{KeyAlias: app})
			wantError(t, err, bucket.ErrKey, "alias_app.age is "+kind)
			h.wantBody(t, "api/b.json", "b")
		})
	}
}
