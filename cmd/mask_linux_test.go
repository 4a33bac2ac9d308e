package cmd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/internal/testing/need"
)

// newMaskBench has a secret, whose variable is K.
func newMaskBench(t *testing.T) *bench {
	t.Helper()
	b := newDesk(t)
	b.do("write api k -", canary+"-of-a-terminal")
	return b
}

// pidIn reads the number of a process from a file that the process has written.
func pidIn(t *testing.T, p *pane, file string) int {
	t.Helper()
	n := 0
	p.seesWhen("has a process in "+file, func(string) bool {
		text, _ := os.ReadFile(file)
		n, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		return n > 0
	})
	return n
}

// TestMaskKeepsTheTerminal drives vim: full screen, raw keys, a secret in what it draws, Ctrl-Z and fg,
// a window that changes its size, and the shell's terminal as it was at the end.
func TestMaskKeepsTheTerminal(t *testing.T) {
	need.Program(t, "vim", "apt-get install vim")
	t.Parallel()
	p := openPane(t, newMaskBench(t))
	p.starts("stty -g")
	before := strings.ReplaceAll(p.ends(0), "\n", "")
	p.starts("coffer exec --mask api -- vim -u NONE -N -n -i NONE")
	p.sees("VIM - Vi IMproved")
	p.types("ihello, vim", "Escape")
	p.types(":r !echo $K", "Enter")
	p.sees("hello, vim", "***")
	p.types(":set number", "Enter")
	p.sees("1 hello, vim", "2 ***")

	p.types("", "C-z")
	p.sees("]+  Stopped")
	p.types("jobs; stty -a | grep -o ' icanon'", "Enter")
	p.sees("\n icanon")
	p.types("fg", "Enter")
	p.seesWhen("shows vim alone", func(s string) bool { return strings.Contains(s, "1 hello, vim") && !strings.Contains(s, "ready>") })
	p.types("Gostill here", "Escape")
	p.sees("3 still here")

	p.do("resize-window", "-x", "100", "-y", "30")
	p.seesWhen("shows the new size", func(s string) bool {
		p.types(":echo &columns 'by' &lines", "Enter")
		return strings.Contains(s, "100 by 30")
	})
	p.types(":q!", "Enter")
	p.prompts("hidden in the output: api/k")
	p.starts("stty -g")
	if after := strings.ReplaceAll(p.ends(0), "\n", ""); after != before {
		t.Errorf("the terminal was\n%s\nand is\n%s", before, after)
	}
	if screen := p.screen(); strings.Contains(screen, canary) {
		t.Errorf("the screen shows\n%s", screen)
	}
}

// TestMaskTellsOfOutputThatIsLost: a full disk must not look like success, since the child may have ended
// before its output is written.
func TestMaskTellsOfOutputThatIsLost(t *testing.T) {
	t.Parallel()
	b := newMaskBench(t)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = full.Close() }()
	for line, want := range map[string]int{"exec --mask api -- echo x": 1, "exec --mask api -- sh " + b.file("echo $K; exit 3"): 3} {
		c := b.command(line)
		var said strings.Builder
		c.Stdout, c.Stderr = full, &said
		err := c.Run()
		if c.ProcessState.ExitCode() != want || !strings.Contains(said.String(), "was lost: write /dev/stdout: no space left on device") || strings.Contains(said.String(), canary) {
			t.Errorf("coffer %s: %v, %q", line, err, said.String())
		}
	}
}

// TestMaskWorksInAPipeline: a program in a pipeline takes the terminal only when it needs it, so that
// others can have it.
func TestMaskWorksInAPipeline(t *testing.T) {
	need.Program(t, "less", "apt-get install less")
	t.Parallel()
	b := newMaskBench(t)
	p := openPane(t, b)
	for _, line := range []string{
		"seq 500 | coffer exec --mask api -- less", // reads its keys from /dev/tty
		"coffer exec --mask api -- seq 500 | less", // another program has the terminal
		"coffer exec --mask api -- less " + b.file(numbers(500)),
	} {
		p.starts(line)
		p.seesWhen("shows the beginning", func(s string) bool { return strings.HasPrefix(s, "1\n2\n") })
		p.types("G")
		p.sees("\n500\n")
		p.types("?^250", "Enter")
		p.seesWhen("shows line 250", func(s string) bool { return strings.HasPrefix(s, "250\n251\n") })
		p.types("q")
		p.ends(0)
	}
	p.starts("coffer exec --mask api -- sh -c 'echo $K; echo err $K >&2' 2>&1 | cat")
	if screen := p.ends(0); !strings.Contains(screen, "\n***\nerr ***\n") {
		t.Errorf("the screen shows\n%s", screen)
	}
	p.starts("coffer exec --mask api -- sh -c '[ -t 1 ] || [ ! -t 2 ] || echo $K; echo err $K >&2' >out; cat out")
	if screen := p.ends(0); !strings.Contains(screen, "\nerr ***\n") || !strings.Contains(screen, "\n***\n") {
		t.Errorf("the screen shows\n%s", screen)
	}
}

// TestMaskKeepsJobControl: what stops the program stops the job, and what continues the job continues
// the program.
func TestMaskKeepsJobControl(t *testing.T) {
	t.Parallel()
	p := openPane(t, newMaskBench(t))
	file := filepath.Join(t.TempDir(), "pid")
	p.starts(fmt.Sprintf(`coffer exec --mask api -- sh -c 'echo $$ >%s; echo started; read line; echo got $line; exit 7'`, file))
	p.sees("\nstarted")
	pid := pidIn(t, p, file)

	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	p.sees("]+  Stopped")
	p.types("bg", "Enter") // it reads the terminal, and is stopped again
	p.seesWhen("tells the second stop", func(s string) bool {
		p.types("", "Enter") // at its prompt the shell tells
		return strings.Count(s, "[1]+  Stopped") == 2
	})
	p.resumes()
	p.types("a line", "Enter")
	p.prompts("got a line")
	p.starts("coffer exec --mask api -- sh -c 'exit 7'")
	p.ends(7)

	// No command that the shell starts: dash 0.5.12 forgets a Ctrl-C that comes between its vfork and the execve.
	p.starts("coffer exec --mask api -- sh -c 'echo started; read a'")
	p.sees("\nstarted")
	p.types("", "C-c")
	p.prompts("^C")
	// The terminal isn't raw while the program doesn't read it. It has no read: one that begins
	// just behind a signal goes on, as dash looks for signals before a read and after it.
	p.starts("coffer exec --mask api -- sh -c 'trap \"exit 3\" INT; echo started >&2; while :; do sleep 0.1; done' >out")
	p.sees("\nstarted")
	p.types("", "C-c")
	p.ends(3)

	// A kill of the process that has the terminal raw is one of the program, and the terminal isn't raw.
	p.starts("stty -g >a; coffer exec --mask api -- bash -c 'echo $PPID; kill -KILL $(ps -o ppid= $PPID)'; stty -g | cmp - a")
	p.ends(0)
}

// TestMaskIsStoppedAndContinuedItself: a stop that can't be caught.
func TestMaskIsStoppedAndContinuedItself(t *testing.T) {
	t.Parallel()
	p := openPane(t, newMaskBench(t))
	file := filepath.Join(t.TempDir(), "pid")
	p.types(fmt.Sprintf(`sh -c 'echo $$ >%s; exec coffer exec --mask api -- bash --norc --noprofile'`, file), "Enter")
	pid := pidIn(t, p, file)
	p.types("PS1='inner>'", "Enter")
	p.sees("\ninner>")
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	p.sees("]+  Stopped")
	p.resumes()
	p.types("echo $K | tr a-z A-Z | tr A-Z a-z", "Enter")
	p.sees("\n***\n")
	// A shell below it has job control of its own.
	p.types("bash -c 'echo asleep; exec sleep 100'", "Enter")
	p.sees("\nasleep\n")
	p.types("", "C-z")
	p.seesWhen("shows the inner stop", func(s string) bool { return strings.Count(s, "[1]+  Stopped") == 2 })
	p.types("fg", "Enter")
	p.seesWhen("shows the inner fg", func(s string) bool { return strings.Count(s, "exec sleep 100'\n") >= 3 })
	p.types("", "C-c")
	p.seesWhen("shows the inner prompt", func(s string) bool { return strings.HasSuffix(strings.TrimSpace(s), "inner>") })
	p.types("exit 5", "Enter")
	p.prompts("hidden in the output: api/k (1)")
}

// TestMaskWorksWithPrograms: prompts of programs that ask at the terminal.
func TestMaskWorksWithPrograms(t *testing.T) {
	t.Parallel()
	b := newMaskBench(t)
	t.Run("npm", func(t *testing.T) {
		need.Program(t, "npm", "apt-get install npm")
		p := openPane(t, b)
		p.types("cd $(mktemp -d); coffer exec --mask api -- npm init --offline", "Enter")
		p.sees("package name:")
		p.types("shop", "Enter")
		p.sees("version:")
		p.types("", "C-c")
		p.prompts("canceled")
	})
	t.Run("psql", func(t *testing.T) {
		need.Program(t, "psql", "apt-get install postgresql-client")
		p := openPane(t, b)
		p.types("coffer exec --mask api -- psql -W -h 127.0.0.1 -p 1", "Enter")
		p.sees("Password:") // without echo, from /dev/tty
		p.types("typed-password", "Enter")
		p.prompts("TCP/IP connections?")
		if screen := p.screen(); strings.Contains(screen, "typed-password") {
			t.Errorf("the screen shows\n%s", screen)
		}
	})
}

// TestMaskShowsAPromptAtOnce: a text without a line end, while the program waits.
func TestMaskShowsAPromptAtOnce(t *testing.T) {
	t.Parallel()
	b := newMaskBench(t)
	child := b.file(`printf 'c: '; read a; printf '%s' "${K%?????}"; printf "${K#"${K%?????}"}\n"; printf c; read a; printf "\ncan:"; read a; exit 9`)
	p := sit(t, b, "exec --mask api -- sh "+child)
	p.sees("c: ")
	p.types("x\n")
	p.sees("***\r\n")
	p.sees("c") // it could be the first letter of the secret
	p.types("x\n")
	p.sees("can:")
	p.types("x\n")
	if exit, screen := p.leaves(); exit != 9 || strings.Contains(screen, canary) || !strings.Contains(screen, "coffer: 1 secret hidden in the output: api/k (1)") {
		t.Errorf("exit code %d, screen %q", exit, screen)
	}
}

// TestMaskRestoresTheTerminalHoweverItEnds: also when it is killed, and then its program is, too.
func TestMaskRestoresTheTerminalHoweverItEnds(t *testing.T) {
	t.Parallel()
	b := newMaskBench(t)
	cooked := settingsOf(t, openTerminal(t))
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT, syscall.SIGKILL} {
		p := sit(t, b, "exec --mask api -- sh "+b.file("trap '' USR1; echo $$; read a"))
		settings := func() string { return settingsOf(t, p) }
		p.sees("\n")
		raw := settings()
		inner, err := strconv.Atoi(strings.TrimSpace(p.screen.String()))
		if err != nil || raw == cooked {
			t.Fatal(err, raw)
		}
		for _, each := range []syscall.Signal{syscall.SIGUSR1, s} {
			if err := p.program.Process.Signal(each); err != nil {
				t.Fatal(err)
			}
		}
		if exit, screen := p.leaves(); exit != 128+int(s) {
			t.Errorf("%v: exit code %d, screen %q", s, exit, screen)
		}
		for runs(inner) {
			if pace.Sleep(t.Context(), 10*time.Millisecond) != nil {
				t.Fatalf("%v: the program still runs", s)
			}
		}
		// When the leader of its session is killed, the system takes the terminal away.
		if after := settings(); after != cooked && s != syscall.SIGKILL {
			t.Errorf("%v: the terminal is %s, and was %s", s, after, cooked)
		}
	}
}

// settingsOf returns the settings of a terminal.
func settingsOf(t *testing.T, p *person) string {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(p.hands.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(*state)
}

func numbers(n int) (all string) {
	for i := range n {
		all += fmt.Sprintln(i + 1)
	}
	return all
}

// runs reports whether a process has not ended. One that nobody has waited for has.
func runs(pid int) bool {
	state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(state), ") Z ")
}
