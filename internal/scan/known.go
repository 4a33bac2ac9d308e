package scan

import (
	"context"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// inIndex asks git for a path, the last argument, in the index.
var inIndex = []string{"ls-files", "--cached", "--"}

// known returns those of the paths that exist: in the work tree, or because git answers one of the questions, each of
// which takes a path as its last argument. It reports the others to [Scanner.Failed], because git takes a path that
// doesn't exist for one that has nothing new. commits names where the questions look besides the index.
func (s *Scanner) known(ctx context.Context, paths []string, commits string, questions ...[]string) ([]string, error) {
	inside, err := s.git(ctx, "", "rev-parse", "--is-inside-work-tree") // the files beside a bare repository are not its paths
	if err != nil {
		return nil, err
	}
	workTree := strings.TrimSpace(string(inside)) == "true"
	missing := &failure{"not in " + commits, fs.ErrNotExist}
	if workTree {
		missing.text = "not in the work tree, the index or " + commits
	}
	var known []string
	for _, path := range paths {
		if _, err := os.Lstat(path); err == nil && workTree {
			known = append(known, path)
			continue
		}
		switch found, err := s.answers(ctx, path, questions); {
		case err != nil:
			return nil, err
		case found:
			known = append(known, path)
		default:
			s.fail(path, missing)
		}
	}
	return known, nil
}

// answers reports whether git knows a path by one of the questions.
func (s *Scanner) answers(ctx context.Context, path string, questions [][]string) (bool, error) {
	for _, question := range questions {
		out, err := s.git(ctx, "", append(slices.Clone(question), path)...)
		if err != nil || len(out) > 0 {
			return err == nil, err
		}
	}
	return false, nil
}

// inCommits returns the questions for a path in the commits of a range, and in the trees at its ends: a range may
// have nothing of a file that exists.
func (s *Scanner) inCommits(ctx context.Context, revisions []string) ([][]string, error) {
	questions := [][]string{inIndex, append(append([]string{"rev-list", "-1", "--full-history"}, afterOptions(revisions)...), "--")}
	named := slices.DeleteFunc(slices.Clone(revisions), func(r string) bool { return r == everyRef }) // the whole history answers for it
	ends, err := s.git(ctx, "", append([]string{"rev-parse", "--revs-only"}, afterOptions(named)...)...)
	for _, end := range strings.Fields(string(ends)) {
		if end[0] != '^' {
			questions = append(questions, []string{"ls-tree", end, "--"})
		}
	}
	return questions, err
}

// afterOptions returns arguments of git that are revisions, whatever they begin with, and [everyRef].
func afterOptions(revisions []string) []string {
	args := []string{"--end-of-options"}
	if slices.Contains(revisions, everyRef) {
		args = []string{everyRef, "--end-of-options"}
	}
	return append(args, slices.DeleteFunc(slices.Clone(revisions), func(r string) bool { return r == everyRef })...)
}
