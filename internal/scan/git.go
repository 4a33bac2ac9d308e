package scan

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// Errors of git.
var (
	ErrNoRepository = errors.New("not a git repository")
	ErrNoGit        = errors.New("git can't be run")
	ErrRevision     = errors.New("git doesn't know the revision")
	ErrGit          = errors.New("git failed") // any other

	errLost = errors.New("git ended at an object that it can't read")
)

// Staged scans what the index has of files that differ from the last commit, as git commit would store it. paths
// limit it; one that doesn't exist is reported to [Scanner.Failed].
func (s *Scanner) Staged(ctx context.Context, paths []string) error {
	if _, err := s.git(ctx, "", "rev-parse", "--git-dir"); err != nil { // without a repository git diff compares files
		return err
	}
	if len(paths) > 0 {
		known, err := s.known(ctx, paths, "the last commit", inIndex, append(slices.Clone(staged), "--name-only", "--"))
		if paths = known; len(paths) == 0 {
			return err
		}
	}
	h := &history{Scanner: s, lost: map[string]string{}, reported: map[string]bool{}}
	return h.run(ctx, append(append(slices.Clone(staged), "--raw", "-z", "--no-abbrev", "--"), paths...))
}

// staged is the command that shows what git commit would store.
var staged = []string{"diff", "--cached", "--no-renames", "--no-ext-diff", "--no-relative", "--ignore-submodules"}

// History scans what the commits of a range have added: each content once, in the first commit that has it, and
// the messages. It reports what an older version of a file already had only with that. paths limit it; one that doesn't
// exist is reported to [Scanner.Failed].
func (s *Scanner) History(ctx context.Context, revisions, paths []string) error {
	args := []string{
		"-c", "log.showRoot=true", "log", "-z", "--raw", "-c", "--no-abbrev", "--no-renames", "--no-ext-diff", "--no-relative", "--no-show-signature", "--no-color",
		"--no-notes", "--ignore-submodules", "--full-history", "--topo-order", "--reverse", "--format=%H",
	}
	args = append(args, afterOptions(revisions)...)
	shallow, err := s.git(ctx, "", "rev-parse", "--is-shallow-repository")
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(shallow)) == "true" {
		s.Notes = append(s.Notes, "this clone is shallow: older commits are missing and weren't scanned (git fetch --unshallow)")
	}
	if len(paths) > 0 {
		questions, err := s.inCommits(ctx, revisions)
		if err != nil {
			return err
		}
		if paths, err = s.known(ctx, paths, "these commits", questions...); len(paths) == 0 {
			return err
		}
	}
	h := &history{Scanner: s, lost: map[string]string{}, reported: map[string]bool{}, places: map[string]map[string]int{}}
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
	return out, s.gitError(ctx, err, stderr.String())
}

// isIgnored reports whether git ignores a directory itself.
func (s *Scanner) isIgnored(ctx context.Context, dir string) bool {
	_, err := s.git(ctx, dir, "check-ignore", "-q", "--no-index", ".")
	return err == nil
}

// command returns a git that runs nothing that the repository configures and can do without, and that takes objects
// for what they are: not replaced, not with other parents, and not fetched.
func (s *Scanner) command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, "git", append([]string{"-c", "core.fsmonitor=false", "-c", "advice.graftFileDeprecated=false", "--no-pager"}, args...)...)
	c.Dir = dir
	c.Env = slices.DeleteFunc(slices.Clone(s.Environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		switch name {
		case "GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS": // git refuses these beside literal ones
			return true
		case "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY":
			return dir != "" // in a hook these name the repository that it belongs to
		}
		return false
	})
	literal := "1"
	if args[0] == "check-ignore" { // which refuses it
		literal = "0"
	}
	c.Env = append(c.Env, "LC_ALL=C", "GIT_OPTIONAL_LOCKS=0", "GIT_LITERAL_PATHSPECS="+literal,
		"GIT_NO_REPLACE_OBJECTS=1", "GIT_GRAFT_FILE="+os.DevNull,
		"GIT_NO_LAZY_FETCH=1", "GIT_ALLOW_PROTOCOL=") // the second for versions before 2.44
	return c
}

// gitError returns what git's failure means. git repeats what it was given, so the text may have a secret.
func (s *Scanner) gitError(ctx context.Context, err error, stderr string) error {
	if _, after, found := strings.Cut("\n"+stderr, "\nfatal: "); found { // after warnings
		stderr = after
	}
	reason, _, _ := strings.Cut(strings.TrimSpace(stderr), "\n")
	reason = s.Hide(strings.TrimPrefix(reason, "error: "))
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case strings.Contains(stderr, "not a git repository"):
		return ErrNoRepository
	case !errors.As(err, &exit):
		return &failure{"git can't be run: " + err.Error(), ErrNoGit}
	case isRevision(reason):
		return &failure{"git: " + reason, ErrRevision}
	case strings.HasPrefix(reason, "could not fetch "), strings.HasSuffix(reason, " is corrupt"):
		return &failure{"git: " + reason, errLost}
	case reason == "":
		reason = exit.Error()
	}
	return &failure{"git: " + reason, ErrGit}
}

// isRevision reports whether git complains about a revision, or about what it can't take for one.
func isRevision(reason string) bool {
	return slices.ContainsFunc([]string{"bad revision ", "ambiguous argument ", "bad object ", "Invalid revision range ", "unknown revision"}, func(text string) bool {
		return strings.HasPrefix(reason, text)
	})
}

// failure is an error with a text of its own.
type failure struct {
	text string
	of   error
}

func (f *failure) Error() string { return f.text }

func (f *failure) Unwrap() error { return f.of }

// history scans objects that git names.
type history struct {
	*Scanner
	in     io.Writer // of git cat-file
	out    *bufio.Reader
	asked  string            // the object that it was asked for last
	lost   map[string]string // objects that end it -> why
	commit string
	entry  [2]string // the commit or the change that isn't done yet, and the path of a change

	places   map[string]map[string]int // object -> secret -> how many places; nil if older versions don't count
	reported map[string]bool           // objects all of whose secrets are reported, and names of files that have a secret
}

// run scans the new versions of files in the output of a git command, which names commits and changes.
func (h *history) run(ctx context.Context, args []string) error {
	return h.pipe(ctx, args, func(_ io.Writer, out io.Reader) error {
		changes := bufio.NewReader(out)
		for {
			err := h.pipe(ctx, []string{"cat-file", "--batch"}, func(in io.Writer, out io.Reader) error {
				h.in, h.out = in, bufio.NewReaderSize(out, chunk)
				return h.follow(ctx, changes)
			})
			if !errors.Is(err, errLost) || h.lost[h.asked] != "" {
				return err
			}
			h.lost[h.asked] = err.Error() // git goes on with the next object only if it is started again
		}
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
		return s.gitError(ctx, err, "")
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
		return s.gitError(ctx, err, stderr.String())
	}
	return failed
}

// follow reads the changes. With -z, each commit, each change and each path ends in a NUL.
func (h *history) follow(ctx context.Context, changes *bufio.Reader) error {
	for {
		if h.entry[0] == "" {
			entry, err := changes.ReadString(0)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if entry = strings.Trim(entry, "\n\x00"); strings.HasPrefix(entry, ":") && err == nil {
				h.entry[1], err = changes.ReadString(0)
			}
			if err != nil {
				return err
			}
			h.entry[0] = entry
		}
		err := error(nil)
		switch entry := h.entry[0]; {
		case entry == "":
		case entry[0] != ':':
			h.commit = entry
			err = h.messageOf(ctx, h.commit)
		default:
			err = h.change(ctx, h.commit, strings.TrimSuffix(h.entry[1], "\x00"), entry)
		}
		if err != nil {
			return err
		}
		h.entry[0] = ""
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
	if len(named) > 0 && !h.reported[path] {
		h.reported[path] = true
		h.reportIn(commit, named)
	}
	if h.reported[object] {
		return nil
	}
	before := map[string]int{}
	for i, old := range fields[parents+1 : 2*parents+1] {
		if h.places == nil || strings.Trim(old, "0") == "" || fields[i] == "160000" {
			continue
		}
		if _, known := h.places[old]; !known { // it is older than the range
			if _, err := h.object(ctx, shown, old); err != nil {
				return err
			}
		}
		for secret, n := range h.places[old] {
			before[secret] = max(before[secret], n)
		}
	}
	found, err := h.object(ctx, shown, object)
	isNew := added(found, before)
	h.reportIn(commit, isNew)
	h.reported[object] = err == nil && len(isNew) == len(found) // the others may be deleted, and added again with the same content
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

// messageOf scans the message of a commit.
func (h *history) messageOf(ctx context.Context, commit string) error {
	found, err := h.object(ctx, CommitMessage, commit)
	h.reportIn(commit, found)
	return err
}

// object scans an object of the repository: a file, or the message of a commit.
func (h *history) object(ctx context.Context, name, id string) ([]Finding, error) {
	if why := h.lost[id]; why != "" {
		h.setPlaces(id, nil)
		h.fail(name, &failure{why, ErrGit})
		return nil, nil
	}
	h.asked = id
	if _, err := io.WriteString(h.in, id+"\n"); err != nil {
		return nil, fmt.Errorf("git cat-file: %w", err)
	}
	header, err := h.out.ReadString('\n') // ID TYPE SIZE, or ID missing
	if err != nil {
		return nil, fmt.Errorf("git cat-file: %w", err)
	}
	fields := strings.Fields(header)
	if len(fields) != 3 {
		h.setPlaces(id, nil)
		h.fail(name, &failure{"git has no object " + id, ErrGit})
		return nil, nil
	}
	size, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil {
		return nil, fmt.Errorf("git cat-file: %w", err)
	}
	content := &io.LimitedReader{R: h.out, N: size}
	body := io.Reader(content)
	if fields[1] == "commit" {
		body = message(content)
	}
	found, err := h.scan(ctx, name, body)
	if err == nil {
		_, err = h.out.Discard(1) // the line end after it
	}
	if err == nil {
		h.setPlaces(id, found)
	}
	return found, err
}

// setPlaces keeps what is in an object for its later versions.
func (h *history) setPlaces(id string, found []Finding) {
	switch {
	case h.places == nil:
	case len(found) == 0:
		h.places[id] = nil // but known
	default:
		h.places[id] = count(found)
	}
}

// message returns what follows the header of a commit: it ends in an empty line, or with the object.
func message(commit io.Reader) io.Reader {
	r := bufio.NewReader(commit)
	for {
		if line, err := r.ReadString('\n'); err != nil || line == "\n" {
			return r
		}
	}
}
