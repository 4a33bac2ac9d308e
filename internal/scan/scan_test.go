package scan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/coffer-secrets/coffer/internal/mask"
)

func TestStagedIsWhatGitWouldCommit(t *testing.T) {
	r := newRepository(t)
	s := secretsNumbered(5)
	r.write("old", s[0].Value, "both", "x\n")
	got := newScanner(t, r.env, s...)
	r.git("add", "old") // before there is any commit
	if err := got.Staged(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	got.wants(t, "old:1 api/key00 (value)")

	r.commit("first")
	r.write("dir/new", "\n"+s[1].Value, "both", s[2].Value+"\n"+s[2].Value)
	r.git("add", "--all")
	r.write("both", "clean in the work tree\n", "dir/new", "clean", "unstaged", s[3].Value)
	for _, c := range []struct{ paths, want []string }{
		{nil, []string{"both:1 api/key02 (value)", "both:2 api/key02 (value)", "dir/new:2 api/key01 (value)"}},
		{[]string{"dir"}, []string{"dir/new:2 api/key01 (value)"}},
	} {
		got = newScanner(t, r.env, s...)
		if err := got.Staged(t.Context(), c.paths); err != nil {
			t.Fatal(err)
		}
		got.wants(t, c.want...)
	}
}

func TestOutsideOfARepositoryThereIsNoHistory(t *testing.T) {
	r := newRepository(t)
	t.Chdir(t.TempDir())
	got := newScanner(t, append(r.env, "GIT_CEILING_DIRECTORIES=/"), secretsNumbered(1)...)
	for _, err := range []error{got.Staged(t.Context(), nil), got.History(t.Context(), []string{"HEAD"}, nil)} {
		if !errors.Is(err, ErrNoRepository) {
			t.Error(err)
		}
	}
	got.wants(t)
}

func TestAnUnknownRangeIsGitsError(t *testing.T) {
	r := newRepository(t)
	r.write("a", "b")
	r.commit("first")
	got := newScanner(t, r.env, secretsNumbered(1)...)
	for _, revisions := range [][]string{{"nothing..HEAD"}, {"--output=x"}} {
		if err := got.History(t.Context(), revisions, nil); err == nil || !strings.Contains(err.Error(), "git: ") {
			t.Errorf("%v: %v", revisions, err)
		}
	}
	if _, err := os.Stat("x"); err == nil {
		t.Error("git was given an option")
	}
}

// TestAShallowCloneSaysThatCommitsAreMissing: its oldest commit has what is above the boundary.
func TestAShallowCloneSaysThatCommitsAreMissing(t *testing.T) {
	r := newRepository(t)
	s := secretsNumbered(2)
	r.write("a", s[0].Value)
	r.commit("first")
	r.write("a", "", "b", s[1].Value)
	last := r.commit("second")
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	r.git("clone", "-q", "--depth", "1", "file://"+dir, "clone")
	t.Chdir("clone")
	got := newScanner(t, r.env, s...)
	if err := got.History(t.Context(), []string{"--all"}, nil); err != nil {
		t.Fatal(err)
	}
	got.wants(t, last+":b:1 api/key01 (value)")
	if len(got.Notes) != 1 || !strings.Contains(got.Notes[0], "shallow") {
		t.Errorf("%v", got.Notes)
	}
}

// TestFilesOfADirectory: what git ignores only if asked for, no links, no .git, also repositories within.
func TestFilesOfADirectory(t *testing.T) {
	r := newRepository(t)
	s := secretsNumbered(8)
	r.write(".gitignore", "*.log\nbuild/\n", "tracked", s[0].Value, "deleted", s[6].Value, "forced.log", s[1].Value)
	r.git("add", "--all", "--force")
	r.write("untracked", s[2].Value, "x.log", s[3].Value, "build/out", s[3].Value, ".git/description", s[4].Value, "inner/a", s[5].Value, "inner/x.log", s[7].Value)
	r.git("init", "-q", "inner")
	if err := errors.Join(os.Remove("deleted"), os.Symlink("tracked", "link"), os.Symlink(".", "loop"), os.Symlink("nowhere", "broken")); err != nil {
		t.Fatal(err)
	}
	without := []string{"forced.log:1 api/key01 (value)", "inner/a:1 api/key05 (value)", "inner/x.log:1 api/key07 (value)", "tracked:1 api/key00 (value)", "untracked:1 api/key02 (value)"}
	with := []string{
		"build/out:1 api/key03 (value)", without[0], without[1], without[2], without[3], without[4], "x.log:1 api/key03 (value)",
	}
	for _, c := range []struct {
		path    string
		ignored bool
		want    []string
	}{{".", false, without}, {".", true, with}, {"link", false, []string{"link:1 api/key00 (value)"}}, {"x.log", false, with[6:]}} {
		got := newScanner(t, append(r.env, "GIT_DIR=/nowhere"), s...) // as in the hook of another repository
		if err := got.Path(t.Context(), c.path, c.ignored); err != nil {
			t.Fatal(err)
		}
		if c.path == "." {
			slices.Sort(got.lines)
		}
		got.wants(t, c.want...)
	}

	got := newScanner(t, []string{"PATH="}, s...) // git's reason isn't known; nothing may be left out
	if err := got.Path(t.Context(), "inner", false); err != nil || len(got.lines) != 2 {
		t.Errorf("%v, %v", got.lines, err)
	}
}

// TestTheFolderOfASubmoduleIsScannedAsItIs: git lists the folder itself where the submodule isn't checked out.
func TestTheFolderOfASubmoduleIsScannedAsItIs(t *testing.T) {
	r := newRepository(t)
	s := secretsNumbered(1)
	r.write("a", "nothing")
	r.git("update-index", "--add", "--cacheinfo", "160000,"+r.commit("one")+",module")
	r.write("module/b", s[0].Value)
	for _, path := range []string{"module", "module/", "./module", "."} {
		got := newScanner(t, r.env, s...)
		if err := got.Path(t.Context(), path, false); err != nil {
			t.Fatal(err)
		}
		got.wants(t, "module/b:1 api/key00 (value)")
	}
}

func TestWhatCannotBeReadIsReported(t *testing.T) {
	s := secretsNumbered(1)
	got := newScanner(t, nil, s...)
	dir := t.TempDir()
	name := filepath.Join(dir, "no "+s[0].Value[:11]+"such")
	if err := got.Path(t.Context(), name, false); err != nil {
		t.Fatal(err)
	}
	broken := io.MultiReader(strings.NewReader(s[0].Value+"\n"), iotest.ErrReader(fs.ErrPermission))
	if err := got.Stream(t.Context(), StandardInput, broken); !errors.Is(err, fs.ErrPermission) {
		t.Error(err)
	}
	if len(got.failed) != 1 || !strings.HasSuffix(got.failed[0], "such: no such file or directory") || len(got.lines) != 1 {
		t.Errorf("%v, %v", got.failed, got.lines)
	}
	got.failed = nil // it has the name that was typed
}

func TestAnInterruptEndsAScan(t *testing.T) {
	r := newRepository(t)
	s := secretsNumbered(1)
	r.write("a", "b")
	r.commit("first")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	waiting, in := io.Pipe()
	defer in.Close()
	got := newScanner(t, r.env, s...)
	for i, err := range []error{
		got.Path(ctx, ".", false), got.Path(ctx, ".", true), got.Path(ctx, "a", false), got.Staged(ctx, nil),
		got.History(ctx, []string{"HEAD"}, nil), got.Stream(ctx, StandardInput, rand.NewChaCha8([32]byte{})), got.Stream(ctx, StandardInput, waiting),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func TestCompressedFilesAreNamed(t *testing.T) {
	s := secretsNumbered(1)
	got := newScanner(t, nil, s...)
	for name, text := range map[string]string{"a.zip": "PK\x03\x04 stored: " + s[0].Value, "b.gz": "\x1f\x8b\x08", "c.txt": "PK", "e": "PACKAGES", "f": "x", "d.tar": "name\x00" + s[0].Value} {
		if err := got.Stream(t.Context(), name, strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(got.lines)
	got.wants(t, "a.zip:1 api/key00 (value)", "d.tar:byte 5 api/key00 (value)")
	if len(got.Packed) != 2 {
		t.Errorf("%v", got.Packed)
	}
}

// TestPartsOfAValueAreOnePlace: a key that is indented, or without its first line, and one that is quoted line by line.
func TestPartsOfAValueAreOnePlace(t *testing.T) {
	key := privateKey("one ")
	lines := strings.Split(strings.TrimSpace(key), "\n")
	s := []mask.Secret{{Name: "api/key", Value: key}, {Name: "api/same", Value: key}, {Name: "api/in", Value: "postgres://app:" + canary + "-pw@db/x"}, {Name: "api/pw", Value: canary + "-pw"}}
	for text, want := range map[string][]string{
		"a\n    " + strings.Join(lines, "\n    ") + "\nb\n":      {"f:4 api/key = api/same (part)"}, // the first lines are those of all keys
		"a\n" + strings.Join(lines, "\r\n") + "\r\n":             {"f:2 api/key = api/same (value)"},
		"a\n" + key + "x\n" + key:                                {"f:2 api/key = api/same (value)", "f:" + fmt.Sprint(len(lines)+3) + " api/key = api/same (value)"},
		"-----BEGIN PRIVATE KEY-----\n" + lines[1] + "\nother\n": nil,
		"url: " + s[2].Value + "\n":                              {"f:1 api/in (value)", "f:1 api/pw (value)"},
		s[3].Value + " " + s[3].Value + "\n" + s[3].Value:        {"f:1 api/pw (value)", "f:2 api/pw (value)"},
	} {
		for _, r := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text))} {
			got := newScanner(t, nil, s...)
			if err := got.Stream(t.Context(), "f", r); err != nil {
				t.Fatal(err)
			}
			got.wants(t, want...)
		}
	}
}

// BenchmarkScan scans source-like text for 500 secrets.
func BenchmarkScan(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	random := func(n int) string {
		v := make([]byte, n)
		for i := range v {
			v[i] = letters[r.IntN(len(letters))]
		}
		return string(v)
	}
	var secrets []mask.Secret
	for i := range 500 {
		secrets = append(secrets, mask.Secret{Name: fmt.Sprint(i), Value: random(16 + r.IntN(33))})
	}
	var code, tokens strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&code, "\tif value, ok := config.Lookup(%q); ok && value != \"\" { // line %d of %d\n\t\treturn fmt.Errorf(\"key %%d\", %d)\n\t}\n", random(6), i, r.IntN(500), r.IntN(9999))
		tokens.WriteString(random(100) + "\n")
	}
	m := mask.NewToFind(secrets, 8)
	for name, text := range map[string]string{"code": code.String(), "letters": tokens.String()} {
		b.Run(name, func(b *testing.B) {
			s := &Scanner{Matcher: m, Found: func(Finding) { b.Error("found") }}
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if found, err := s.scan(b.Context(), "text", strings.NewReader(text)); err != nil || len(found) > 0 {
					b.Fatal(found, err)
				}
			}
		})
	}
}
