package scan

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// ErrNoRepository is the error of a directory that is in no repository.
var ErrNoRepository = errors.New("not a git repository")

// Staged scans what the index has of files that differ from the last commit, as git commit would store it. paths
// limit it.
func (s *Scanner) Staged(ctx context.Context, paths []string) error {
	if _, err := s.git(ctx, "", "rev-parse", "--git-dir"); err != nil { // without a repository git diff compares files
		return err
	}
	h := &history{Scanner: s, scanned: map[string]bool{}}
	return h.run(ctx, append([]string{"diff", "--cached", "--raw", "-z", "--no-abbrev", "--no-renames", "--no-ext-diff", "--ignore-submodules", "--"}, paths...))
}

// History scans what the commits of a range have added: each content once, in the first commit that has it, and
// the messages. It reports what an older version of a file already had only with that. paths limit it.
func (s *Scanner) History(ctx context.Context, revisions, paths []string) error {
	args := []string{
		"-c", "log.showRoot=true", "log", "-z", "--raw", "-c", "--no-abbrev", "--no-renames", "--no-ext-diff", "--no-show-signature", "--no-color",
		"--no-notes", "--ignore-submodules", "--full-history", "--topo-order", "--reverse", "--format=%H",
	}
	if slices.Contains(revisions, everyRef) {
		args = append(args, everyRef)
	}
	args = append(args, "--end-of-options")
	args = append(args, slices.DeleteFunc(slices.Clone(revisions), func(r string) bool { return r == everyRef })...)
	shallow, err := s.git(ctx, "", "rev-parse", "--is-shallow-repository")
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(shallow)) == "true" {
		s.Notes = append(s.Notes, "this clone is shallow: older commits are missing and weren't scanned (git fetch --unshallow)")
	}
	h := &history{Scanner: s, scanned: map[string]bool{}, old: map[string]map[string]int{}}
	return h.run(ctx, append(append(args, "--"), paths...))
}

// everyRef is what git takes for all branches and tags.
const everyRef = "--all"

// listed returns the files below a directory that git doesn't ignore, relative to it.
func (s *Scanner) listed(ctx context.Context, dir string) ([]string, error) {
	out, err := s.git(ctx, dir, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate")
	if err != nil {
		return nil, err
	}
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == 0 }), nil
}

// git returns the output of git in a directory; "" for the one that git itself would use.
func (s *Scanner) git(ctx context.Context, dir string, args ...string) ([]byte, error) {
	c := s.command(ctx, dir, args...)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	return out, gitError(ctx, err, stderr.String())
}

// command returns a git that runs nothing that the repository configures and can do without.
func (s *Scanner) command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, "git", append([]string{"-c", "core.fsmonitor=false", "--no-pager", "--literal-pathspecs"}, args...)...)
	c.Dir = dir
	c.Env = slices.DeleteFunc(slices.Clone(s.Environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		// In a hook these name the repository that it belongs to.
		return dir != "" && slices.Contains([]string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY"}, name)
	})
	c.Env = append(c.Env, "LC_ALL=C", "GIT_OPTIONAL_LOCKS=0")
	return c
}

// gitError returns what git's failure means.
func gitError(ctx context.Context, err error, stderr string) error {
	reason, _, _ := strings.Cut(strings.TrimSpace(stderr), "\n")
	reason = strings.TrimPrefix(reason, "fatal: ")
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case strings.Contains(stderr, "not a git repository"):
		return ErrNoRepository
	case errors.As(err, &exit) && reason != "":
		return fmt.Errorf("git: %s", reason)
	}
	return fmt.Errorf("git can't be run: %w", err)
}

// history scans objects that git names.
type history struct {
	*Scanner
	in      io.Writer // of git cat-file
	out     *bufio.Reader
	old     map[string]map[string]int // object -> secret -> places; nil if older versions don't count
	scanned map[string]bool           // objects, and names of files that have a secret
}

// run scans the new versions of files in the output of a git command, which names commits and changes.
func (h *history) run(ctx context.Context, args []string) error {
	return h.pipe(ctx, args, func(_ io.Writer, changes io.Reader) error {
		return h.pipe(ctx, []string{"cat-file", "--batch"}, func(in io.Writer, out io.Reader) error {
			h.in, h.out = in, bufio.NewReaderSize(out, chunk)
			return h.follow(ctx, bufio.NewReader(changes))
		})
	})
}

// pipe runs git while do writes to it and reads from it. If do fails, git is killed.
func (s *Scanner) pipe(ctx context.Context, args []string, do func(in io.Writer, out io.Reader) error) error {
	running, stop := context.WithCancel(ctx)
	defer stop()
	c := s.command(running, "", args...)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	in, err := c.StdinPipe()
	if err != nil {
		return err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return gitError(ctx, err, "")
	}
	failed := do(in, out)
	if failed != nil {
		stop()
	}
	_ = in.Close()
	err = c.Wait()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case failed == nil || errors.Is(failed, io.EOF) && stderr.Len() > 0: // git ended first
		return gitError(ctx, err, stderr.String())
	}
	return failed
}

// follow reads the changes. With -z, each commit, each change and each path ends in a NUL.
func (h *history) follow(ctx context.Context, changes *bufio.Reader) error {
	commit := ""
	for {
		entry, err := changes.ReadString(0)
		if errors.Is(err, io.EOF) {
			return nil
		}
		entry = strings.Trim(entry, "\n\x00")
		switch {
		case err != nil:
			return err
		case entry == "":
		case entry[0] != ':':
			commit = entry
			err = h.message(ctx, commit)
		default:
			var path string
			if path, err = changes.ReadString(0); err == nil {
				err = h.change(ctx, commit, strings.TrimSuffix(path, "\x00"), entry)
			}
		}
		if err != nil {
			return err
		}
	}
}

// change scans the new version of a file. A merge has several old ones.
func (h *history) change(ctx context.Context, commit, path, entry string) error {
	parents := len(entry) - len(strings.TrimLeft(entry, ":"))
	fields := strings.Fields(entry[parents:])
	if len(fields) != 2*parents+3 {
		return fmt.Errorf("git: unexpected output %q", entry)
	}
	mode, object := fields[parents], fields[2*parents+1]
	if mode == "160000" || strings.Trim(mode, "0") == "" {
		return nil // another repository, or deleted
	}
	named, shown := h.inName(path)
	if len(named) > 0 && !h.scanned[path] {
		h.scanned[path] = true
		h.reportIn(commit, named)
	}
	if h.scanned[object] {
		return nil
	}
	before := map[string]int{}
	for i, old := range fields[parents+1 : 2*parents+1] {
		if h.old == nil || strings.Trim(old, "0") == "" || fields[i] == "160000" {
			continue
		}
		if !h.scanned[old] { // it is older than the range
			if _, err := h.object(ctx, shown, old); err != nil {
				return err
			}
		}
		for secret, n := range h.old[old] {
			before[secret] = max(before[secret], n)
		}
	}
	found, err := h.object(ctx, shown, object)
	h.reportIn(commit, added(found, before))
	return err
}

// reportIn reports findings of a commit; "" for the index.
func (h *history) reportIn(commit string, found []Finding) {
	for i := range found {
		found[i].Commit = commit
	}
	h.report(found)
}

// added returns the findings of secrets that have more places than before.
func added(found []Finding, before map[string]int) []Finding {
	after := count(found)
	return slices.DeleteFunc(slices.Clone(found), func(f Finding) bool { return after[f.Secrets[0]] <= before[f.Secrets[0]] })
}

func count(found []Finding) map[string]int {
	n := map[string]int{}
	for _, f := range found {
		n[f.Secrets[0]]++
	}
	return n
}

// message scans the message of a commit.
func (h *history) message(ctx context.Context, commit string) error {
	found, err := h.object(ctx, CommitMessage, commit)
	h.reportIn(commit, found)
	return err
}

// object scans an object of the repository: a file, or the message of a commit.
func (h *history) object(ctx context.Context, name, id string) ([]Finding, error) {
	h.scanned[id] = true
	if _, err := io.WriteString(h.in, id+"\n"); err != nil {
		return nil, fmt.Errorf("git cat-file: %w", err)
	}
	header, err := h.out.ReadString('\n') // ID TYPE SIZE, or ID missing
	if err != nil {
		return nil, fmt.Errorf("git cat-file: %w", err)
	}
	fields := strings.Fields(header)
	if len(fields) != 3 {
		h.fail(name, fmt.Errorf("git has no object %s", id))
		return nil, nil
	}
	size, err := strconv.ParseInt(fields[2], 10, 64)
	for kind, line := fields[1], ""; err == nil && kind == "commit" && line != "\n"; size -= int64(len(line)) {
		line, err = h.out.ReadString('\n') // its header ends in an empty line
	}
	if err != nil {
		return nil, fmt.Errorf("git cat-file: %w", err)
	}
	found, err := h.scan(ctx, name, io.LimitReader(h.out, size))
	if err == nil {
		_, err = h.out.Discard(1) // the line end after it
	}
	if h.old != nil && len(found) > 0 {
		h.old[id] = count(found)
	}
	return found, err
}
