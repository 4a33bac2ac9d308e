// Package term asks a person at a terminal: for a secret without echo, or for a confirmation.
package term

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"
)

// The errors of [Terminal]; test with errors.Is.
var (
	ErrNoTerminal   = errors.New("standard input is not a terminal")
	ErrInterrupted  = errors.New("interrupted")
	ErrSeveralLines = errors.New("that was several lines")
)

// quiet is how long the terminal must send nothing before the input counts as complete. A terminal
// without bracketed paste sends the lines of a paste one after the other, at once.
const quiet = 100 * time.Millisecond

// IsTerminal reports whether a stream is a terminal. It is false for a stream without the method Fd
// of [*os.File].
func IsTerminal(stream any) bool {
	f, ok := stream.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd()))
}

// Width returns the columns of a terminal; 0 if the stream is none, or doesn't know.
func Width(stream any) int {
	f, ok := stream.(interface{ Fd() uintptr })
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// Terminal is where a person is asked. If standard input isn't the terminal, In and Out are
// /dev/tty.
type Terminal struct {
	In, Out *os.File
	Type    string // TERM; with "" and "dumb" no control sequence is written
}

// Secret writes the prompt and reads one line, without echo. It returns the line without its line
// end, whatever its length.
//
// Whatever was pasted is read to its end, so that no program reads it later. More than one line is
// [ErrSeveralLines]; empty lines at the end don't count. Ctrl-D is [io.EOF]. Ctrl-C, SIGINT, SIGTERM,
// SIGHUP and SIGQUIT are [ErrInterrupted]. If In isn't a terminal, it is [ErrNoTerminal]. The
// terminal is as it was afterwards.
func (t Terminal) Secret(prompt string) (string, error) { return t.ask(prompt, false) }

// Confirm writes the prompt and " [y/N] " and reads one line. It returns true only for "y" and
// "yes", in any case. Errors are those of [Terminal.Secret], but Ctrl-D counts as no.
func (t Terminal) Confirm(prompt string) (bool, error) {
	line, err := t.ask(prompt+" [y/N] ", true)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes", err
}

// ask sets the terminal's mode, asks, and restores the mode. The kernel's own line editing is off:
// it would cut off a line after 4,095 bytes, and return before the end of a paste.
func (t Terminal) ask(prompt string, echo bool) (string, error) {
	if !IsTerminal(t.In) {
		return "", ErrNoTerminal
	}
	fd := int(t.In.Fd())
	// Before the prompt, as a person may type as soon as it is there.
	mode, err := setMode(fd)
	if err != nil {
		return "", fmt.Errorf("turn off the terminal's echo: %w", err)
	}
	pasteOn, pasteOff := "", ""
	if t.Type != "" && t.Type != "dumb" {
		pasteOn, pasteOff = "\x1b[?2004h", "\x1b[?2004l"
	}
	line, err := t.await(pasteOn+prompt, echo, func() { _ = mode.enter() })
	_, _ = fmt.Fprintln(t.Out, pasteOff) // with the line end that was not echoed
	// What is still pending after an error was meant for this prompt, too.
	if restoreErr := mode.leave(err != nil); err == nil {
		err = restoreErr
	}
	if err != nil {
		return "", err
	}
	return line, nil
}

// await writes the prompt and waits for a line or a signal. After a signal the goroutine that reads
// stays blocked, as a read from a terminal can't be canceled. The program should exit then.
func (t Terminal) await(prompt string, echo bool, resume func()) (string, error) {
	signals := make(chan os.Signal, 1)
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	defer signal.Stop(signals)
	continued := notifyContinued()
	defer signal.Stop(continued)

	type answer struct {
		line string
		err  error
	}
	answers := make(chan answer, 1)
	if _, err := io.WriteString(t.Out, prompt); err != nil {
		return "", fmt.Errorf("write the prompt: %w", err)
	}
	go func() {
		e := editor{in: t.In, pending: func() bool { return pending(int(t.In.Fd()), quiet) }}
		if echo {
			e.echo = t.Out
		}
		line, err := e.readLine()
		answers <- answer{line, err}
	}()
	for {
		select {
		case a := <-answers:
			return a.line, a.err
		case <-continued: // after Ctrl-Z and fg: the shell may have changed the mode
			resume()
			_, _ = io.WriteString(t.Out, prompt)
		case <-signals:
			return "", ErrInterrupted
		}
	}
}
