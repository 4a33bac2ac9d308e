package agekeys

import (
	"errors"
	"fmt"
	"time"
)

// UI is how identities ask a person. The zero UI asks nobody.
type UI struct {
	// Secret asks for a passphrase or another secret, without echo; nil: nobody can be asked.
	Secret func(prompt string) (string, error)
	// Line asks for a value that is no secret; nil: nobody can be asked.
	Line func(prompt string) (string, error)
	// Confirm asks to choose yes or no, each with its word; no is "" if there is one choice only. nil:
	// nobody can be asked.
	Confirm func(prompt, yes, no string) (bool, error)

	Notice func(text string) // receives a sentence for the person, which may have text of a plugin; nil: none

	// Wait is how long a plugin may take between two signs of life, while no person is asked; 0: a minute.
	Wait time.Duration
	// Done ends the wait for a plugin; nil: nothing does.
	Done <-chan struct{}
}

// defaultWait is enough to find a token, plug it in and touch it.
const defaultWait = time.Minute

// ErrNotAsked means that an identity needs an answer, such as a passphrase, and nobody can be asked.
var ErrNotAsked = errors.New("nobody can be asked: there is no terminal")

// unanswered is the error of a person who gave no answer.
type unanswered struct{ error }

func (u *unanswered) Unwrap() error { return u.error }

// passphrase asks for the passphrase of a file.
func (u UI) passphrase(prompt string) (string, error) {
	if u.Secret == nil {
		return "", ErrNotAsked
	}
	value, err := u.Secret(prompt)
	if err != nil {
		return "", &unanswered{err}
	}
	return value, nil
}

func (u UI) notice(format string, args ...any) {
	if u.Notice != nil {
		u.Notice(fmt.Sprintf(format, args...))
	}
}
