package app

import (
	"errors"
	"io"

	"github.com/coffer-secrets/coffer/internal/term"
)

// terminal returns the terminal at which a person is asked.
func (a *App) terminal() term.Terminal {
	return term.Terminal{In: a.Stdin, Out: a.Stderr, Type: a.Getenv("TERM")}
}

// Question is a question for a value.
type Question struct {
	Prompt  string
	Nothing string // what an error says about the effect, such as "nothing was stored"
	Several string // what takes a value of several lines, such as "-"
	Stdin   string // the command that reads the value from standard input
}

// AskValue asks for a value, without echo. A slip gives no value: an empty line, several lines, the
// end of input and an interrupt are errors. The error is [term.ErrNoTerminal] if there is no terminal.
func (a *App) AskValue(q Question) (string, error) {
	value, err := a.terminal().Secret(q.Prompt)
	switch {
	case errors.Is(err, term.ErrInterrupted):
		return "", &ExitError{ExitInterrupted, errors.New("interrupted: " + q.Nothing)}
	case errors.Is(err, io.EOF):
		return "", Usage("no value was given: %s", q.Nothing)
	case errors.Is(err, term.ErrSeveralLines):
		return "", Usage("%v; use %s; %s", term.ErrSeveralLines, q.Several, q.Nothing)
	case err == nil && value == "":
		return "", WithHint(Usage("the value is empty: %s", q.Nothing), "to give an empty value: printf '' | "+q.Stdin)
	}
	return value, err
}

// Confirm asks a question whose answer is yes or no. Several lines are an error: the answer may be
// meant for something else. So are an interrupt, and [term.ErrNoTerminal].
func (a *App) Confirm(question string) (bool, error) {
	ok, err := a.terminal().Confirm(question)
	if errors.Is(err, term.ErrSeveralLines) {
		return false, WithHint(Usage("%v", term.ErrSeveralLines), "answer y or n")
	}
	return ok, err
}
