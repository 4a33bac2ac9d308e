package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/coffer-secrets/coffer/internal/waiting"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// The default time that a command waits without progress.
const (
	ReadTimeout   = 30 * time.Second
	ChangeTimeout = 60 * time.Second
)

// KeyTimeout limits the time to describe keys, for all keys together.
const KeyTimeout = 3 * time.Second

// timeout returns the configured timeout; 0 if the default of the command applies.
func (s *Settings) timeout() (time.Duration, error) {
	if s.Timeout.From == fromDefault {
		return 0, nil
	}
	d, err := time.ParseDuration(s.Timeout.Value)
	switch {
	case err != nil:
		return 0, s.Timeout.Refuse("timeout", "is not a duration such as 30s or 2m")
	case d <= 0:
		return 0, s.Timeout.Refuse("timeout", "is too short: use a duration such as 30s or 2m")
	}
	return d, nil
}

// setTimeout sets how long the command waits without progress, and returns it.
func (a *App) setTimeout(s *Settings) (time.Duration, error) {
	d, err := s.timeout()
	if err != nil {
		return 0, err
	}
	d = cmp.Or(d, a.patience, a.DefaultTimeout, ChangeTimeout)
	if a.Watch != nil {
		a.Watch.Limit(d)
	}
	return d, nil
}

// Aside returns a context for requests beside a program that runs: they may wait as long as those of a
// command, but that ends only these requests, and nobody is told what they wait for.
func (a *App) Aside(ctx context.Context) (context.Context, context.CancelFunc) {
	w := waiting.New(ctx, func(waiting.Report) {})
	d, _ := a.InForce.timeout() // it was checked when the store was opened
	w.Limit(cmp.Or(d, ReadTimeout))
	return w.Context(), w.Close
}

// WaitFor prints what the command is waiting for. It suggests a shorter timeout where that would end the
// wait sooner than it ends by itself.
func (a *App) WaitFor(r waiting.Report) {
	if a.Globals == nil || a.Globals.Quiet {
		return
	}
	a.hideProgress()
	const shorter = 10 * time.Second
	if r.Limit > shorter && (r.Ends == 0 || r.Ends > shorter) {
		a.Say("waiting for %s (Ctrl-C to stop, --timeout %s to wait less)", r, shorter)
		return
	}
	a.Say("waiting for %s (Ctrl-C to stop)", r)
}

// withChanges adds to the error of a timeout, an interrupt, or a failure of the network or a disk
// which changes were made. It returns any other error unchanged.
func (a *App) withChanges(err error) error {
	if a.Watch == nil {
		return err
	}
	if ended := a.Watch.Ended(); ended != nil {
		return WithHint(fmt.Errorf("gave up: %w; %s", ended, a.changes()), "--timeout "+waiting.Words(4*ended.Limit)+" waits longer")
	}
	var exit *ExitError
	switch code := exitCode(err); {
	case errors.As(err, &exit):
		return err
	case a.DefaultTimeout != ReadTimeout && ofFiles(err) && !errors.Is(err, store.ErrIndexBehind):
		return &partialError{err, strings.Replace(a.changes(), nothingChanged, "nothing was written", 1)}
	case code == ExitInterrupted,
		code == exitUnavailable && a.DefaultTimeout != ReadTimeout && !errors.Is(err, store.ErrUnknown) && !errors.Is(err, store.ErrIndexBehind):
		return &partialError{err, a.changes()}
	}
	return err
}

// ofFiles reports whether the file system refused: the disk is full, or a directory can't be used.
func ofFiles(err error) bool {
	var refused *store.StorageError
	var path *fs.PathError
	if errors.As(err, &refused) {
		return refused.Code == store.CodeFile
	}
	return errors.As(err, &path) && path.Op != "open" // an input that isn't there
}

const nothingChanged = "nothing was changed"

// partialError is an interrupt, or a failure of the network or a disk, with the changes that were made before it.
type partialError struct {
	error
	changes string
}

func (e *partialError) Unwrap() error { return e.error }

// changes describes which changes were made, and which may have been made.
func (a *App) changes() string {
	made, unknown := a.Watch.Changes()
	made, unknown = secretNames(made), secretNames(unknown)
	behind := slices.ContainsFunc(unknown, isIndex)
	made, unknown = slices.DeleteFunc(made, isIndex), slices.DeleteFunc(unknown, isIndex)
	var parts []string
	if len(made) > 0 {
		subject, verb := changesTo(made)
		parts = append(parts, subject+" "+verb+" made")
	}
	if len(unknown) > 0 {
		subject, _ := changesTo(unknown)
		parts = append(parts, subject+" may have been made: run "+commandToCheck(unknown, a.InForce)+" to check")
	}
	if len(parts) == 0 {
		parts = append(parts, nothingChanged)
	}
	if behind {
		parts = append(parts, "an index may not be up to date: coffer doctor --fix repairs it")
	}
	return strings.Join(parts, "; ")
}

// secretNames returns the names of secrets for those of their objects. It leaves out the objects of
// probes.
func secretNames(objects []string) []string {
	var names []string
	for _, object := range objects {
		if !strings.Contains(object, admin.ProbeDir) {
			names = append(names, strings.TrimPrefix(strings.TrimSuffix(object, store.ObjectSuffix), "/"))
		}
	}
	return names
}

func isIndex(name string) bool {
	return strings.HasPrefix(path.Base(name), store.ReservedPrefix) && !strings.HasPrefix(name, store.ReservedPrefix)
}

// changesTo returns the subject and the verb of a sentence about changes.
func changesTo(names []string) (subject, verb string) {
	const most = 3
	switch n := len(names); {
	case n == 1:
		return "the change to " + names[0], "was"
	case n > most:
		return fmt.Sprintf("the changes to %s and %d more", strings.Join(names[:most], ", "), n-most), "were"
	default:
		return "the changes to " + strings.Join(names[:n-1], ", ") + " and " + names[n-1], "were"
	}
}

// commandToCheck returns the command that shows whether changes were made. On a Grouped backend the
// names are those of services.
func commandToCheck(names []string, s *Settings) string {
	name, _, several := strings.Cut(names[0], ", ")
	service, key := path.Split(name)
	switch service = strings.TrimSuffix(service, "/"); {
	case strings.Contains(name, " "):
		return "coffer doctor"
	case s != nil && s.Kind().Grouped:
		return "coffer list " + name
	case service == "":
		return "coffer doctor"
	case several || len(names) > 1:
		return "coffer list " + service
	}
	return fmt.Sprintf("coffer history %s %s", service, key)
}
