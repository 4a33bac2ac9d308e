// Compare runs commands with two builds of coffer in turn and prints the quotients of their times: those of this
// tree, and those of another commit.
//
//	go run ./internal/testing/compare [-pairs 20] [-rtt 0s,20ms] [-n 10,100,1000] [-svg FILE] COMMIT
//
// Each pair is two whole processes on the same storage, one after the other, in an order that changes from pair to
// pair. A quotient is that of one pair, so that what makes the machine slow makes both slow; the median is printed
// with the quartiles. Requests and depth are counted by package wire. The times are of one machine; the quotients
// are what can be compared.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// plan is what to compare.
type plan struct {
	commit string
	pairs  int
	rtts   []time.Duration
	sizes  []int
	svg    string // "": no drawing
}

func main() {
	p, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err == nil {
		err = p.run(context.Background(), os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func parse(args []string, stderr io.Writer) (plan, error) {
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	flags.SetOutput(stderr)
	pairs := flags.Int("pairs", 20, "pairs of processes for each row")
	rtts := flags.String("rtt", "0s,20ms", "round-trip times that are added to each request")
	sizes := flags.String("n", "10,100,1000", "secrets in the service")
	svg := flags.String("svg", "", "file for a drawing of the times over n")
	if err := flags.Parse(args); err != nil {
		return plan{}, err
	}
	if flags.NArg() != 1 {
		return plan{}, errors.New("want one commit to compare with: compare COMMIT")
	}
	p := plan{commit: flags.Arg(0), pairs: *pairs, svg: *svg}
	if p.pairs < 4 {
		return plan{}, fmt.Errorf("-pairs %d: quartiles need at least 4", p.pairs)
	}
	for text := range strings.SplitSeq(*rtts, ",") {
		rtt, err := time.ParseDuration(text)
		if err != nil || rtt < 0 {
			return plan{}, fmt.Errorf("-rtt %q is not a time such as 20ms", text)
		}
		p.rtts = append(p.rtts, rtt)
	}
	for text := range strings.SplitSeq(*sizes, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return plan{}, fmt.Errorf("-n %q is not a number of secrets", text)
		}
		p.sizes = append(p.sizes, n)
	}
	return p, nil
}

func (p plan) run(ctx context.Context, out io.Writer) error {
	dir, err := os.MkdirTemp("", "coffer-compare-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	builds := [2]build{{name: "base"}, {name: "now"}}
	for i := range builds {
		if err := builds[i].make(ctx, dir, map[string]string{"base": p.commit}[builds[i].name]); err != nil {
			return err
		}
	}
	var rows []row
	for _, on := range storages(p.rtts) {
		for _, n := range p.sizes {
			found, err := compareOn(ctx, dir, builds, on, n, p.pairs)
			if err != nil {
				return err
			}
			rows = append(rows, found...)
		}
	}
	if err := printTable(out, p.commit, rows); err != nil || p.svg == "" {
		return err
	}
	return os.WriteFile(p.svg, draw(rows), 0o600)
}

// build is one build of the program, with a home of its own.
type build struct {
	name, program, home string
}

// make builds a commit, or the tree in the working directory if commit is "".
func (b *build) make(ctx context.Context, dir, commit string) error {
	tree := "."
	if commit != "" {
		tree = filepath.Join(dir, "tree")
		if err := os.Mkdir(tree, 0o700); err != nil {
			return err
		}
		if err := extract(ctx, commit, tree); err != nil {
			return err
		}
	}
	linked := filepath.Join(dir, b.name+".linked")
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", linked, ".")
	c.Dir, c.Env = tree, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", b.name, err, out)
	}
	// A copy: a file as the linker wrote it starts up to a tenth slower or faster than its copy.
	bytes, err := os.ReadFile(linked)
	if err != nil {
		return err
	}
	b.program, b.home = filepath.Join(dir, b.name), filepath.Join(dir, b.name+".home")
	if err := os.Mkdir(b.home, 0o700); err != nil {
		return err
	}
	return os.WriteFile(b.program, bytes, 0o700) //nolint:gosec // it is run
}

// extract writes the files of a commit into a directory.
func extract(ctx context.Context, commit, into string) error {
	archive := exec.CommandContext(ctx, "git", "archive", commit)
	tar := exec.CommandContext(ctx, "tar", "-x", "-C", into)
	var complaint strings.Builder
	archive.Stderr, tar.Stderr = &complaint, &complaint
	pipe, err := archive.StdoutPipe()
	if err != nil {
		return err
	}
	tar.Stdin = pipe
	if err := errors.Join(tar.Start(), archive.Run(), tar.Wait()); err != nil {
		return fmt.Errorf("the files of commit %s: %w\n%s", commit, err, complaint.String())
	}
	return nil
}
