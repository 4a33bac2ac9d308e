// Package term talks with a person at a terminal: is there one, what is the secret, may it
// go on.
package term

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/term"
)

// The errors of [Password] and [Confirm]; test with errors.Is.
var (
	ErrNoTerminal  = errors.New("standard input is not a terminal")
	ErrInterrupted = errors.New("interrupted")
	ErrTooLong     = errors.New("the line is too long for a terminal, which may have cut it off")
)

// IsTerminal reports whether a stream is a terminal: an [*os.File], or whatever has its Fd
// method. Anything else is none.
func IsTerminal(stream any) bool {
	f, ok := stream.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd()))
}

// Password writes the prompt to out and reads one line from the terminal in, without echo
// and without its line end. While it waits, SIGINT, SIGTERM and SIGHUP put the echo back and
// end it with [ErrInterrupted]. [ErrNoTerminal] when in is none, [ErrTooLong] for a line as
// long as the terminal passes at all, [io.EOF] when there was none.
//
// To ask although standard input is not the terminal, hand in /dev/tty, opened for both.
func Password(in, out *os.File, prompt string) (line string, err error) {
	if !IsTerminal(in) {
		return "", ErrNoTerminal
	}
	// First the echo, then the prompt: whoever sees it may type.
	showInput, err := hideInput(int(in.Fd()))
	if err != nil {
		return "", fmt.Errorf("turn off the terminal's echo: %w", err)
	}
	line, err = ask(in, out, prompt)
	err = errors.Join(err, showInput())
	_, _ = fmt.Fprintln(out) // the line end that was not echoed
	switch {
	case err != nil:
		return "", err
	case len(line) >= longestLine():
		return "", ErrTooLong
	}
	return line, nil
}

// Confirm writes the prompt and " [y/N] " to out and reads one line from the terminal in;
// only "y" and "yes", in any case, mean yes. Errors are those of [Password], but the end of
// input is a no.
func Confirm(in, out *os.File, prompt string) (bool, error) {
	if !IsTerminal(in) {
		return false, ErrNoTerminal
	}
	line, err := ask(in, out, prompt+" [y/N] ")
	switch {
	case errors.Is(err, io.EOF):
		_, _ = fmt.Fprintln(out)
		return false, nil
	case err != nil:
		_, _ = fmt.Fprintln(out)
		return false, err
	}
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes", nil
}

// ask writes the prompt and waits for a line or for a signal. After a signal the reading
// goroutine stays behind, as nothing ends a read from a terminal: the program is to end then.
func ask(in, out *os.File, prompt string) (string, error) {
	signals := make(chan os.Signal, 1)
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	defer signal.Stop(signals)

	type answer struct {
		line string
		err  error
	}
	answers := make(chan answer, 1)
	if _, err := io.WriteString(out, prompt); err != nil {
		return "", fmt.Errorf("write the prompt: %w", err)
	}
	go func() {
		line, err := readLine(in)
		answers <- answer{line, err}
	}()
	select {
	case a := <-answers:
		return a.line, a.err
	case <-signals:
		return "", ErrInterrupted
	}
}

// readLine reads up to a line end and not a byte further: what follows is for the next
// reader. A last line may lack its end; io.EOF when there is nothing at all.
func readLine(in io.Reader) (string, error) {
	var line []byte
	for b := make([]byte, 1); ; {
		n, err := in.Read(b)
		switch {
		case n == 1 && b[0] == '\n', n == 0 && errors.Is(err, io.EOF) && len(line) > 0:
			return strings.TrimSuffix(string(line), "\r"), nil
		case n == 1:
			line = append(line, b[0])
		case err != nil:
			return "", err
		}
	}
}

// longestLine returns how many bytes a terminal passes in one line, in the mode in which
// it lets a person correct the line; more is dropped in silence. Linux: termios(3),
// canonical mode, 4096 with the line end; macOS and the BSDs: MAX_CANON.
func longestLine() int {
	switch runtime.GOOS {
	case "linux":
		return 4095
	case "darwin":
		return 1023
	case "windows":
		return 32767
	}
	return 254
}
