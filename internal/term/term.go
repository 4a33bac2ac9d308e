// Package term asks a person at a terminal: for a secret without echo, or for a confirmation.
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

// IsTerminal reports whether a stream is a terminal. It is false for a stream without the method Fd
// of [*os.File].
func IsTerminal(stream any) bool {
	f, ok := stream.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd()))
}

// Password writes the prompt to out and reads one line from the terminal in, without echo. It returns
// the line without its line end. On SIGINT, SIGTERM or SIGHUP it restores the echo and returns
// [ErrInterrupted]. Other errors are [ErrNoTerminal] if in isn't a terminal, [ErrTooLong] for a line
// of the largest length that a terminal passes, and [io.EOF] if there is no line.
//
// If standard input isn't the terminal, pass /dev/tty as in and out.
func Password(in, out *os.File, prompt string) (line string, err error) {
	if !IsTerminal(in) {
		return "", ErrNoTerminal
	}
	// Before the prompt, as a person may type as soon as it is there.
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

// Confirm writes the prompt and " [y/N] " to out and reads one line from the terminal in. It returns
// true only for "y" and "yes", in any case. Errors are those of [Password], but the end of input
// counts as no.
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

// ask writes the prompt and waits for a line or a signal. After a signal the goroutine that reads
// stays blocked, as a read from a terminal can't be canceled. The program should exit then.
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

// readLine reads up to a line end and no further, so the next reader gets the rest. The last line may
// have no line end. The error is io.EOF if there is nothing to read.
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

// longestLine returns the most bytes of a line that a terminal passes in canonical mode, without the
// line end. It silently drops more. Linux: 4096 with the line end (termios(3)); macOS and the BSDs:
// MAX_CANON.
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
