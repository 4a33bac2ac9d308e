package cmd_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// person sits at a terminal in front of one run of the program.
type person struct {
	*testing.T
	hands, tty *os.File
	program    *exec.Cmd
	screen     strings.Builder
	read       int // how much of the screen was looked at
}

// sit starts a run of the program at a terminal of its own. It works on the local backend.
func sit(t *testing.T, b *bench, line string) *person {
	t.Helper()
	return sitAt(t, b.command(line))
}

// sitAt starts a program at a terminal of its own.
func sitAt(t *testing.T, program *exec.Cmd) *person {
	t.Helper()
	p := openTerminal(t)
	p.program = program
	p.program.Stdin, p.program.Stdout, p.program.Stderr = p.tty, p.tty, p.tty
	p.program.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := p.program.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// openTerminal returns a person without a program.
func openTerminal(t *testing.T) *person {
	t.Helper()
	hands, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("this system gives no terminal:", err)
	}
	t.Cleanup(func() { _ = hands.Close() })
	n, err := unix.IoctlGetInt(int(hands.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(hands.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tty.Close() })
	return &person{T: t, hands: hands, tty: tty}
}

// sees waits for a text on the screen, behind what was seen before.
func (p *person) sees(text string) {
	p.Helper()
	for b := make([]byte, 1); !strings.Contains(p.screen.String()[p.read:], text); {
		if _, err := p.hands.Read(b); err != nil {
			p.Fatalf("waiting for %q: %v; the screen shows:\n%s", text, err, p.screen.String())
		}
		p.screen.Write(b)
	}
	p.read = p.screen.Len()
}

func (p *person) types(keys string) {
	p.Helper()
	if _, err := io.WriteString(p.hands, keys); err != nil {
		p.Fatal(err)
	}
}

// leaves waits for the end of the program and returns its exit code and all of the screen.
func (p *person) leaves() (int, string) {
	p.Helper()
	_ = p.tty.Close()
	_, _ = io.Copy(&p.screen, p.hands) // ends with an error when the last who has the terminal goes
	err := p.program.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.Fatal(err)
	}
	return exitCode(exit), p.screen.String()
}

func (p *person) echoes() bool {
	p.Helper()
	state, err := unix.IoctlGetTermios(int(p.tty.Fd()), unix.TCGETS)
	if err != nil {
		p.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

func newDesk(t *testing.T) *bench {
	t.Helper()
	b := newBench(t, s3test.Options{})
	b.env = append(b.env, "COFFER_BACKEND=local", "COFFER_KMS_KEY_ALIAS=", "TERM=xterm")
	return b
}

func TestWriteAsksWithoutEcho(t *testing.T) {
	b := newDesk(t)
	p := sit(t, b, "write api db_url")
	p.sees("Value of api/db_url: ")
	p.types(canary + "\n")
	if exit, screen := p.leaves(); exit != 0 || strings.Contains(screen, canary) || !strings.Contains(screen, "api/db_url: version 1") {
		t.Errorf("exit code %d, screen:\n%s", exit, screen)
	}
	if got := b.run("read api db_url -n", ""); got.stdout != canary {
		t.Errorf("another value is stored than was typed: %+v", got)
	}
}

func TestCtrlCAtThePromptWritesNothing(t *testing.T) {
	b := newDesk(t)
	p := sit(t, b, "write api db_url")
	p.sees("Value of api/db_url: ")
	if p.echoes() {
		t.Error("the echo is on")
	}
	p.types(canary + "\x03")
	if err := p.program.Wait(); p.program.ProcessState.ExitCode() != 130 {
		t.Errorf("the program ended with %v, want exit code 130", err)
	}
	if !p.echoes() {
		t.Error("the echo is still off")
	}
	if got := b.run("read api db_url", ""); got.exit != 3 {
		t.Errorf("%+v", got)
	}
}

func TestAValueInTheArgumentsIsFrownedUpon(t *testing.T) {
	p := sit(t, newDesk(t), "write api db_url "+canary)
	exit, screen := p.leaves()
	if exit != 0 || !strings.Contains(screen, "other users can see a value on the command line") || strings.Contains(screen, canary) {
		t.Errorf("exit code %d, screen:\n%s", exit, screen)
	}
}

func TestDeletingAServiceAsksFirst(t *testing.T) {
	b := newDesk(t)
	b.do("write api a -", canary)
	b.do("write api b -", canary)
	for keys, want := range map[string]int{"\n": 1, "n\n": 1, "\x04": 1, "\x03": 130} {
		p := sit(t, b, "delete api --service")
		p.sees("will delete api/a")
		p.sees("will delete api/b")
		p.sees("Delete these 2 secrets with all their versions? [y/N] ")
		p.types(keys)
		if exit, screen := p.leaves(); exit != want || strings.Contains(screen, ": deleted") {
			t.Errorf("%q: exit code %d, screen:\n%s", keys, exit, screen)
		}
	}
	p := sit(t, b, "delete api --service")
	p.sees("[y/N] ")
	p.types("y\n")
	if exit, screen := p.leaves(); exit != 0 || !strings.Contains(screen, "api/b: deleted") {
		t.Errorf("exit code %d, screen:\n%s", exit, screen)
	}
	if got := b.run("services", ""); got.stdout != "Service\n" {
		t.Errorf("%+v", got)
	}
}

func TestAPurgeAsksFirst(t *testing.T) {
	b := newBench(t, s3test.Options{})
	b.bucket.KeepVersions(true)
	team(b)
	for _, answer := range []string{"n\n", "\x04"} {
		p := sit(t, b, "delete team db_url --purge -q")
		p.sees("will remove team/db_url.json: the current state")
		p.sees("Permanently delete these objects of 1 secret? [y/N] ")
		p.types(answer)
		if exit, screen := p.leaves(); exit != 1 || !strings.Contains(screen, "nothing was deleted") {
			t.Errorf("%q: exit code %d, screen:\n%s", answer, exit, screen)
		}
	}
	p := sit(t, b, "delete team db_url --purge")
	p.sees("[y/N] ")
	p.types("y\n")
	if exit, screen := p.leaves(); exit != 0 || !strings.Contains(screen, "permanently deleted") {
		t.Errorf("exit code %d, screen:\n%s", exit, screen)
	}
	b.wantNoVersionTells(canary + " of app")
}

func TestATerminalIsShownNothingThatItObeys(t *testing.T) {
	b := newDesk(t)
	b.do("write api evil -", "a\x1b[2Jb\nc\u202e")
	for _, line := range []string{"read api evil", "read api evil -q", "read api evil -n", "read api evil --json", "list api --expand", "list api -e --json"} {
		exit, screen := sit(t, b, line+" --no-color").leaves()
		if exit != 0 || strings.ContainsAny(screen, "\x1b\u202e") {
			t.Errorf("%s: exit code %d, screen %q", line, exit, screen)
		}
	}
}

func TestTimesAreRelativeAtATerminal(t *testing.T) {
	b := newDesk(t)
	b.do("write api a -", canary)
	for _, line := range []string{"list api", "read api a", "history api a"} {
		exit, screen := sit(t, b, line).leaves()
		if exit != 0 || !strings.Contains(screen, " ago") && !strings.Contains(screen, "just now") || !strings.Contains(screen, "\x1b[1m") {
			t.Errorf("%s: exit code %d, screen:\n%s", line, exit, screen)
		}
	}
	b.env = append(b.env, "NO_COLOR=1")
	if _, screen := sit(t, b, "list api").leaves(); strings.Contains(screen, "\x1b") {
		t.Errorf("NO_COLOR, and still %q", screen)
	}
}

func TestExecHandsTheTerminalOver(t *testing.T) {
	b := newDesk(t)
	b.do("write api a -", canary)
	p := sit(t, b, "exec api -- cat")
	p.types("hello\n")
	p.sees("hello\r\nhello\r\n") // the echo's, and cat's
	p.types("\x03")
	if exit, screen := p.leaves(); exit != 130 {
		t.Errorf("exit code %d, screen:\n%s", exit, screen)
	}
}
