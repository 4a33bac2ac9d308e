package cmd_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// blocking is a program that blocks signals, given by their numbers, and becomes what stands behind
// them: "blocking 10 12 -- COMMAND".
var blocking = func() {
	runtime.LockOSThread()
	at := slices.Index(os.Args, "--")
	var set unix.Sigset_t
	for _, arg := range os.Args[1:at] {
		n, err := strconv.Atoi(arg)
		if err != nil {
			os.Exit(1)
		}
		set.Val[0] |= 1 << (n - 1)
	}
	path, err := exec.LookPath(os.Args[at+1])
	if err == nil {
		err = unix.PthreadSigmask(unix.SIG_BLOCK, &set, nil)
	}
	if err == nil {
		err = syscall.Exec(path, os.Args[at+1:], os.Environ())
	}
	panic(err)
}

// TestExecKeepsWhatGoLeavesOfSignals compares what a program finds of signals with and without
// coffer before it. What Go's runtime takes over before any code of ours runs is in cli.md.
func TestExecKeepsWhatGoLeavesOfSignals(t *testing.T) {
	b, _ := newLocalBench(t)
	b.do("write api k -", canary)
	state := func(before string, args ...string) string {
		t.Helper()
		line := append(args, "grep", "-E", "^Sig(Ign|Blk)", "/proc/self/status")
		c := exec.CommandContext(t.Context(), "sh", append([]string{"-c", before + `exec "$@"`, "sh"}, line...)...)
		var stderr bytes.Buffer
		c.Env, c.Stderr = b.env, &stderr
		out, err := c.Output()
		if err != nil {
			t.Fatalf("%v: %s", err, &stderr)
		}
		return string(out)
	}
	signals := func(all ...syscall.Signal) []string {
		var numbers []string
		for _, s := range all {
			numbers = append(numbers, strconv.Itoa(int(s)))
		}
		return append(append([]string{"blocking"}, numbers...), "--")
	}
	blocked := signals(syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGPIPE, syscall.SIGALRM, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU,
		syscall.SIGCONT, syscall.SIGWINCH, syscall.SIGXCPU, syscall.SIGXFSZ, syscall.SIGVTALRM, syscall.SIGIO, syscall.SIGPWR)
	coffer := []string{"coffer", "exec", "api", "--"}
	for name, c := range map[string]struct {
		before string
		first  []string
	}{
		"nothing":                  {},
		"HUP and INT are ignored":  {before: `trap "" HUP INT; `},
		"INT is ignored":           {before: `trap "" INT; `},
		"fourteen are blocked":     {first: blocked},
		"blocked, and HUP ignored": {before: `trap "" HUP; `, first: blocked},
	} {
		without := state(c.before, append(slices.Clone(c.first), "env")...)
		with := state(c.before, append(slices.Clone(c.first), coffer...)...)
		if with != without {
			t.Errorf("%s: with coffer\n%swithout\n%s", name, with, without)
		}
	}
	mask := regexp.MustCompile(`SigBlk:\s*0*([0-9a-f]+)`).FindStringSubmatch(state("", append(slices.Clone(blocked), coffer...)...))
	if mask == nil || strings.Trim(mask[1], "0") == "" {
		t.Error(errors.New("nothing was blocked: the test shows nothing"))
	}
}
