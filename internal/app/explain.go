package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/foreign"
	"github.com/coffer-secrets/coffer/internal/term"
	"github.com/coffer-secrets/coffer/internal/waiting"
	"github.com/coffer-secrets/coffer/store"
)

// The exit codes, as in docs/design/architecture.md.
const (
	ExitDone          = 0
	ExitOther         = 1
	exitUsage         = 2
	exitNotFound      = 3
	exitConflict      = 4
	exitDenied        = 5
	exitUnavailable   = 6
	exitConfiguration = 7
	exitCorrupt       = 8
	ExitNotExecutable = 126
	ExitNoCommand     = 127
	ExitInterrupted   = 130
)

// ExitError ends the program with an exit code of its own. If Err is nil, nothing is printed.
type ExitError struct {
	Code int
	Err  error
}

func (e *ExitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit status %d", e.Code)
	}
	return e.Err.Error()
}

func (e *ExitError) Unwrap() error { return e.Err }

// Usage returns an error of the command line, with exit code 2.
func Usage(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errUsage, fmt.Sprintf(format, args...))
}

var errUsage = errors.New("usage")

// NoTerminal returns the error of a command that must ask but has no terminal. The hint says which
// flag makes it go on without asking.
func NoTerminal(hint string) error {
	return WithHint(Usage("not a terminal, so this can't be confirmed"), hint)
}

// WithHint adds a hint to an error: what a person can do about it.
func WithHint(err error, hint string) error { return &hintError{err, hint} }

type hintError struct {
	error
	hint string
}

func (e *hintError) Unwrap() error { return e.error }

// Fail prints an error with its hint and returns the exit code. No other code does that.
func (a *App) Fail(err error) int {
	err = a.withChanges(err)
	code := exitCode(err)
	var exit *ExitError
	if errors.As(err, &exit) && exit.Err == nil {
		return code
	}
	a.SayFailed("%s", Sentence(err))
	if h := cmp.Or(a.directoryHint(err), a.teamHint(err), a.encryptionHint(err), a.kmsPlaceHint(err), hint(err), a.contactHint(err)); h != "" {
		fmt.Fprintln(a.Stderr, "  "+a.shown(h))
	}
	return code
}

// Explain returns what [App.Fail] would print: the sentence of an error and, on a line of its own, the
// hint.
func (a *App) Explain(err error) string {
	err = a.withChanges(err)
	text := a.shown(Sentence(err))
	if h := cmp.Or(a.teamHint(err), a.encryptionHint(err), a.kmsPlaceHint(err), hint(err), a.contactHint(err)); h != "" {
		text += "\n" + a.shown(h)
	}
	return text
}

// Advice returns the sentence and the hint of an error in one line, for a note.
func (a *App) Advice(err error) string {
	first, hint, found := strings.Cut(a.Explain(err), "\n")
	if !found {
		return first
	}
	return first + "; " + hint
}

func exitCode(err error) int {
	var exit *ExitError
	if errors.As(err, &exit) {
		return exit.Code
	}
	var ended *waiting.NoProgressError
	if errors.As(err, &ended) {
		return exitUnavailable
	}
	for _, c := range []struct {
		is   error
		code int
	}{
		{context.Canceled, ExitInterrupted},
		{term.ErrInterrupted, ExitInterrupted},
		{errUsage, exitUsage},
		{store.ErrInvalid, exitUsage},
		{store.ErrAmbiguousName, exitUsage},
		{store.ErrNotFound, exitNotFound},
		{store.ErrConflict, exitConflict},
		{store.ErrDenied, exitDenied},
		{store.ErrCorrupt, exitCorrupt},
		{store.ErrConfiguration, exitConfiguration},
		{store.ErrUnsupported, exitConfiguration},
		{store.ErrUnavailable, exitUnavailable},
		{context.DeadlineExceeded, exitUnavailable},
		{store.ErrUnknown, exitUnavailable},
	} {
		if errors.Is(err, c.is) {
			return c.code
		}
	}
	return ExitOther
}

const opDelete = "delete" // of [store.Error]

// Sentence returns the message of an error for a person. It names the secret, if there is one.
func Sentence(err error) string {
	var partial *partialError
	if errors.As(err, &partial) {
		return Sentence(partial.error) + "; " + partial.changes
	}
	var many *manyError
	if errors.As(err, &many) {
		return Sentence(many.errs[0]) + many.rest()
	}
	var placed interface { // an error at one place of a file
		Place() string
		Unwrap() error
	}
	if errors.As(err, &placed) {
		return placed.Place() + ": " + Sentence(placed.Unwrap())
	}
	var op *store.Error
	if !errors.As(err, &op) {
		return plainSentence(err)
	}
	if both := failures(err); len(both) > 0 {
		return Sentence(both[0]) + "; " + Sentence(both[1])
	}
	name := subject(op.ID)
	var missing *store.NotFoundError
	var version *store.VersionError
	var ambiguous *store.AmbiguousNameError
	var alias *store.AliasError
	switch {
	case op.Op == opDelete && errors.As(err, &alias) && alias.Index == "":
		return fmt.Sprintf("%s is under %s, not under %s; it was not deleted", name, cmp.Or(alias.Have, "a key whose alias is unknown"), alias.Want)
	case errors.As(err, &missing) && missing.Version != "":
		return fmt.Sprintf("%s has no version %s", name, missing.Version)
	case errors.As(err, &missing) && missing.What == "version":
		return fmt.Sprintf("%s has no such version", name)
	case errors.As(err, &missing) && missing.What == "service":
		return fmt.Sprintf("service %q has no secrets%s", op.ID.Service, nearest(missing))
	case errors.As(err, &missing):
		return fmt.Sprintf("no %s%s", name, nearest(missing))
	case errors.As(err, &ambiguous) && op.ID.Key == "":
		return fmt.Sprintf("service %q is ambiguous: %s; use the exact name", op.ID.Service, strings.Join(ambiguous.Keys, ", "))
	case errors.As(err, &ambiguous):
		return fmt.Sprintf("%q in service %q is ambiguous: %s; use the exact key", op.ID.Key, op.ID.Service, strings.Join(ambiguous.Keys, ", "))
	case errors.As(err, &version):
		if version.Have == 0 {
			return fmt.Sprintf("%s doesn't exist, but version %d was expected; it was not written", name, version.Want)
		}
		return fmt.Sprintf("%s is at version %d, not %d; it was left as it is", name, version.Have, version.Want)
	case isStopped(err):
	case errors.Is(err, context.Canceled):
		return "interrupted: " + strings.TrimSpace(op.Op+" "+name)
	case errors.Is(err, store.ErrIndexBehind):
		return fmt.Sprintf("%s: the change is stored, but the index is not up to date: %s", name, plainSentence(cause(op.Err)))
	}
	return fmt.Sprintf("%s: %s", name, plainSentence(op.Err))
}

// failures returns the two failures of an error that joins them: that of a secret, and then that of the index.
func failures(err error) []error {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return nil
	}
	of := func(err error) bool { var op *store.Error; return errors.As(err, &op) }
	switch all := joined.Unwrap(); {
	case len(all) == 1:
		return failures(all[0])
	case len(all) == 2 && of(all[0]) && of(all[1]):
		return all
	}
	return nil
}

func nearest(e *store.NotFoundError) string {
	if e.Nearest == "" {
		return ""
	}
	return fmt.Sprintf(" (nearest: %q)", e.Nearest)
}

func subject(id store.ID) string {
	switch {
	case id.Key != "":
		return fmt.Sprintf("secret %q in service %q", id.Key, id.Service)
	case id.Service != "":
		return fmt.Sprintf("service %q", id.Service)
	}
	return "the store"
}

// cause returns the last of several wrapped errors: the sentinels before it are already part of the
// sentence.
func cause(err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		if all := joined.Unwrap(); len(all) > 1 {
			return all[len(all)-1]
		}
	}
	return err
}

// plainSentence returns the message of an error without the name of a secret.
func plainSentence(err error) string {
	var refused *store.StorageError
	var path *fs.PathError
	var stopped *store.StoppedError
	var ended *store.CredentialsError
	switch {
	case errors.As(err, &stopped):
		return stoppedSentence(stopped)
	case errors.As(err, &ended):
		return foreign.Bare(ended.Reason)
	case errors.As(err, &refused):
		return refusal(refused, err)
	case otherBackend(err) != "":
		return otherBackend(err)
	case errors.Is(err, awsconf.ErrNoRegion):
		return "no AWS region is configured"
	case errors.As(err, &path):
		return fmt.Sprintf("%s %s: %v", path.Op, path.Path, path.Err)
	}
	text := strings.ReplaceAll(err.Error(), "\n", "; ") // of joined errors
	for _, sentinel := range []error{errUsage, store.ErrInvalid, store.ErrConfiguration, store.ErrConflict, store.ErrNotFound, store.ErrUnsupported, store.ErrUnavailable} {
		text = strings.TrimSuffix(strings.TrimPrefix(text, sentinel.Error()+": "), ": "+sentinel.Error())
	}
	return text
}

// stoppedSentence says why a batch stopped and how many secrets of it are left.
func stoppedSentence(e *store.StoppedError) string {
	text := fmt.Sprintf("%d of %s not done: %s", e.Left, Count(e.Of, "secret"), plainSentence(cause(e.Err)))
	if e.Behind {
		text += "; the changes are stored, but the index is not up to date"
	}
	return text
}

func isStopped(err error) bool {
	var stopped *store.StoppedError
	return errors.As(err, &stopped)
}

// isOwnCode reports whether a code is ours: the reason beside it says it all.
func isOwnCode(code string) bool {
	switch code {
	case store.CodeFile, store.CodeNoIdentity, store.CodeCopied, store.CodeNotAsked, store.CodeNotMember, store.CodeNoTeamKey, store.CodeLostTeamKey,
		store.CodeDamagedTeamKey, store.CodeUnknownTeamKey:
		return true
	}
	return false
}

// refusal returns the message of an error of the storage, followed by the storage's own text.
func refusal(e *store.StorageError, err error) string {
	what := fmt.Sprintf("%s failed", e.Operation())
	switch {
	case e.Bucket != "" && e.Code == codeNoBucket:
		return fmt.Sprintf("the bucket %q doesn't exist", e.Bucket)
	case e.Bucket != "": // a 404 without S3's own code
		return fmt.Sprintf("the server says that there is no bucket %q, but not as an S3 server does (status %d)", e.Bucket, e.Status)
	case errors.Is(e, store.ErrDenied):
		what = fmt.Sprintf("not allowed to %s", e.Operation())
	case notReached(e):
		return fmt.Sprintf("%s: %s", e.Operation(), e.Reason)
	case errors.Is(e, store.ErrUnavailable):
		what = fmt.Sprintf("%s: unexpected response from the storage", e.Operation())
	}
	if errors.Is(err, store.ErrUnknown) {
		what = "it may or may not have been stored: " + what
	}
	own := isOwnCode(e.Code)
	if e.Code != "" && !own {
		what += " (" + e.Code + ")"
	}
	switch {
	case e.Reason == "", strings.EqualFold(strings.ReplaceAll(e.Reason, " ", ""), e.Code): // of an answer without a body: "Bad Request"
		return what
	case own:
		return what + ": " + e.Reason
	}
	return what + ": " + foreign.Text(e.Reason)
}

// codeNoBucket is S3's code for a bucket that doesn't exist.
const codeNoBucket = "NoSuchBucket"

// notReached reports whether no server answered, so that there is nothing to say about an answer.
func notReached(e *store.StorageError) bool {
	switch e.Code {
	case awsconf.CodeNoTLS, awsconf.CodeOnlyTLS, awsconf.CodeCertificate, awsconf.CodeNotHTTP, awsconf.CodeProxy:
		return true
	}
	return strings.HasPrefix(e.Reason, noAnswer)
}

// Operations of init: HeadBucket, its first request to S3, and CreateBucket.
const (
	opLookAtBucket = "get the bucket"
	opCreateBucket = "create the bucket"
)
