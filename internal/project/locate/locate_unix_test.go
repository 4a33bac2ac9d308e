//go:build unix

package locate

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/coffer-secrets/coffer/internal/project"
)

// tree creates files and directories (which end with "/") in a new directory, and returns it.
func tree(t *testing.T, names ...string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "/") {
			err = os.MkdirAll(path, 0o755)
		} else {
			err = os.WriteFile(path, []byte("services: [api]\n"), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestTheFileIsFoundUpToTheRootOfTheRepository(t *testing.T) {
	for name, c := range map[string]struct {
		files     []string
		from, yes string
	}{
		"at the root":                     {[]string{"r/.git/", "r/coffer.yaml", "r/a/b/"}, "r/a/b", "r/coffer.yaml"},
		"the nearest one":                 {[]string{"r/.git/", "r/coffer.yaml", "r/a/coffer.yaml", "r/a/b/"}, "r/a/b", "r/a/coffer.yaml"},
		"here":                            {[]string{"r/.git/", "r/coffer.yaml"}, "r", "r/coffer.yaml"},
		"never above the root":            {[]string{"coffer.yaml", "r/.git/", "r/a/"}, "r/a", ""},
		"a worktree":                      {[]string{"coffer.yaml", "w/.git", "w/coffer.yaml", "w/a/"}, "w/a", "w/coffer.yaml"},
		"a worktree without one":          {[]string{".git/", "coffer.yaml", "w/.git", "w/a/"}, "w/a", ""},
		"a submodule is a repository":     {[]string{"r/.git/", "r/coffer.yaml", "r/sub/.git", "r/sub/a/"}, "r/sub/a", ""},
		"a submodule's own":               {[]string{"r/.git/", "r/coffer.yaml", "r/sub/.git", "r/sub/coffer.yaml"}, "r/sub", "r/sub/coffer.yaml"},
		"within .git":                     {[]string{"r/.git/hooks/", "r/coffer.yaml"}, "r/.git/hooks", "r/coffer.yaml"},
		"without a repository, here":      {[]string{"d/coffer.yaml"}, "d", "d/coffer.yaml"},
		"without a repository, not above": {[]string{"d/coffer.yaml", "d/a/"}, "d/a", ""},
		"another name":                    {[]string{"r/.git/", "r/coffer.yml", "r/.coffer.yaml"}, "r", ""},
	} {
		dir := tree(t, c.files...)
		path, ok, err := Find(filepath.Join(dir, c.from))
		if err != nil || ok != (c.yes != "") || ok && path != filepath.Join(dir, c.yes) {
			t.Errorf("%s: %q, %v, %v", name, path, ok, err)
		}
	}
}

// A directory that is reached through a link is where it really is: not where the link is.
func TestALinkToADirectoryLeadsToTheRepositoryOfTheDirectory(t *testing.T) {
	dir := tree(t, "evil/.git/", "evil/coffer.yaml", "r/.git/", "r/a/")
	if err := os.Symlink(filepath.Join(dir, "r/a"), filepath.Join(dir, "evil/link")); err != nil {
		t.Fatal(err)
	}
	if path, ok, err := Find(filepath.Join(dir, "evil/link")); ok || err != nil {
		t.Errorf("%s, %v", path, err)
	}
}

// caller is the user of a test, who owns its files.
func caller() User { return User{UID: os.Geteuid(), Sudo: -1} }

// stranger makes another user the owner of a file, and returns the caller.
func stranger(t *testing.T, path string) User {
	t.Helper()
	if os.Geteuid() != 0 {
		return User{UID: os.Geteuid() + 1, Sudo: -1} // the files are then of another user
	}
	if err := os.Chown(path, 4242, -1); err != nil {
		t.Fatal(err)
	}
	return caller()
}

func wantRefused(t *testing.T, path string, user User, reason string) {
	t.Helper()
	body, err := Read(path, user)
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Path != path || !strings.Contains(refused.Reason, reason) || body != nil {
		t.Errorf("%q, %v; want %q", body, err, reason)
	}
}

func TestAFoundFileIsReadOnlyIfItIsPlainAndTheCallers(t *testing.T) {
	dir := tree(t, "r/coffer.yaml")
	path := filepath.Join(dir, "r", project.Name)
	if body, err := Read(path, caller()); err != nil || string(body) != "services: [api]\n" {
		t.Fatalf("%q, %v", body, err)
	}
	if err := os.Chmod(path, 0o664); err != nil { // the usual umask of some systems
		t.Fatal(err)
	}
	if _, err := Read(path, caller()); err != nil {
		t.Error(err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, path, caller(), "it can be changed by every user")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, path, caller(), "its directory "+filepath.Dir(path)+" can be changed by every user")
	if err := os.Chmod(filepath.Dir(path), 0o777|fs.ModeSticky); err != nil { // as /tmp
		t.Fatal(err)
	}
	if _, err := Read(path, caller()); err != nil {
		t.Error(err)
	}
	user := stranger(t, path)
	wantRefused(t, path, user, "it belongs to another user (uid ")
	if body, err := ReadNamed(path); err != nil || len(body) == 0 {
		t.Errorf("named: %q, %v", body, err)
	}
}

func TestAFileInAnotherUsersDirectoryIsNotRead(t *testing.T) {
	dir := tree(t, "r/coffer.yaml")
	path := filepath.Join(dir, "r", project.Name)
	if os.Geteuid() != 0 {
		t.Skip("not run as root, which alone can give a directory away")
	}
	user := stranger(t, filepath.Dir(path))
	wantRefused(t, path, user, "its directory "+filepath.Dir(path)+" belongs to another user")
	user.Sudo = 4242 // sudo coffer, by the owner
	if _, err := Read(path, user); err != nil {
		t.Error(err)
	}
	user.UID = 7
	wantRefused(t, path, user, "belongs to another user")
}

// None of these is opened in a way that waits, follows a link, or reads a device.
func TestWhatIsNotAPlainFileIsNotRead(t *testing.T) {
	dir := tree(t, "secret", "directory/coffer.yaml/")
	at := func(name string) string {
		path := filepath.Join(dir, name, project.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, create := range map[string]func(path string) error{
		"link":    func(path string) error { return os.Symlink(filepath.Join(dir, "secret"), path) },
		"nowhere": func(path string) error { return os.Symlink("nowhere", path) },
		"loop":    func(path string) error { return os.Symlink(project.Name, path) },
		"device":  func(path string) error { return os.Symlink("/dev/zero", path) },
		"pipe":    func(path string) error { return syscall.Mkfifo(path, 0o644) },
		"socket": func(path string) error {
			fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
			if err != nil {
				return err
			}
			defer func() { _ = syscall.Close(fd) }()
			return syscall.Bind(fd, &syscall.SockaddrUnix{Name: path})
		},
		"directory": func(string) error { return nil },
	} {
		path := at(name)
		if err := create(path); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if found, ok, err := Find(filepath.Dir(path)); !ok || found != path || err != nil {
			t.Errorf("%s: %q, %v, %v", name, found, ok, err)
		}
		body, err := Read(path, caller())
		var refused *RefusedError
		info, _ := os.Lstat(path)
		if link := info.Mode()&fs.ModeSymlink != 0; !errors.As(err, &refused) || body != nil || refused.Distrusted != link {
			t.Errorf("%s: %q, %v", name, body, err)
		}
	}
	if _, err := ReadNamed(filepath.Join(dir, "pipe", project.Name)); err == nil {
		t.Error("a pipe is read where it is named")
	}
	if body, err := ReadNamed(filepath.Join(dir, "link", project.Name)); err != nil || len(body) == 0 {
		t.Errorf("a link that is named: %q, %v", body, err)
	}
	if _, err := ReadNamed("/dev/zero"); err == nil {
		t.Error("a device is read")
	}
}

func TestALargeFileIsNotRead(t *testing.T) {
	dir := tree(t, "coffer.yaml")
	path := filepath.Join(dir, project.Name)
	if err := os.Truncate(path, 1<<40); err != nil {
		t.Skipf("the file system has no sparse files: %v", err)
	}
	body, err := Read(path, caller())
	if err == nil || len(body) > project.MaxBytes+1 || !strings.Contains(err.Error(), "longer than 262144 bytes") {
		t.Errorf("%d bytes, %v", len(body), err)
	}
}
