package scan

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/mask"
)

// history returns what is found in a range.
func (r *repository) history(s []mask.Secret, revisions ...string) *result {
	r.Helper()
	got := newScanner(r.T, r.env, s...)
	if err := got.History(r.Context(), revisions, nil); err != nil {
		r.Fatal(err)
	}
	return got
}

// TestACommitWithoutAMessageEndsWithItsHeader: the next object begins there.
func TestACommitWithoutAMessageEndsWithItsHeader(t *testing.T) {
	r := newRepository(t)
	s := secretsNumbered(2)
	r.write("a", s[0].Value)
	first := r.commit("first")
	for _, text := range []string{"", "\n", "\nx " + s[1].Value} {
		r.write("commit", "tree "+r.git("rev-parse", "HEAD^{tree}")+"\nparent "+first+"\nauthor n <a@b> 1 +0000\ncommitter n <a@b> 1 +0000\n"+text)
		id := r.git("hash-object", "-t", "commit", "-w", "commit")
		want := []string{first + ":a:1 api/key00 (value)"}
		if len(text) > 1 {
			want = append(want, id+":"+CommitMessage+":1 api/key01 (value)")
		}
		r.history(s, id).wants(t, want...)
	}
}

// TestASecretThatIsAddedAgainIsFound: its content was read before only to know what was there.
func TestASecretThatIsAddedAgainIsFound(t *testing.T) {
	r := newRepository(t)
	s := secretsNumbered(1)
	with, more := s[0].Value+"\n", s[0].Value+"\nand more\n"
	r.write("a", with)
	first := r.commit("first")
	r.write("a", "clean\n")
	r.commit("without")
	r.write("a", with)
	again := r.commit("again")
	r.history(s, first+"..HEAD").wants(t, again+":a:1 api/key00 (value)")

	r.write("a", more)
	changed := r.commit("changed")
	r.write("a", "clean\n")
	r.commit("without")
	r.write("a", more)
	last := r.commit("changed again")
	r.history(s, again+"..HEAD").wants(t, last+":a:1 api/key00 (value)")
	r.history(s, again+".."+changed).wants(t)
}

// TestAHistoryIsWhatTheObjectsSay: not what refs/replace, grafts and settings make of it.
func TestAHistoryIsWhatTheObjectsSay(t *testing.T) {
	r := newRepository(t)
	s := secretsNumbered(2)
	r.write("clean", "clean", "a", s[0].Value)
	first := r.commit("first")
	r.write("dir/b", s[1].Value)
	second := r.commit("second")
	want := []string{first + ":a:1 api/key00 (value)", second + ":dir/b:1 api/key01 (value)"}
	r.git("config", "diff.relative", "true")
	r.git("replace", r.git("rev-parse", "HEAD:a"), r.git("rev-parse", "HEAD:clean"))
	r.write(".git/info/grafts", second+"\n")
	r.git("rm", "-q", "--cached", "a")
	r.git("commit", "-q", "-m", "without")
	r.git("add", "a")
	t.Chdir("dir")
	r.history(s, "HEAD").wants(t, want...)
	got := newScanner(t, r.env, s...)
	if err := got.Staged(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	got.wants(t, "a:1 api/key00 (value)")
}

// TestAPartialCloneRunsNothing: objects that are missing are reported, and not fetched.
func TestAPartialCloneRunsNothing(t *testing.T) {
	r := newRepository(t)
	s := secretsNumbered(2)
	r.write("a", s[0].Value)
	r.commit("first")
	r.write("b", s[0].Value+"\n")
	last := r.commit(s[1].Value)
	r.git("config", "uploadpack.allowFilter", "true")
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	r.git("clone", "-q", "--no-checkout", "--filter=blob:none", "file://"+dir, "clone")
	t.Chdir("clone")
	ran := filepath.Join(dir, "ran")
	r.git("config", "remote.origin.uploadpack", "touch '"+ran+"'; git-upload-pack")
	got := r.history(s, "HEAD")
	if len(got.failed) != 2 || !strings.HasPrefix(got.failed[0], "a: git: could not fetch ") || !strings.HasPrefix(got.failed[1], "b: ") {
		t.Errorf("%v", got.failed)
	}
	got.failed = nil
	got.wants(t, last+":"+CommitMessage+":1 api/key01 (value)")
	if _, err := os.Stat(ran); err == nil {
		t.Error("a program that the repository names ran")
	}
}

// TestAnIgnoredDirectoryThatIsNamedIsScanned, also one with a file that git doesn't ignore.
func TestAnIgnoredDirectoryThatIsNamedIsScanned(t *testing.T) {
	r := newRepository(t)
	s := secretsNumbered(2)
	r.write(".gitignore", "build/\n*.log\n", "build/deep/a", s[0].Value, "build/forced", s[1].Value, "other/x.log", s[0].Value)
	r.git("add", "--force", "build/forced")
	for path, want := range map[string][]string{
		"build": {"build/deep/a:1 api/key00 (value)", "build/forced:1 api/key01 (value)"}, "build/deep": {"build/deep/a:1 api/key00 (value)"},
		".": {"build/forced:1 api/key01 (value)"}, "other": nil,
	} {
		got := newScanner(t, append(r.env, "GIT_LITERAL_PATHSPECS=1"), s...)
		if err := got.Path(t.Context(), path, false); err != nil {
			t.Fatal(err)
		}
		slices.Sort(got.lines)
		got.wants(t, want...)
	}
}

// TestALinkToADirectoryThatIsNamedIsFollowed, with git and without; a link below it isn't.
func TestALinkToADirectoryThatIsNamedIsFollowed(t *testing.T) {
	r := newRepository(t)
	s := secretsNumbered(1)
	outside := t.TempDir()
	r.write("real/a", s[0].Value)
	err := errors.Join(os.WriteFile(filepath.Join(outside, "a"), []byte(s[0].Value), 0o600), os.Symlink(outside, "out"),
		os.Symlink(outside, filepath.Join(outside, "loop")), os.Symlink("real", "link"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path    string
		ignored bool
	}{{"link", false}, {"link", true}, {"out", false}, {"out", true}, {"./out", false}} {
		got := newScanner(t, r.env, s...)
		if err := got.Path(t.Context(), c.path, c.ignored); err != nil {
			t.Fatal(err)
		}
		got.wants(t, filepath.Clean(c.path)+"/a:1 api/key00 (value)")
	}
}

func TestOnlyPlainFilesAreOpened(t *testing.T) {
	got := newScanner(t, nil, secretsNumbered(1)...)
	got.Failed = func(_ string, err error) {
		if !errors.Is(err, ErrNotPlain) {
			t.Error(err)
		}
		got.failed = append(got.failed, "refused")
	}
	if err := got.Path(t.Context(), os.DevNull, false); err != nil || len(got.failed) != 1 || got.Files != 0 {
		t.Errorf("%v, %v, %d files", err, got.failed, got.Files)
	}
	got.failed = nil
}

// TestObjectsOfGitAreNotTakenForFiles: they are compressed. A folder with objects that is named is refused, and below
// another one they are counted as packed.
func TestObjectsOfGitAreNotTakenForFiles(t *testing.T) {
	r := newRepository(t)
	s := secretsNumbered(1)
	r.write("a", s[0].Value, "refs/b", "x", "objects/c", "x") // no HEAD
	r.commit("first")
	outside := t.TempDir()
	bare := filepath.Join(outside, "bare.git")
	r.git("clone", "-q", "--bare", "--no-local", ".", bare) // which packs them
	for _, path := range []string{bare, ".git", bare + "/"} {
		for _, ignored := range []bool{false, true} {
			got := newScanner(t, r.env, s...)
			got.Failed = func(name string, err error) {
				if name != path || !errors.Is(err, ErrObjects) {
					t.Error(name, err)
				}
				got.failed = append(got.failed, name)
			}
			if err := got.Path(t.Context(), path, ignored); err != nil || len(got.failed) != 1 || got.Files != 0 {
				t.Errorf("%s: %v, %v, %d files", path, err, got.failed, got.Files)
			}
		}
	}
	got := newScanner(t, r.env, s...)
	if err := errors.Join(got.Path(t.Context(), ".", false), got.Path(t.Context(), ".git/objects", false), got.Path(t.Context(), outside, false)); err != nil {
		t.Fatal(err)
	}
	got.wants(t, "a:1 api/key00 (value)")
	loose, pack := 0, 0
	for _, name := range got.Packed {
		switch {
		case strings.HasSuffix(name, ".pack"):
			pack++
		case strings.HasPrefix(name, ".git/objects/"):
			loose++
		}
	}
	if loose != 6 || pack != 1 || len(got.Packed) != 7 { // two contents, three trees, a commit
		t.Errorf("%v", got.Packed)
	}
}
