package term

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const canary = "canary-7f3a"

// childMode tells the test's own program, started once more with a terminal of its own,
// what to ask there.
const childMode = "TERM_TEST_MODE"

func TestMain(m *testing.M) {
	if os.Getenv(childMode) != "" {
		os.Exit(askForASecret())
	}
	os.Exit(m.Run())
}

// askForASecret asks at the controlling terminal and tells the length of the answer.
func askForASecret() int {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	secret, err := Terminal{tty, tty, "xterm"}.Secret("Secret: ")
	if errors.Is(err, ErrInterrupted) {
		return 130
	}
	fmt.Println(len(secret), err)
	return 0
}

// pty is a terminal: a program has the tty, a person the keyboard and the screen.
type pty struct {
	t      *testing.T
	person *os.File
	tty    *os.File
}

func newPTY(t *testing.T) *pty {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("this system gives no terminal:", err)
	}
	t.Cleanup(func() { _ = person.Close() })
	fd := int(person.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tty.Close() })
	return &pty{t, person, tty}
}

// sees reads from the screen until text is there, and returns everything up to it.
func (p *pty) sees(text string) string {
	p.t.Helper()
	var seen bytes.Buffer
	for b := make([]byte, 256); !strings.HasSuffix(seen.String(), text); {
		n, err := p.person.Read(b[:1])
		if err != nil {
			p.t.Fatalf("after %q: %v", seen.String(), err)
		}
		seen.Write(b[:n])
	}
	return seen.String()
}

func (p *pty) types(keys string) {
	p.t.Helper()
	if _, err := io.WriteString(p.person, keys); err != nil {
		p.t.Fatal(err)
	}
}

// state is the terminal's state as a text, to be compared.
func (p *pty) state() string {
	p.t.Helper()
	state, err := unix.IoctlGetTermios(int(p.tty.Fd()), unix.TCGETS)
	if err != nil {
		p.t.Fatal(err)
	}
	return fmt.Sprintf("echo %v %+v", state.Lflag&unix.ECHO != 0, *state)
}

type answer struct {
	line string
	err  error
}

func (p *pty) password() <-chan answer {
	answers := make(chan answer, 1)
	go func() {
		line, err := Terminal{p.tty, p.tty, "xterm"}.Secret("Secret: ")
		answers <- answer{line, err}
	}()
	return answers
}

func TestATerminalIsOne(t *testing.T) {
	p := newPTY(t)
	if !IsTerminal(p.tty) || IsTerminal(struct{}{}) {
		t.Error("the terminal is not told from the rest")
	}
}

func TestPasswordIsReadWithoutEcho(t *testing.T) {
	p := newPTY(t)
	before := p.state()
	answers := p.password()
	p.sees("Secret: ")
	if !strings.HasPrefix(p.state(), "echo false") {
		t.Error("the prompt is there before the echo is off")
	}
	p.types(" " + canary + "x\x7f é \n") // with a correction
	if got := <-answers; got.err != nil || got.line != " "+canary+" é " {
		t.Errorf("%q, %v", got.line, got.err)
	}
	if seen := p.sees("\n"); strings.Contains(seen, canary) {
		t.Errorf("the screen shows %q", seen)
	}
	if p.state() != before {
		t.Error("the terminal is not as it was")
	}
}

// The rest of a paste is read here, as what reads next would take it for its own input.
func TestSeveralLinesAreNoPassword(t *testing.T) {
	const pem = "-----BEGIN-----\n" + canary + "\n-----END-----"
	for name, keys := range map[string]string{
		"plain":                        pem + "\n",
		"plain, the last line open":    pem,
		"bracketed":                    "\x1b[200~" + pem + "\n\x1b[201~",
		"bracketed, no newline at end": "\x1b[200~" + pem + "\x1b[201~",
		"with carriage returns":        "\x1b[200~" + strings.ReplaceAll(pem, "\n", "\r") + "\r\x1b[201~\r",
		"an empty line first":          "\n" + canary + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			p := newPTY(t)
			before := p.state()
			answers := p.password()
			p.sees("Secret: ")
			p.types(keys)
			if got := <-answers; !errors.Is(got.err, ErrSeveralLines) || got.line != "" {
				t.Errorf("%+v", got)
			}
			if n, err := unix.IoctlGetInt(int(p.tty.Fd()), unix.TIOCINQ); err != nil || n != 0 {
				t.Errorf("%d bytes are left for the next reader: %v", n, err)
			}
			if p.state() != before {
				t.Error("the terminal is not as it was")
			}
		})
	}
}

func TestAPasteOfOneLineIsAPassword(t *testing.T) {
	for keys, want := range map[string]string{
		"\x1b[200~" + canary + "\x1b[201~\n":           canary,
		"\x1b[200~" + canary + "\n\x1b[201~":           canary, // nobody presses Enter
		"\x1b[200~" + canary + "\r\n\x1b[201~\r":       canary,
		canary + "\n\n":                                canary,
		"a\x1b[200~b\x1b[201~c\x1b[200~d\x1b[201~e\n":  "abcde",
		"\x1b[200~tab\there \x1b[1mand\x7f\x1b[201~\n": "tab\there \x1b[1mand\x7f", // a paste is text
	} {
		p := newPTY(t)
		answers := p.password()
		p.sees("Secret: ")
		p.types(keys)
		if got := <-answers; got.err != nil || got.line != want {
			t.Errorf("%q: %+v", keys, got)
		}
		if seen := p.sees("\n"); strings.Contains(seen, canary) || !strings.Contains(seen, "\x1b[?2004l") {
			t.Errorf("%q: the screen shows %q", keys, seen)
		}
	}
}

func TestKeysEditTheLine(t *testing.T) {
	for keys, want := range map[string]string{
		"abé\x7f\x7fc\n":         "ac",
		"wrong\x15right\n":       "right",
		"two words\x17\x7f\n":    "two",
		"\x1b[A\x1bOPab\x1b[D\n": "ab", // arrows and F1
		"\x1bx\x1b[1;5Cy\n":      "y",  // Alt-x, Ctrl-Right
		"a\x01\x16b\n":           "ab",
	} {
		p := newPTY(t)
		answers := p.password()
		p.sees("Secret: ")
		p.types(keys)
		if got := <-answers; got.err != nil || got.line != want {
			t.Errorf("%q: %+v", keys, got)
		}
		p.sees("\n")
	}
}

// Outside raw mode a terminal cuts off a line after 4,095 bytes (termios(3)), and says nothing.
func TestALongLineIsWhole(t *testing.T) {
	for _, length := range []int{4095, 4096, 70_000} {
		p := newPTY(t)
		answers := p.password()
		p.sees("Secret: ")
		p.types(strings.Repeat("x", length) + "\n")
		if got := <-answers; got.err != nil || len(got.line) != length {
			t.Errorf("%d bytes: %d, %v", length, len(got.line), got.err)
		}
	}
}

func TestADumbTerminalGetsNoControlSequence(t *testing.T) {
	for _, kind := range []string{"", "dumb"} {
		p := newPTY(t)
		done := make(chan error, 1)
		go func() {
			_, err := Terminal{p.tty, p.tty, kind}.Secret("Secret: ")
			done <- err
		}()
		seen := p.sees("Secret: ")
		p.types("x\n")
		if err := <-done; err != nil || strings.Contains(seen+p.sees("\n"), "\x1b") {
			t.Errorf("TERM=%s: %v, %q", kind, err, seen)
		}
	}
}

func TestTheEndOfInputIsNoPassword(t *testing.T) {
	p := newPTY(t)
	before := p.state()
	answers := p.password()
	p.sees("Secret: ")
	p.types("\x04")
	if got := <-answers; !errors.Is(got.err, io.EOF) || got.line != "" {
		t.Errorf("%+v", got)
	}
	if p.state() != before {
		t.Error("the terminal is not as it was")
	}
}

func TestAnInterruptPutsTheEchoBack(t *testing.T) {
	for name, interrupt := range map[string]func(*pty, *exec.Cmd) error{
		"Ctrl-C":  func(p *pty, _ *exec.Cmd) error { p.types("hal\x03"); return nil },
		"SIGTERM": func(_ *pty, c *exec.Cmd) error { return c.Process.Signal(syscall.SIGTERM) },
		"SIGHUP":  func(_ *pty, c *exec.Cmd) error { return c.Process.Signal(syscall.SIGHUP) },
	} {
		t.Run(name, func(t *testing.T) {
			if name == "SIGHUP" && signal.Ignored(syscall.SIGHUP) {
				t.Skip("SIGHUP is ignored, as below nohup, and a child inherits that")
			}
			p := newPTY(t)
			before := p.state()
			child := exec.Command(os.Args[0])
			child.Env = append(os.Environ(), childMode+"=1")
			child.Stdin = p.tty
			child.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
			if err := child.Start(); err != nil {
				t.Fatal(err)
			}
			p.sees("Secret: ")
			if !strings.HasPrefix(p.state(), "echo false") {
				t.Error("the echo is on")
			}
			if err := interrupt(p, child); err != nil {
				t.Fatal(err)
			}
			if err := child.Wait(); child.ProcessState.ExitCode() != 130 {
				t.Errorf("the program ended with %v", err)
			}
			if p.state() != before {
				t.Error("the terminal is not as it was")
			}
		})
	}
}

func TestPasswordAsksAtTheControllingTerminal(t *testing.T) {
	p := newPTY(t)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childMode+"=1")
	var out bytes.Buffer
	child.Stdout = &out
	child.ExtraFiles = []*os.File{p.tty} // standard input is /dev/null
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	p.sees("Secret: ")
	p.types(canary + "\n")
	if err := child.Wait(); err != nil || out.String() != fmt.Sprintln(len(canary), nil) {
		t.Errorf("%v, %q", err, out.String())
	}
}

func TestConfirmTakesYesAndNothingElse(t *testing.T) {
	p := newPTY(t)
	for keys, want := range map[string]bool{
		"y\n": true, "Y\n": true, "yes\n": true, " Yes \n": true, "nop\x7f\x7f\x7fy\n": true,
		"\n": false, "n\n": false, "yep\n": false, "ja\n": false, "\x04": false,
	} {
		type result struct {
			yes bool
			err error
		}
		results := make(chan result, 1)
		go func() {
			yes, err := Terminal{p.tty, p.tty, "xterm"}.Confirm("Delete 3 secrets?")
			results <- result{yes, err}
		}()
		p.sees("Delete 3 secrets? [y/N] ")
		p.types(keys)
		if got := <-results; got.err != nil || got.yes != want {
			t.Errorf("%q: %+v", keys, got)
		}
		p.sees("\n")
	}
}
