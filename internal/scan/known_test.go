package scan

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAPathThatIsNowhereIsReported: git takes it for one that has nothing new. One that is only in the index, in the
// history, or at the end of a range isn't nowhere.
func TestAPathThatIsNowhereIsReported(t *testing.T) {
	r := newRepository(t)
	s := secretsNumbered(2)
	r.write("old/a", s[0].Value, "kept", "kept", "dir/x", "x")
	first := r.commit("first")
	r.git("rm", "-q", "old/a")
	second := r.commit("second")
	r.write("dir/b", s[1].Value, "untracked", "x")
	r.git("add", "dir/b")
	r.git("rm", "-q", "--cached", "kept")
	r.git("clone", "-q", "--bare", ".", "bare.git")
	top, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	all := []string{"old", "old/a", "kept", "dir/", "dir/b", "untracked", "nosuch", "dir/*", "bare.git/HEAD", "."}
	outside, inTree, staged := " not in these commits", " not in the work tree, the index or these commits", " not in the work tree, the index or the last commit"
	for _, c := range []struct {
		dir       string
		revisions []string // none: the index
		missing   []string
		text      string
		found     []string
	}{
		{".", nil, []string{"old", "old/a", "nosuch", "dir/*"}, staged, []string{"dir/b:1 api/key01 (value)"}},
		{".", []string{"HEAD"}, []string{"nosuch", "dir/*"}, inTree, []string{first + ":old/a:1 api/key00 (value)"}},
		{".", []string{first + ".." + second}, []string{"nosuch", "dir/*"}, inTree, nil},
		{".", []string{second + ".." + second}, []string{"old", "old/a", "nosuch", "dir/*"}, inTree, nil},
		{"bare.git", []string{first + "..HEAD"}, []string{"dir/b", "untracked", "nosuch", "dir/*", "bare.git/HEAD"}, outside, nil},
		{"bare.git", []string{"--all"}, []string{"dir/b", "untracked", "nosuch", "dir/*", "bare.git/HEAD"}, outside, []string{first + ":old/a:1 api/key00 (value)"}},
	} {
		t.Chdir(filepath.Join(top, c.dir))
		got := newScanner(t, r.env, s...)
		scan := func(paths []string) error {
			if c.revisions == nil {
				return got.Staged(t.Context(), paths)
			}
			return got.History(t.Context(), c.revisions, paths)
		}
		var want []string
		for _, path := range c.missing {
			want = append(want, path+":"+c.text)
		}
		if err := scan(all); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
		if diff := cmp.Diff(want, got.failed); diff != "" {
			t.Errorf("%+v: %s", c, diff)
		}
		got.failed = nil
		got.wants(t, c.found...)

		if err := scan([]string{"nosuch"}); err != nil || len(got.failed) != 1 { // and not everything
			t.Errorf("%+v: %v, %v", c, err, got.failed)
		}
		got.failed = nil
		got.wants(t, c.found...)
	}
}
