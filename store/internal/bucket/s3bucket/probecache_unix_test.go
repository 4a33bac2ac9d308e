//go:build unix

package s3bucket_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store/internal/bucket/s3bucket"
)

// asks makes one change and tells whether the server was asked first, and what was said.
func asks(t *testing.T, server *s3test.Server, o s3bucket.ProbeOptions) (asked bool, told []string) {
	t.Helper()
	server.Bucket(bucketName).Restore(nil)
	server.Reset()
	o.Notice = func(text string) { told = append(told, text) }
	if _, err := create(t, probing(t, server, o), "team/x.json"); err != nil {
		t.Fatal(err)
	}
	return len(server.Log()) > 1, told
}

// noDirectory is a place where nothing can be made, for root too.
func noDirectory(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(file, "coffer")
}

func TestTheVerdictIsKeptInAPrivateDirectoryWhereTheCacheCannotBeWritten(t *testing.T) {
	for name, cacheDir := range map[string]string{"no home": "", "a cache that cannot be written": noDirectory(t)} {
		t.Run(name, func(t *testing.T) {
			server := simulator(t, s3test.Options{})
			o := s3bucket.ProbeOptions{CacheDir: cacheDir, PrivateDir: filepath.Join(t.TempDir(), "coffer-1000")}
			for n, want := range []bool{true, false, false} {
				if asked, told := asks(t, server, o); asked != want || len(told) > 0 {
					t.Errorf("run %d: asked %v, told %q", n+1, asked, told)
				}
			}
			dir, err := os.Stat(o.PrivateDir)
			if err != nil || dir.Mode().Perm() != 0o700 {
				t.Fatalf("the directory: %v, %v", dir, err)
			}
			files, err := os.ReadDir(o.PrivateDir)
			if err != nil || len(files) != 1 {
				t.Fatalf("%d files, %v", len(files), err)
			}
			if info, err := files[0].Info(); err != nil || info.Mode() != 0o600 {
				t.Errorf("the file: %v, %v", info.Mode(), err)
			}
		})
	}
}

// What somebody else could have put there is neither believed nor written to.
func TestAPlantedVerdictIsNotBelieved(t *testing.T) {
	believed := func(t *testing.T, server *s3test.Server) (dir, file string) {
		t.Helper()
		dir = filepath.Join(t.TempDir(), "coffer-1000")
		asks(t, server, s3bucket.ProbeOptions{PrivateDir: dir})
		files, err := os.ReadDir(dir)
		if err != nil || len(files) != 1 {
			t.Fatalf("%d files, %v", len(files), err)
		}
		return dir, filepath.Join(dir, files[0].Name())
	}
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, plant := range map[string]func(t *testing.T, dir, file string){
		"a directory open to others": func(t *testing.T, dir, _ string) { must(t, os.Chmod(dir, 0o777)) },
		"a link to a directory": func(t *testing.T, dir, _ string) {
			must(t, os.Rename(dir, dir+".moved"))
			must(t, os.Symlink(dir+".moved", dir))
		},
		"a file open to others": func(t *testing.T, _, file string) { must(t, os.Chmod(file, 0o644)) },
		"a link to a file": func(t *testing.T, dir, file string) {
			must(t, os.Rename(file, dir+".moved"))
			must(t, os.Symlink(dir+".moved", file))
		},
		"another user's directory": func(t *testing.T, dir, _ string) {
			if os.Geteuid() != 0 {
				t.Skip("only root can give a directory away")
			}
			must(t, os.Chown(dir, 65534, 65534))
		},
		"another user's file": func(t *testing.T, _, file string) {
			if os.Geteuid() != 0 {
				t.Skip("only root can give a file away")
			}
			must(t, os.Chown(file, 65534, 65534))
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := simulator(t, s3test.Options{})
			dir, file := believed(t, server)
			plant(t, dir, file)
			asked, told := asks(t, server, s3bucket.ProbeOptions{PrivateDir: dir})
			if !asked {
				t.Error("it was believed")
			}
			wrote := strings.Contains(name, "file") // in the user's own directory it is replaced
			if (len(told) == 0) != wrote {
				t.Errorf("told %q", told)
			}
			if again, _ := asks(t, server, s3bucket.ProbeOptions{PrivateDir: dir}); again == wrote {
				t.Errorf("the run after that asked: %v", again)
			}
		})
	}
}

// Nothing is waited for in the cache directory.
func TestAVerdictThatIsNoFileIsReplaced(t *testing.T) {
	server := simulator(t, s3test.Options{})
	o := s3bucket.ProbeOptions{CacheDir: t.TempDir()}
	asks(t, server, o)
	files, err := os.ReadDir(o.CacheDir)
	if err != nil || len(files) != 1 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	file := filepath.Join(o.CacheDir, files[0].Name())
	if err := errors.Join(os.Remove(file), syscall.Mkfifo(file, 0o600)); err != nil {
		t.Fatal(err)
	}
	for n, want := range []bool{true, false} {
		if asked, told := asks(t, server, o); asked != want || len(told) > 0 {
			t.Errorf("run %d: asked %v, told %q", n+1, asked, told)
		}
	}
}
